"""A model that goes in circles is told so, and then stopped."""

import json
from collections.abc import Sequence

import pytest
from pydantic import BaseModel

from agentkit import Agent, InvalidOutput, RunLimits, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.messages import ToolCall, ToolMessage
from agentkit.runtime.guard import RepeatGuard, Repeats

SAME = "\n\n[This is the same call as before, with the same arguments. Use this result, or do something else.]"
TURNS = "\n\n[These calls come in turns, always the same. Use the results that you have, or do something else.]"
NOT_RUN = "Not run: the same calls were made in turns 5 times in a row. Use the earlier results."


class Person(BaseModel):
    name: str


class Watched:
    """A guard that is shown turns of calls, written as one word per call."""

    def __init__(self, polling: str = "") -> None:
        self.guard = RepeatGuard()
        self._polling = polling
        self._ids = 0

    def turn(self, calls: str) -> list[Repeats]:
        open_calls: list[ToolCall] = []
        for name in calls:
            self._ids += 1
            open_calls.append(ToolCall(f"id-{self._ids}", name, {}, "{}"))
        return self.guard.turn(open_calls, [name in self._polling for name in calls])

    def times(self, *turns: str) -> list[list[int]]:
        return [[repeats.times for repeats in self.turn(calls)] for calls in turns]


def test_identical_calls_in_a_row_are_counted_in_one_turn_and_over_turns() -> None:
    assert Watched().times("A", "A", "A", "B", "A") == [[1], [2], [3], [1], [2]]
    assert Watched().times("AAAAA", "B") == [[1, 2, 3, 4, 5], [1]]


def test_two_calls_in_turns_are_counted_as_pairs() -> None:
    watched = Watched()
    seen = [watched.turn(call)[0] for call in "ABABABABAB"]
    assert [repeats.times for repeats in seen] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [repeats.reminder for repeats in seen] == [None] * 4 + [TURNS] * 6
    assert [repeats.refusal for repeats in seen] == [None] * 8 + [NOT_RUN] * 2


def test_a_third_call_breaks_the_pattern() -> None:
    assert Watched().times(*"ABABCAB") == [[1], [1], [2], [2], [1], [1], [1]]


def test_turns_of_parallel_calls_are_compared_as_a_whole_in_any_order() -> None:
    assert Watched().times("ABC", "CBA", "BCA") == [[1, 1, 1], [2, 2, 2], [3, 3, 3]]
    assert Watched().times("ABC", "DE", "CAB", "ED", "BCA", "DE")[-2:] == [[3, 3, 3], [3, 3]]


def test_calls_that_make_progress_are_never_counted_together() -> None:
    assert max(max(turn) for turn in Watched().times(*"ABCABCABCABCABC")) == 1


def test_a_polling_call_never_counts_and_breaks_the_pattern_around_it() -> None:
    assert Watched("P").times(*"PPPPPP") == [[0]] * 6
    assert Watched("P").times(*"PWPWPWPWPW") == [[0], [1]] * 5
    assert Watched("P").times("AP", "AP", "AP") == [[1, 0]] * 3


def test_equal_arguments_are_the_same_call_however_they_are_written() -> None:
    guard = RepeatGuard()
    for number, text in enumerate(('{"a":1,"b":"x"}', '{"b": "x", "a": 1}', '{"b":"\\u0078","a":1}')):
        (seen,) = guard.turn([ToolCall(f"id-{number}", "look", json.loads(text), text)], [False])
        assert seen == Repeats(number + 1)
    (seen,) = guard.turn([ToolCall("id-9", "look", {"a": 2, "b": "x"})], [False])
    assert seen == Repeats(1)


def test_a_guard_goes_on_from_its_state_after_every_turn() -> None:
    turns = ["A", "A", "AB", "BA", "C", "D", "C", "D", "C", "D", "C", "D", "C", "D", "P", "AAA", "A", "A"]
    whole, cut = Watched("P"), Watched("P")
    for calls in turns:
        stored = json.loads(json.dumps(cut.guard.state()))
        cut.guard = RepeatGuard()
        cut.guard.restore(stored)
        assert cut.turn(calls) == whole.turn(calls)
        assert cut.guard.rejected("x", ["no"]) == whole.guard.rejected("x", ["no"])
    assert cut.guard.state() == whole.guard.state()


def test_a_turn_that_is_looked_at_again_after_a_pause_counts_once() -> None:
    guard = RepeatGuard()
    call = ToolCall("id-1", "look", {})
    assert guard.turn([call], [False]) == [Repeats(1)]
    again = RepeatGuard()
    again.restore(guard.state())
    assert again.turn([call], [False]) == [Repeats(1)]
    assert again.turn([ToolCall("id-2", "look", {})], [False]) == [Repeats(2)]


async def played(*turns: Sequence[Call]) -> tuple[list[str], list[str]]:
    """What the model was told, and which bodies ran."""
    ran: list[str] = []

    @tool
    async def look(city: str) -> str:
        """Look, and never see the same."""
        ran.append(city)
        return f"{city} {len(ran)}"

    with Emulator([*(Reply(calls=tuple(turn)) for turn in turns), Reply(text="done")]) as gateway:
        result = await Agent(gateway.model(), tools=[look]).run("Go")
    return [message.text for message in result.messages if isinstance(message, ToolMessage)], ran


@pytest.mark.anyio
async def test_ping_pong_is_nudged_at_the_third_round_and_not_run_at_the_fifth() -> None:
    cities = ["Oslo", "Rome"] * 5 + ["Bonn", "Oslo"]
    told, ran = await played(*([Call("look", {"city": city})] for city in cities))
    assert told == [
        *("Oslo 1", "Rome 2", "Oslo 3", "Rome 4"),
        *(f"{city} {number}{TURNS}" for number, city in enumerate(cities[4:8], 5)),
        *(NOT_RUN, NOT_RUN),
        *("Bonn 9", "Oslo 10"),
    ]
    assert ran == [*cities[:8], "Bonn", "Oslo"]


@pytest.mark.anyio
async def test_the_same_parallel_calls_turn_after_turn_are_nudged_and_then_not_run() -> None:
    batch = [Call("look", {"city": city}) for city in ("Oslo", "Rome", "Bonn")]
    told, ran = await played(*([batch, batch[::-1]] * 3)[:5])
    assert len(ran) == 12
    assert [text.endswith(SAME) for text in told] == [False] * 6 + [True] * 6 + [False] * 3
    assert set(told[12:]) == {
        "Not run: the same call with the same arguments was made 5 times in a row. Use the earlier result."
    }


@pytest.mark.anyio
async def test_a_model_that_repeats_a_wrong_answer_is_told_so_and_ends_before_its_corrections_do() -> None:
    with Emulator([Reply(text='{"nom":"Ada"}')] * 20) as gateway:
        agent = Agent(gateway.model(), output=Person, limits=RunLimits(corrections=15))
        with pytest.raises(InvalidOutput) as caught:
            await agent.run("Who?")
        asked = [request.body["messages"][-1]["content"] for request in gateway.requests[1:]]
    error = caught.value
    assert str(error) == (
        "toapis:gpt-5-4-mini-official gave no valid Person in 4 tries, the same one 4 times in a row: "
        "name: field required"
    )
    assert error.problems == ("name: field required",)
    assert [text.endswith("It is the same answer as before.") for text in asked] == [False, True, True]


@pytest.mark.anyio
async def test_different_wrong_answers_have_all_their_corrections() -> None:
    script = [Reply(text=f'{{"nom":"Ada {number}"}}') for number in range(20)]
    with Emulator(script) as gateway:
        agent = Agent(gateway.model(), output=Person, limits=RunLimits(corrections=7))
        with pytest.raises(InvalidOutput, match="in 8 tries: name"):
            await agent.run("Who?")
        assert len(gateway.requests) == 8


@pytest.mark.anyio
async def test_the_same_wrong_arguments_of_the_output_tool_end_a_run_too() -> None:
    with Emulator([Reply(calls=(Call("final_output", {"nom": "Ada"}),))] * 20) as gateway:
        agent = Agent(gateway.model(), output=Person, output_mode="tool", limits=RunLimits(corrections=15))
        with pytest.raises(InvalidOutput, match="the same one 4 times in a row"):
            await agent.run("Who?")
        told = [request.body["messages"][-1]["content"] for request in gateway.requests[1:]]
    assert [text.endswith("It is the same answer as before.") for text in told] == [False, True, True]
