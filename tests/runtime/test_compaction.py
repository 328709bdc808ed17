"""Compaction: what goes first, what never goes, and that the shorter history can be sent."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Literal

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.errors import ConfigurationError, Overloaded
from agentkit.messages import (
    AssistantMessage,
    History,
    ImagePart,
    Message,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    Trust,
    UserMessage,
    violations,
)
from agentkit.models import Model, ModelRequest, ModelResponse, Profile, ResponseCompleted, ResponseEvent
from agentkit.models.response import FinishReason
from agentkit.runtime.approval import lowest_trust
from agentkit.runtime.compaction import Ask, Chain, Compaction, DropOldest, ShortenResults, Summarise, with_models
from agentkit.runtime.limits import LimitReached
from agentkit.runtime.outline import LEFT_OUT, SUMMARISED
from agentkit.runtime.weight import message_tokens, weights
from agentkit.usage import Usage

LONG = "The quick brown fox jumps over the lazy dog. " * 100  # about 1,000 tokens
TRUSTS: tuple[Trust, ...] = ("system", "user", "tool", "web")
TASK = UserMessage("Find the cheapest ferry.")
NOTE = UserMessage(LEFT_OUT, trust="tool")


def calls(*ids: str) -> AssistantMessage:
    return AssistantMessage([ToolCall(call_id, "look", {}, "{}") for call_id in ids])


def result(call_id: str, text: str = LONG, trust: Trust = "tool") -> ToolMessage:
    return ToolMessage(call_id, "look", text, trust=trust)


def said(text: str = LONG) -> AssistantMessage:
    return AssistantMessage(text)


def weight(messages: Sequence[Message]) -> int:
    return sum(weights(History(messages)))


def compacted(
    strategy: Compaction, messages: Sequence[Message], keep: int, ask: Ask | None = None
) -> Sequence[Message]:
    history = History(messages)

    async def main() -> History:
        return await strategy.compact(history, keep=keep, ask=ask)

    shorter = anyio.run(main)
    return messages if shorter is history else shorter[:]


class Writer:
    """Answers with a text, or raises, and keeps what it was asked."""

    def __init__(self, text: str | Exception = "Two ferries, 40 and 55 EUR.", finish: FinishReason = "stop") -> None:
        self.text, self.finish = text, finish
        self.requests: list[ModelRequest] = []

    async def __call__(self, request: ModelRequest) -> ModelResponse:
        await anyio.lowlevel.checkpoint()
        self.requests.append(request)
        if isinstance(self.text, Exception):
            raise self.text
        return ModelResponse(AssistantMessage(self.text), self.finish, Usage())


class WriterModel:
    """A model that answers as its writer does."""

    name = "writer"
    profile = Profile()

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    async def events(self, request: ModelRequest, *, stream: bool) -> AsyncGenerator[ResponseEvent, None]:
        yield ResponseCompleted(await self.writer(request))


# What goes, and in which order


def test_the_oldest_exchanges_go_whole_and_leave_one_note() -> None:
    second: list[Message] = [UserMessage("And back?"), calls("b"), result("b"), said()]
    last: list[Message] = [UserMessage("Book it."), calls("c", "d"), result("c"), result("d"), said("Done.")]
    messages: list[Message] = [SystemMessage("Be brief."), TASK, calls("a"), result("a"), said(), *second, *last]
    all_of_it = weight(messages)
    assert compacted(DropOldest(), messages, all_of_it) is messages
    # After the first prompt, step by step; then the second exchange at once.
    assert compacted(DropOldest(), messages, all_of_it - 900) == (
        *messages[:2],
        UserMessage(LEFT_OUT, trust="tool"),
        *messages[4:],
    )
    assert compacted(DropOldest(), messages, all_of_it - 2500) == (*messages[:2], NOTE, *last)
    assert compacted(DropOldest(keep_first=0), messages, all_of_it - 900) == (messages[0], NOTE, *second, *last)


def test_the_exchange_under_way_loses_its_oldest_steps_only_when_nothing_else_is_left() -> None:
    steps = [message for name in "abcd" for message in (calls(name, f"{name}2"), result(name), result(f"{name}2"))]
    messages: list[Message] = [UserMessage("Hi."), said(), TASK, *steps]
    assert compacted(DropOldest(), messages, 6500) == (*messages[:1], TASK, NOTE, *steps[3:])
    assert compacted(DropOldest(), messages, 1) == (*messages[:1], TASK, NOTE, *steps[-3:])
    newest: list[Message] = [TASK, calls("a"), result("a")]
    assert compacted(DropOldest(), newest, 1) is newest


def test_what_the_loop_said_is_no_prompt_and_system_messages_stay() -> None:
    correction = UserMessage("Call look before you answer.", trust="system")
    rule = SystemMessage("Prices in EUR.")
    messages: list[Message] = [
        TASK,
        calls("a"),
        result("a"),
        rule,
        said("No."),
        correction,
        calls("b"),
        result("b", "40"),
    ]
    assert compacted(DropOldest(), messages, 100) == (TASK, NOTE, rule, *messages[4:])
    assert compacted(DropOldest(keep_first=0), messages, 1) == (TASK, rule, NOTE, calls("b"), result("b", "40"))


def test_a_second_compaction_keeps_one_note_and_the_lowest_trust() -> None:
    messages: list[Message] = [
        TASK,
        calls("a"),
        result("a", trust="web"),
        calls("b"),
        result("b"),
        calls("c"),
        result("c"),
    ]
    once = compacted(DropOldest(), messages, 2500)
    assert once == (TASK, UserMessage(LEFT_OUT, trust="web"), *messages[3:])
    twice = compacted(DropOldest(), once, 1500)
    assert twice == (TASK, UserMessage(LEFT_OUT, trust="web"), *messages[5:])
    assert lowest_trust(twice) == lowest_trust(messages) == "web"


def test_what_is_shorter_than_the_note_is_not_left_out() -> None:
    messages: list[Message] = [TASK, said("Yes."), said("No.")]
    assert compacted(DropOldest(), messages, 1) is messages


def test_old_results_keep_head_and_tail_and_the_newest_stay_whole() -> None:
    image = ImagePart(url="https://example.org/a.png")
    shown = ToolMessage("b", "look", [TextPart("x" * 5000, "web"), image, TextPart("y", "tool")], is_error=True)
    messages: list[Message] = [
        TASK,
        calls("a", "b"),
        result("a"),
        shown,
        calls("c"),
        result("c"),
        calls("d"),
        result("d"),
    ]
    shorter = compacted(ShortenResults(characters=300, keep_last=2), messages, 1)
    cut = ToolMessage("a", "look", f"{LONG[:200]}\n[... 4,200 characters left out ...]\n{LONG[-100:]}")
    parts = [TextPart(f"{'x' * 200}\n[... 4,700 characters left out ...]\n{'x' * 100}", "web"), *shown.parts[1:]]
    assert shorter == (TASK, messages[1], cut, ToolMessage("b", "look", parts, is_error=True), *messages[4:])
    assert compacted(ShortenResults(characters=300, keep_last=2), shorter, 1) is shorter
    assert compacted(ShortenResults(characters=300, keep_last=9), messages, 1) is messages
    # No more of them than needed.
    assert compacted(ShortenResults(300, 0), messages, weight(messages) - 500) == (*messages[:2], cut, *messages[3:])


def test_a_chain_goes_on_until_it_fits() -> None:
    messages: list[Message] = [TASK, calls("a"), result("a"), calls("b"), result("b"), calls("c"), result("c")]
    gentle, chain = ShortenResults(300, 1), Chain(ShortenResults(300, 1), DropOldest())
    assert compacted(chain, messages, 1800) == compacted(gentle, messages, 1800)
    assert compacted(chain, messages, 1100) == (TASK, NOTE, calls("c"), result("c"))
    assert compacted(Chain(), messages, 1) is messages


# Summaries


def test_a_summary_stands_for_the_oldest_messages_and_keeps_their_lowest_trust() -> None:
    older: list[Message] = [UserMessage("And back?"), calls("b"), result("b", trust="web"), said()]
    last: list[Message] = [UserMessage("Book it."), calls("c"), result("c"), said("Done.")]
    messages: list[Message] = [SystemMessage("Be brief."), TASK, said(), *older, *last]
    writer = Writer()
    summary = UserMessage(f"{SUMMARISED}\n\nTwo ferries, 40 and 55 EUR.", trust="web")
    assert compacted(Summarise(), messages, 2000, writer) == (*messages[:2], summary, *last)
    (request,) = writer.requests
    (asked,) = request.messages
    assert isinstance(asked, UserMessage)
    assert asked.text.startswith("<transcript>\nUser: Find the cheapest ferry.\n\nAssistant: The quick brown")
    assert "\n\nAssistant calls look: {}\n\nResult of look: The quick" in asked.text
    assert "Be brief" not in asked.text
    assert [part.trust for part in asked.parts] == ["web"]
    assert weight([asked]) < 2100
    assert request.instructions is not None
    assert "in at most 481 words" in request.instructions  # of the 2,000 tokens, what the others leave


def test_the_exchange_under_way_is_summarised_when_the_rest_is_not_enough_and_a_summary_is_summarised_too() -> None:
    steps = [message for name in "abcd" for message in (calls(name), result(name))]
    writer = Writer()
    summary = UserMessage(f"{SUMMARISED}\n\nTwo ferries, 40 and 55 EUR.", trust="tool")
    once = compacted(Summarise(keep_last=2), [TASK, *steps], 3000, writer)
    assert once == (TASK, summary, *steps[4:])
    more: list[Message] = [*once, calls("e"), result("e"), calls("f"), result("f")]
    assert compacted(Summarise(keep_last=2), more, 3000, writer) == (TASK, summary, *more[-4:])
    assert SUMMARISED in writer.requests[1].messages[0].text  # type: ignore[operator]  # a user message has a text


@pytest.mark.parametrize(
    "writer",
    [
        pytest.param(Writer(Overloaded("busy")), id="the model fails"),
        pytest.param(Writer(LimitReached("tokens", "no tokens left")), id="a limit stands in the way"),
        pytest.param(Writer(" "), id="it is empty"),
        pytest.param(Writer("Two fer", "length"), id="it is cut"),
        pytest.param(Writer("I cannot", "refusal"), id="it is refused"),
        pytest.param(Writer(LONG * 3), id="it does not fit"),
        pytest.param(None, id="there is nobody to ask"),
    ],
)
def test_without_a_summary_the_oldest_are_dropped(writer: Writer | None) -> None:
    messages: list[Message] = [TASK, *(message for name in "abcdef" for message in (calls(name), result(name)))]
    assert compacted(Summarise(keep_last=1), messages, 2500, writer) == compacted(DropOldest(), messages, 2500)


def test_where_there_is_no_room_for_a_summary_none_is_asked_for() -> None:
    writer = Writer()
    messages: list[Message] = [TASK, calls("a"), result("a"), calls("b"), result("b")]
    assert compacted(Summarise(keep_last=1), messages, 1100, writer) == compacted(DropOldest(), messages, 1100)
    assert writer.requests == []


def test_another_model_may_write_and_its_name_is_put_in_place_before() -> None:
    messages: list[Message] = [TASK, *(message for name in "abcd" for message in (calls(name), result(name)))]
    own, other = Writer(), Writer("Other words.")
    model: Model = WriterModel(other)
    named = Chain(ShortenResults(), Summarise("toapis:small", keep_last=1))
    with pytest.raises(ConfigurationError, match="'toapis:small' is only a name"):
        compacted(named, messages, 2500, own)
    names: list[str] = []

    def model_of(name: str) -> Model:
        names.append(name)
        return model

    found = with_models(named, model_of)
    assert (found, names) == (Chain(ShortenResults(), Summarise(model, keep_last=1)), ["toapis:small"])
    shorter = compacted(found, messages, 2500, own)
    assert "Other words." in "".join(message.text or "" for message in shorter)
    assert (len(own.requests), len(other.requests)) == (0, 1)


def test_a_transcript_that_is_too_long_is_cut_everywhere_alike() -> None:
    writer = Writer()
    messages: list[Message] = [
        TASK,
        *(message for name in "abcdefghij" for message in (calls(name), result(name, LONG * 10))),
    ]
    compacted(Summarise(keep_last=1), messages, 20_000, writer)
    asked = writer.requests[0].messages
    assert weight(asked) < 20_100
    assert asked[0].text is not None
    assert asked[0].text.count("characters left out") == 9


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: DropOldest(keep_first=-1), "keep_first=-1"),
        (lambda: ShortenResults(characters=-1), "characters=-1"),
        (lambda: ShortenResults(keep_last=-2), "keep_last=-2"),
        (lambda: Summarise(keep_last=-1), "keep_last=-1"),
    ],
)
def test_a_number_below_nothing_is_refused(make: Callable[[], object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        make()


# Whatever the history

Kind = Literal["user", "said", "called", "system", "loop"]
SIZES = st.sampled_from([0, 1, 30, 200])
STEPS = st.lists(
    st.tuples(st.sampled_from(["user", "said", "called", "called", "system", "loop"]), SIZES, st.sampled_from(TRUSTS)),
    max_size=12,
)
STRATEGIES: st.SearchStrategy[Compaction] = st.one_of(
    st.builds(DropOldest, st.integers(0, 2)),
    st.builds(ShortenResults, st.sampled_from([0, 50, 200]), st.integers(0, 2)),
    st.builds(Summarise, keep_last=st.integers(0, 3)),
    st.just(Chain(ShortenResults(50, 1), Summarise(keep_last=1), DropOldest(0))),
)
WRITERS = st.sampled_from([None, "Short.", "", "Long. " * 400]).map(lambda text: None if text is None else Writer(text))


@st.composite
def histories(draw: st.DrawFn) -> History:
    messages: list[Message] = []
    for number, (kind, size, trust) in enumerate(draw(STEPS)):
        text = f"{number} " + "word " * size
        match kind:
            case "user":
                messages.append(UserMessage(text, trust=trust if trust != "system" else "user"))
            case "loop":
                messages.append(UserMessage(text, trust="system"))
            case "system":
                messages.append(SystemMessage(text))
            case "said":
                messages.append(AssistantMessage(text))
            case _:
                ids = [f"{number}.{place}" for place in range(draw(st.integers(1, 3)))]
                messages += [calls(*ids), *(result(call_id, text, trust) for call_id in ids)]
    return History(messages)


@settings(max_examples=300, deadline=None)
@given(histories(), STRATEGIES, st.integers(0, 3000), WRITERS)
def test_a_shorter_history_is_valid_in_order_and_no_more_trusted(
    history: History, strategy: Compaction, keep: int, writer: Writer | None
) -> None:
    shorter = History(compacted(strategy, history, keep, writer))
    assert violations(history) == violations(shorter) == ()
    assert TRUSTS.index(lowest_trust(shorter)) >= TRUSTS.index(lowest_trust(history))
    assert shorter == History(compacted(strategy, history, keep, writer))
    before, after = sum(weights(history)), sum(weights(shorter))
    assert after <= before
    if before <= keep:
        assert shorter == history
    places = [place for message in shorter if (place := _place(message)) is not None]
    assert places == sorted(places)
    assert [message for message in shorter if isinstance(message, SystemMessage)] == [
        message for message in history if isinstance(message, SystemMessage)
    ]
    prompts = [message for message in history if _is_prompt(message)]
    assert not prompts or prompts[-1] in shorter[:]
    if not isinstance(strategy, ShortenResults):
        newest = _newest_step(history)
        assert _newest_step(shorter)[-len(newest) :] == newest


@settings(max_examples=300, deadline=None)
@given(histories(), st.integers(0, 2), st.integers(0, 3000), WRITERS)
def test_it_fits_when_it_can_and_the_last_exchange_is_whole_while_others_can_go(
    history: History, keep_first: int, keep: int, writer: Writer | None
) -> None:
    shorter = compacted(DropOldest(keep_first), history, keep)
    least = sum(weights(History(compacted(DropOldest(keep_first), history, 0))))
    assert weight(shorter) <= max(keep, least)
    prompts = [message for message in history if _is_prompt(message)]
    if not prompts or weight(shorter) > keep:
        return
    last = history[list(history).index(prompts[-1]) :]
    kept = [prompt for prompt in prompts[:keep_first] if prompt not in last]
    system = [message for message in history if isinstance(message, SystemMessage) and message not in last]
    note = message_tokens([NOTE], 0)
    if weight([*kept, *system, *last]) + note <= keep:
        assert tuple(shorter[-len(last) :]) == last


@pytest.mark.anyio
async def test_the_kept_beginning_is_shared_so_that_it_is_encoded_once() -> None:
    history = History([SystemMessage("Be brief."), TASK, calls("a"), result("a"), calls("b"), result("b")])
    made: list[int] = []

    def make(messages: Sequence[Message], index: int) -> int:
        made.append(index)
        return index

    history.derived("key", make)
    shorter = await DropOldest().compact(history, keep=1500, ask=None)
    assert shorter[:] == (*history[:2], NOTE, *history[4:])
    shorter.derived("key", make)
    assert made == [0, 1, 2, 3, 4, 5, 2, 3, 4]
    assert await DropOldest().compact(shorter, keep=1500, ask=None) is shorter


def _is_prompt(message: Message) -> bool:
    return isinstance(message, UserMessage) and any(part.trust != "system" for part in message.parts)


def _newest_step(messages: Sequence[Message]) -> list[Message]:
    """The last message with the answers to its calls."""
    step: list[Message] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            step.append(message)
        elif not isinstance(message, SystemMessage):
            step = [message]
    return step


def _place(message: Message) -> int | None:
    """Where it stood, which is how the texts of a drawn history begin; None for notes, summaries and bare calls."""
    if isinstance(message, AssistantMessage) and message.tool_calls:
        return int(message.tool_calls[0].id.partition(".")[0])
    number, _, _ = (message.text or "").partition(" ")
    return int(number) if number.isdecimal() else None
