"""A run goes on from where its journal says that it stood, and nothing that is kept is asked or done again."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import BaseModel, Field

from agentkit import Agent, Answer, Approve, RetryPolicy, RunContext, RunLimits, RunResult, ToolRetry, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.errors import (
    ConfigurationError,
    InvalidOutput,
    LimitExceeded,
    RunConflict,
    RunExists,
    RunPaused,
    ServerError,
    ToolFailed,
    UsageError,
)
from agentkit.events import RunFinished, TextDelta, ToolFinished
from agentkit.journal import Journal, MemoryJournal, Record, SqliteJournal
from agentkit.messages import AssistantMessage, Message, TextPart, ToolMessage, UserMessage
from agentkit.messages.codec import encode_message
from agentkit.messages.validity import violations
from agentkit.models import Profile

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(retries=0)
USED = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


class Clock:
    """Unix seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "memory"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Any:
    made: Journal = (
        SqliteJournal(tmp_path / "runs.db", clock=clock) if request.param == "sqlite" else MemoryJournal(clock=clock)
    )
    yield made
    await made.aclose()


def answers(request: Any) -> int:
    """How many answers the conversation has by now."""
    return sum(message["role"] == "assistant" for message in request["messages"])


def by_turn(*replies: Reply) -> Callable[[Any], Reply]:
    """The reply of the turn, whoever asks and however often."""
    return lambda request: replies[answers(request)]


def failing_at(number: int, reply: Callable[[Any], Reply]) -> Callable[[Any], Reply]:
    """The same, but for one request, which is answered with a 500."""
    seen: list[int] = []

    def replied(request: Any) -> Reply:
        seen.append(1)
        if len(seen) == number:
            raise RuntimeError("the server has a bad moment")
        return reply(request)

    return replied


def calls(*wanted: tuple[str, dict[str, Any]]) -> Reply:
    return Reply(calls=tuple(Call(name, arguments) for name, arguments in wanted), usage=USED)


def said(text: str) -> Reply:
    return Reply(text=text, usage=USED)


def kept(result: RunResult[Any]) -> bytes:
    """A result's messages as the journal would keep them."""
    return json.dumps([encode_message(message) for message in result.messages]).encode()


class Done:
    """Tools that count what they have done."""

    def __init__(self) -> None:
        self.ran: Counter[str] = Counter()

    def tools(self) -> list[Any]:
        @tool(effect="read")
        async def look(n: int) -> str:
            """Look."""
            self.ran[f"look {n}"] += 1
            return f"seen {n}"

        @tool
        def note(n: int) -> str:
            """Note."""
            self.ran[f"note {n}"] += 1
            return f"noted {n}"

        @tool(effect="write")
        async def save(n: int) -> str:
            """Save."""
            self.ran[f"save {n}"] += 1
            return f"saved {n}"

        return [look, note, save]


THREE_STEPS = (
    calls(("look", {"n": 1}), ("note", {"n": 1}), ("save", {"n": 1}), ("save", {"n": 2})),
    calls(("note", {"n": 2}), ("look", {"n": "two"}), ("nothing", {})),
    said("All is done."),
)


async def test_a_run_goes_on_from_each_of_its_records(journal: Journal) -> None:
    with Emulator(by_turn(*THREE_STEPS)) as gateway:
        first = await Agent(gateway.model(), tools=Done().tools()).run("Go", journal=journal, run_id="r")
        row, records = await journal.load("r")
        assert row.status == "finished"
        for steps in range(1, len(records) + 1):
            done = Done()
            agent = Agent(gateway.model(), tools=done.tools())
            await journal.fork("r", f"r{steps}", steps)
            before = len(gateway.requests)
            result = await agent.resume(f"r{steps}", journal=journal)
            known = sum("assistant" in record.data.decode() and record.kind == "messages" for record in records[:steps])
            assert len(gateway.requests) - before == len(THREE_STEPS) - known
            assert (result.output, result.usage, result.turns) == (first.output, first.usage, first.turns)
            assert (result.tool_calls, result.cost) == (first.tool_calls, first.cost), (steps, records[steps - 1].kind)
            assert violations(result.messages) == ()
            assert await agent.resume(f"r{steps}", journal=journal) == result
            interrupted = _interrupted_calls(records[:steps])
            told, whole = _told(result), _told(first)
            assert [parts for place, parts in enumerate(told) if place not in interrupted] == [
                parts for place, parts in enumerate(whole) if place not in interrupted
            ]
            assert all("is unknown" in str(told[place]) for place in interrupted)


def _told(result: RunResult[Any]) -> list[Any]:
    """What the model was told of its calls, in order."""
    return [message.parts for message in result.messages if isinstance(message, ToolMessage)]


def _interrupted_calls(records: Sequence[Record]) -> set[int]:
    """The calls that had begun and not ended, by their place among all calls of the run."""
    before, started, answered = 0, set[int](), set[int]()
    for record in records:
        data = json.loads(record.data)
        match record.kind:
            case "started":
                started.add(before + data["call"])
            case "answer":
                answered.add(before + data["call"])
            case "closed":
                before = len(answered)
            case _:
                pass
    return started - answered


async def test_what_is_sent_after_a_resume_begins_with_what_was_sent_before(journal: Journal) -> None:
    with Emulator(by_turn(*THREE_STEPS)) as gateway:
        agent = Agent(gateway.model(), tools=Done().tools(), instructions="Be brief.")
        await agent.run("Go", journal=journal, run_id="r")
        _, records = await journal.load("r")
        last = max(place for place, record in enumerate(records) if record.kind == "closed")
        await journal.fork("r", "again", last + 1)
        await agent.resume("again", journal=journal)
        *_, whole, resumed = [request.raw for request in gateway.requests]
    assert resumed == whole


async def test_a_finished_run_gives_its_recorded_result_without_a_request(journal: Journal) -> None:
    earlier: list[Message] = [UserMessage("Before"), AssistantMessage("Yes?")]
    with Emulator(by_turn(said("unused"), *THREE_STEPS)) as gateway:
        agent = Agent(gateway.model(), tools=Done().tools())
        first = await agent.run("Go", journal=journal, run_id="r", history=earlier)
        sent = len(gateway.requests)
        for again in (
            await agent.run("Go", journal=journal, run_id="r", history=earlier),
            await agent.resume("r", journal=journal),
        ):
            assert again == first
            assert (again.new_messages, kept(again)) == (first.new_messages, kept(first))
        async with agent.resume_stream("r", journal=journal) as run:
            events = [event async for event in run]
        assert events == [RunFinished(first)]
        assert len(gateway.requests) == sent == 3


async def test_another_input_under_the_same_id_is_a_conflict(journal: Journal) -> None:
    with Emulator(lambda request: said("Yes.")) as gateway:
        agent = Agent(gateway.model())
        await agent.run("Go", journal=journal, run_id="r")
        earlier: list[Message] = [UserMessage("Before"), AssistantMessage("Yes?")]
        for prompt, history in (("Stop", None), ("Go", earlier)):
            with pytest.raises(RunConflict, match="asked something else"):
                await agent.run(prompt, history=history, journal=journal, run_id="r")
        assert len(gateway.requests) == 1


async def test_an_unfinished_run_is_not_begun_again(journal: Journal) -> None:
    with Emulator(lambda request: said("Yes."), faults=["server_error:9"]) as gateway:
        agent = Agent(gateway.model(retry=ONCE))
        with pytest.raises(ServerError):
            await agent.run("Go", journal=journal, run_id="r")
        with pytest.raises(RunExists, match="resume"):
            await agent.run("Go", journal=journal, run_id="r")


async def test_a_run_that_nobody_knows_cannot_go_on(journal: Journal) -> None:
    with Emulator() as gateway:
        agent = Agent(gateway.model())
        with pytest.raises(UsageError, match="no run 'nobody'"):
            await agent.resume("nobody", journal=journal)
        with pytest.raises(ConfigurationError, match="journal="):
            await agent.resume("nobody")


async def test_a_run_that_is_alive_cannot_be_resumed_and_one_that_is_dead_can(journal: Journal, clock: Clock) -> None:
    begun, release = anyio.Event(), anyio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        begun.set()
        await release.wait()
        return "waited"

    async def first() -> None:
        with pytest.raises(RunConflict):
            await agent.run("Go", journal=journal, run_id="r")

    with Emulator(by_turn(calls(("wait", {})), said("Done."))) as gateway:
        agent = Agent(gateway.model(), tools=[wait])
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(first)
                await begun.wait()
                with pytest.raises(RunConflict, match="running elsewhere"):
                    await agent.resume("r", journal=journal)
                clock.now += 3_600  # it was suspended, or the machine was
                result = await agent.resume("r", journal=journal)
                release.set()
    assert result.output == "Done."
    assert "unknown" in str(result.messages[2])
    row, _ = await journal.load("r")
    assert row.status == "finished"
    assert len(gateway.requests) == 2


async def test_a_changed_agent_goes_on_only_when_told_so(journal: Journal) -> None:
    with Emulator(lambda request: said("Yes."), faults=["server_error:1"]) as gateway:
        model = gateway.model(retry=ONCE)
        with pytest.raises(ServerError):
            await Agent(model, instructions="Be brief.").run("Go", journal=journal, run_id="r")
        for changed in (
            Agent(model, instructions="Be long."),
            Agent(model, instructions="Be brief.", tools=Done().tools()),
        ):
            with pytest.raises(RunConflict, match="changed=True"):
                await changed.resume("r", journal=journal)
        assert (await changed.resume("r", journal=journal, changed=True)).output == "Yes."
        assert len(gateway.requests) == 2


async def test_a_gateway_error_costs_the_run_nothing_that_was_done(journal: Journal) -> None:
    done = Done()
    with Emulator(failing_at(2, by_turn(*THREE_STEPS))) as gateway:
        agent = Agent(gateway.model(retry=ONCE), tools=done.tools())
        with pytest.raises(ServerError):
            await agent.run("Go", journal=journal, run_id="r")
        result = await agent.resume("r", journal=journal)
    assert result.output == "All is done."
    assert done.ran == {"look 1": 1, "note 1": 1, "note 2": 1, "save 1": 1, "save 2": 1}


async def test_a_cancelled_run_keeps_what_was_finished(journal: Journal) -> None:
    stuck = anyio.Event()
    done = Done()

    @tool
    async def hang() -> str:
        """Hang."""
        stuck.set()
        await anyio.sleep_forever()
        return "never"

    async def cancel(scope: anyio.CancelScope) -> None:
        await stuck.wait()
        scope.cancel()

    with Emulator(by_turn(calls(("save", {"n": 1}), ("hang", {})), said("Done."))) as gateway:
        agent = Agent(gateway.model(), tools=[*done.tools(), hang])
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                with anyio.CancelScope() as scope:
                    group.start_soon(cancel, scope)
                    await agent.run("Go", journal=journal, run_id="r")
            assert scope.cancelled_caught
            assert (await journal.load("r"))[0].status == "failed"
            result = await agent.resume("r", journal=journal)
    assert result.output == "Done."
    assert _told(result) == [
        (TextPart("saved 1", "tool"),),
        (TextPart("Cancelled before it finished; whether it took effect is unknown.", "system"),),
    ]
    assert done.ran == {"save 1": 1}
    assert len(gateway.requests) == 2


@pytest.mark.parametrize(
    "limits", [RunLimits(turns=2), RunLimits(requests=2), RunLimits(tokens=4_500)], ids=["turns", "requests", "tokens"]
)
async def test_a_run_that_met_a_limit_goes_on_with_a_larger_one(journal: Journal, limits: RunLimits) -> None:
    done = Done()
    with Emulator(by_turn(*THREE_STEPS)) as gateway:
        agent = Agent(gateway.model(), tools=done.tools())
        whole = await agent.run("Go", journal=MemoryJournal())
        done.ran.clear()
        with pytest.raises(LimitExceeded):
            await agent.run("Go", journal=journal, run_id="r", limits=limits)
        with pytest.raises(LimitExceeded):
            await agent.resume("r", journal=journal, limits=limits)
        result = await agent.resume("r", journal=journal, limits=RunLimits())
    assert (result.output, result.usage, result.turns) == (whole.output, whole.usage, whole.turns)
    assert done.ran == {"look 1": 1, "note 1": 1, "note 2": 1, "save 1": 1, "save 2": 1}


class Invoice(BaseModel):
    number: str = Field(alias="no")
    total: float


@dataclass
class Point:
    x: int
    y: int


def doubled(x: int) -> int:
    """Take a number."""
    return x * 2


OUTPUTS = [
    (Invoice, '{"no": "A1", "total": 2.5}', Invoice(no="A1", total=2.5)),
    (Point, '{"x": 1, "y": 2}', Point(1, 2)),
    (list[Point], '{"value": [{"x": 1, "y": 2}]}', [Point(1, 2)]),
    (Invoice | Point, '{"value": {"x": 1, "y": 2}}', Point(1, 2)),
    (int, '{"value": 7}', 7),
    ({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, '{"a": 1}', {"a": 1}),
    (doubled, '{"x": 21}', 42),
]


@pytest.mark.parametrize(
    ("output", "text", "value"), OUTPUTS, ids=["model", "dataclass", "list", "union", "int", "schema", "function"]
)
@pytest.mark.parametrize("mode", ["json_schema", "tool"])
async def test_an_output_is_the_same_when_it_is_recalled_or_judged_again(
    journal: Journal, output: Any, text: str, value: Any, mode: Any
) -> None:
    def reply(request: Any) -> Reply:
        tools = request.get("tools", [])
        return Reply(calls=(Call(tools[-1]["function"]["name"], text),), usage=USED) if tools else said(text)

    with Emulator(reply) as gateway:
        agent = Agent[None, Any](gateway.model(), output=output, output_mode=mode)
        first = await agent.run("Go", journal=journal, run_id="r")
        assert first.output == value
        assert await agent.resume("r", journal=journal) == first
        _, records = await journal.load("r")
        await journal.fork("r", "killed", 2)  # the answer was kept, and nothing behind it
        again = await agent.resume("killed", journal=journal)
        assert (again.output, kept(again), again.usage) == (value, kept(first), first.usage)
        assert len(gateway.requests) == 1
    assert [record.kind for record in records] == ["messages", "messages", *(["closed"] if mode == "tool" else [])]


async def test_a_failed_output_function_is_called_again_without_a_request(journal: Journal) -> None:
    tries: list[int] = []

    def shaky(x: int) -> int:
        """Take a number."""
        tries.append(x)
        if len(tries) == 1:
            raise OSError("not now")
        return x

    def reply(request: Any) -> Reply:
        tools = request.get("tools", [])
        return Reply(calls=(Call(tools[-1]["function"]["name"], {"x": 1}),)) if tools else said('{"x": 1}')

    for mode in ("json_schema", "tool"):
        tries.clear()
        with Emulator(reply) as gateway:
            agent = Agent[None, Any](gateway.model(), output=shaky, output_mode=mode)
            with pytest.raises(OSError, match="not now"):
                await agent.run("Go", journal=journal, run_id=mode)
            assert (await agent.resume(mode, journal=journal)).output == 1
            assert (tries, len(gateway.requests)) == ([1, 1], 1)


async def test_corrections_are_counted_over_a_resume(journal: Journal) -> None:
    with Emulator(failing_at(2, lambda request: said(f"no number {answers(request)}"))) as gateway:
        agent = Agent(gateway.model(retry=ONCE), output=int, limits=RunLimits(corrections=2))
        with pytest.raises(ServerError):
            await agent.run("Go", journal=journal, run_id="r")
        with pytest.raises(InvalidOutput, match="in 3 tries"):
            await agent.resume("r", journal=journal)
        assert len(gateway.requests) == 4
        with pytest.raises(InvalidOutput):  # judged again, with nothing left
            await agent.resume("r", journal=journal)
        assert len(gateway.requests) == 4


async def test_what_a_tool_has_failed_is_counted_over_a_resume(journal: Journal) -> None:
    attempts: list[int] = []

    @tool(retries=1)
    async def guess(ctx: RunContext[None], n: int) -> str:
        """Guess."""
        attempts.append(ctx.attempt)
        raise ToolRetry("Another one.")

    turn = calls(("guess", {"n": 1}))
    with Emulator(by_turn(turn, calls(("guess", {"n": 2})), said("I give up."))) as gateway:
        agent = Agent(gateway.model(), tools=[guess])
        first = await agent.run("Go", journal=journal, run_id="r")
        _, records = await journal.load("r")
        for steps, record in enumerate(records, 1):
            answered = sum(each.kind == "answer" for each in records[:steps])
            if record.kind in ("answer", "closed"):
                attempts.clear()
                await journal.fork("r", f"r{steps}", steps)
                result = await agent.resume(f"r{steps}", journal=journal)
                assert attempts == ([2] if answered == 1 else [])
                assert [m.parts for m in result.messages if isinstance(m, ToolMessage)] == [
                    m.parts for m in first.messages if isinstance(m, ToolMessage)
                ]


async def test_identical_calls_are_counted_over_a_resume(journal: Journal) -> None:
    same = calls(("look", {"n": 1}))
    with Emulator(by_turn(same, same, same, same, same, said("Enough."))) as gateway:
        agent = Agent(gateway.model(), tools=Done().tools())
        first = await agent.run("Go", journal=journal, run_id="r")
        told = [message.parts for message in first.messages if isinstance(message, ToolMessage)]
        _, records = await journal.load("r")
        for steps in range(2, len(records)):
            await journal.fork("r", f"r{steps}", steps)
            result = await agent.resume(f"r{steps}", journal=journal)
            assert [message.parts for message in result.messages if isinstance(message, ToolMessage)] == told
            assert result.tool_calls == first.tool_calls, (steps, records[steps - 1].kind)


async def _interrupted(agent: Agent[None, str], journal: Journal) -> None:
    """`cut` stands as if its process had ended while its first call ran."""
    await agent.run("Go", journal=journal, run_id="r")
    _, records = await journal.load("r")
    await journal.fork("r", "cut", next(place for place, r in enumerate(records, 1) if r.kind == "started"))


async def test_of_an_interrupted_call_the_model_is_told_or_somebody_is_asked(journal: Journal) -> None:
    done = Done()
    with Emulator(by_turn(calls(("save", {"n": 1})), said("Done."))) as gateway:
        agent = Agent(gateway.model(), tools=done.tools())
        await _interrupted(agent, journal)
        with pytest.raises(RunPaused) as caught:
            await agent.resume("cut", journal=journal, on_unknown="ask")
        (pending,) = caught.value.pending
        assert (pending.tool, pending.arguments, pending.because) == ("save", {"n": 1}, "unknown")
        assert json.loads(json.dumps(caught.value.state)) == caught.value.state
        await journal.fork("cut", "answered", (await journal.load("cut"))[0].steps)
        await journal.fork("cut", "approved", (await journal.load("cut"))[0].steps)
        await journal.fork("cut", "told", 3)
        answered = await agent.resume(
            "answered", journal=journal, decisions=[Answer(pending.call_id, "saved, I saw it")]
        )
        assert answered.messages[2].parts[0].text == "saved, I saw it"  # type: ignore[union-attr]  # a tool message
        assert done.ran == {"save 1": 1}
        await agent.resume("approved", journal=journal, decisions=[Approve(pending.call_id)])
        assert done.ran == {"save 1": 2}
        told = await agent.resume("told", journal=journal)
        assert "whether it took effect is unknown" in str(told.messages[2])
        assert done.ran == {"save 1": 2}


async def test_a_resume_that_cannot_begin_leaves_the_run_as_it_was(journal: Journal) -> None:
    done = Done()
    with Emulator(by_turn(calls(("save", {"n": 1})), said("Done."))) as gateway:
        agent = Agent(gateway.model(), tools=done.tools())
        await _interrupted(agent, journal)
        _, before = await journal.load("cut")
        unpriced = gateway.model(profile=Profile(gateway="toapis"))
        with pytest.raises(ConfigurationError, match="price"):
            await agent.resume("cut", journal=journal, model=unpriced, limits=RunLimits(cost_usd=1))
        with pytest.raises(ConfigurationError, match="no call 'x'"):
            await agent.resume("cut", journal=journal, decisions=[Approve("x")])
        row, after = await journal.load("cut")
        assert (row.status, row.owner, after) == ("paused", None, before)
        result = await agent.resume("cut", journal=journal)
    assert "whether it took effect is unknown" in str(result.messages[2])


async def test_a_stream_goes_on_with_what_is_left(journal: Journal) -> None:
    with Emulator(by_turn(*THREE_STEPS)) as gateway:
        agent = Agent(gateway.model(), tools=Done().tools())
        await agent.run("Go", journal=journal, run_id="r")
        _, records = await journal.load("r")
        first_answer = next(place for place, record in enumerate(records, 1) if record.kind == "answer")
        answered = THREE_STEPS[0].calls[json.loads(records[first_answer - 1].data)["call"]].name
        await journal.fork("r", "cut", first_answer)
        async with agent.resume_stream("cut", journal=journal) as run:
            events = [event async for event in run]
    finished = [event.call.name for event in events if isinstance(event, ToolFinished)]
    assert Counter(finished) == Counter(note=2, save=2, look=2, nothing=1) - Counter([answered])
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "All is done."
    assert events[-1] == RunFinished(run.result)


async def test_a_tool_that_raised_is_not_run_again(journal: Journal) -> None:
    ran: list[int] = []

    @tool(on_error="raise")
    async def broken() -> str:
        """Break."""
        ran.append(1)
        raise ValueError("broken")

    with Emulator(by_turn(calls(("broken", {})), said("Done."))) as gateway:
        agent = Agent(gateway.model(), tools=[broken])
        with pytest.raises(ToolFailed):
            await agent.run("Go", journal=journal, run_id="r")
        assert (await agent.resume("r", journal=journal)).output == "Done."
    assert ran == [1]
