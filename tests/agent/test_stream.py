"""Watching a run, and leaving it: its end, an early leave, a cancellation, an exception of the block."""

from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from agentkit import Agent, History, LimitExceeded, RetryPolicy, RunLimits, StreamTruncated, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.events import (
    ArgumentsDelta,
    AttemptDiscarded,
    Event,
    OutputRejected,
    PartialOutput,
    ReasoningDelta,
    RunFinished,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnFinished,
)
from agentkit.messages import AssistantMessage, ToolCall, ToolMessage, UserMessage
from agentkit.runtime import RunStream

pytestmark = pytest.mark.anyio

UNKNOWN = "Cancelled before it finished; whether it took effect is unknown."
NOT_BEGUN = "Not run: the run was cancelled before it began."


class Report(BaseModel):
    city: str
    celsius: int


@tool(effect="read")
async def look(city: str) -> str:
    """Look at a city."""
    return f"{city}: 3"


@tool(effect="write")  # so the order of two calls is the same each time
async def visit(city: str) -> str:
    """Visit a city."""
    return f"{city}: 3"


def joined(events: list[Event]) -> list[Event]:
    """The events with neighbouring deltas of one kind as one, and without seconds, which differ from run to run."""
    merged: list[Event] = []
    for event in events:
        last = merged[-1] if merged else None
        match event, last:
            case TextDelta(text), TextDelta(before):
                merged[-1] = TextDelta(before + text)
            case ReasoningDelta(text), ReasoningDelta(before):
                merged[-1] = ReasoningDelta(before + text)
            case ArgumentsDelta(index, name, text), ArgumentsDelta(same, _, before) if index == same:
                merged[-1] = ArgumentsDelta(index, name, before + text)
            case ToolFinished(call, message, outcome, error, _), _:
                merged.append(ToolFinished(call, message, outcome, error, 0.0))
            case _:
                merged.append(event)
    return merged


@pytest.mark.outside_openai("reasoning_content goes back to where it came from")
async def test_the_events_of_a_run_come_in_the_order_in_which_things_happen() -> None:
    calls = (Call("visit", {"city": "Oslo"}, id="a"), Call("visit", {"city": "Rome"}, id="b"))
    with Emulator([Reply(reasoning="Hm.", calls=calls), Reply(text="Both are cold.")]) as gateway:
        async with Agent(gateway.model(), tools=[visit]).stream("Go") as run:
            events = [event async for event in run]
    oslo = ToolCall("a", "visit", {"city": "Oslo"}, '{"city":"Oslo"}')
    rome = ToolCall("b", "visit", {"city": "Rome"}, '{"city":"Rome"}')
    first, second = (event.usage for event in events if isinstance(event, TurnFinished))
    assert joined(events) == [
        ReasoningDelta("Hm."),
        ArgumentsDelta(0, "visit", '{"city":"Oslo"}'),
        ArgumentsDelta(1, "visit", '{"city":"Rome"}'),
        ToolStarted(oslo),
        ToolFinished(oslo, ToolMessage("a", "visit", "Oslo: 3"), "ok", None, 0.0),
        ToolStarted(rome),
        ToolFinished(rome, ToolMessage("b", "visit", "Rome: 3"), "ok", None, 0.0),
        TurnFinished(1, "tool_calls", first),
        TextDelta("Both are cold."),
        TurnFinished(2, "stop", second),
        RunFinished(run.result),
    ]
    assert run.usage == run.result.usage == first + second
    assert run.partial == run.result.messages
    assert run.run_id == run.result.run_id


async def test_the_events_are_the_same_when_the_answers_are_not_streamed_but_for_the_deltas() -> None:
    script = [Reply(calls=(Call("look", {"city": "Oslo"}, id="a"),)), Reply(text="cold")]
    with Emulator([*script, *script]) as gateway:
        agent = Agent(gateway.model(), tools=[look])
        plain = await agent.run("Go", run_id="same")
        async with agent.stream("Go", run_id="same") as run:
            async for _ in run:
                pass
    assert run.result.messages == plain.messages


async def test_a_structured_output_grows_while_it_streams_and_a_rejected_one_is_void() -> None:
    good = '{"city": "Oslo", "celsius": 3}'
    with Emulator([Reply(text='{"city":"Oslo"}'), Reply(text=good)]) as gateway:
        async with Agent(gateway.model(), output=Report).stream("Go") as run:
            events = [event async for event in run]
    rejected = next(index for index, event in enumerate(events) if isinstance(event, OutputRejected))
    assert events[rejected] == OutputRejected(("celsius: field required",), 1)
    partials = [event for event in events[rejected:] if isinstance(event, PartialOutput)]
    assert partials[-1].value == {"city": "Oslo", "celsius": 3}
    assert [good.startswith(partial.text) for partial in partials] == [True] * len(partials)
    assert len({partial.text for partial in partials}) == len(set(partials)) == len(partials) > 1
    assert partials[0].pieces is partials[-1].pieces  # nothing was joined before it was asked for
    assert repr(partials[-1]) == f"PartialOutput({good!r})"
    assert partials[-1] != partials[0]
    assert run.result.output == Report(city="Oslo", celsius=3)


@pytest.mark.parametrize("mode", ["json_schema", "json_object", "tool", "prompt"])
async def test_a_list_grows_while_it_streams_in_each_mode(mode: Any) -> None:
    given = {"value": [1, 20, 300]}
    text = '{"value": [1, 20, 300]}'
    reply = Reply(calls=(Call("final_output", given),)) if mode == "tool" else Reply(text=text)
    with Emulator([reply]) as gateway:
        async with Agent(gateway.model(), output=list[int], output_mode=mode).stream("Go") as run:
            values = [event.value async for event in run if isinstance(event, PartialOutput)]
    assert values[-1] == run.result.output == [1, 20, 300]
    assert all(value is None or value == [1, 20, 300][: len(value) - 1] + value[-1:] for value in values)


async def test_a_discarded_attempt_is_told_and_what_it_showed_is_void() -> None:
    retry = RetryPolicy(waits=(0.0,), jitter=0.0, after_output=True)
    with Emulator([Reply(text="The whole answer."), Reply(text="The whole answer.")], faults=["cut_stream"]) as gateway:
        async with Agent(gateway.model(retry=retry)).stream("Go") as run:
            events = [event async for event in run]
    discarded = next(index for index, event in enumerate(events) if isinstance(event, AttemptDiscarded))
    after = "".join(event.text for event in events[discarded:] if isinstance(event, TextDelta))
    assert any(isinstance(event, TextDelta) for event in events[:discarded])
    assert (after, run.result.output, run.result.retries) == ("The whole answer.", "The whole answer.", 1)
    assert run.result.usage.requests == 2


async def accepted(history: History, model: Any) -> None:
    """The strict gateway takes it."""
    assert (await Agent(model).run("Go on", history=history)).output == "went on"


async def test_leaving_early_cancels_the_calls_answers_them_and_leaves_a_valid_history() -> None:
    cancelled: list[str] = []

    @tool
    async def hang() -> None:
        """Never ends."""
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            cancelled.append("hang")
            raise

    @tool(effect="read")
    async def read() -> None:
        """Never ends."""
        await anyio.sleep_forever()

    @tool(sequential=True)
    async def later() -> None:
        """Never begins."""

    calls = (Call("hang", id="1"), Call("look", {"city": "Oslo"}, id="2"), Call("read", id="3"), Call("later", id="4"))
    with Emulator([Reply(calls=calls), Reply(text="went on")]) as gateway:
        agent = Agent(gateway.model(), tools=[hang, look, read, later])
        with anyio.fail_after(5):
            async with agent.stream("Go") as run:
                async for event in run:
                    if isinstance(event, ToolFinished):
                        break
        assert cancelled == ["hang"]
        assert run.partial[2:] == (
            ToolMessage("1", "hang", UNKNOWN, is_error=True, trust="system"),
            ToolMessage("2", "look", "Oslo: 3"),
            ToolMessage("3", "read", "Cancelled before it finished.", is_error=True, trust="system"),
            ToolMessage("4", "later", NOT_BEGUN, is_error=True, trust="system"),
        )
        await accepted(run.partial, gateway.model())
    assert [event async for event in run] == []


async def test_a_finished_tool_is_not_forgotten_although_its_event_was_never_taken() -> None:
    ended = anyio.Event()

    @tool
    async def one() -> str:
        """Ends."""
        return "one"

    @tool
    async def two() -> str:
        """Ends."""
        ended.set()
        return "two"

    with Emulator([Reply(calls=(Call("one", id="1"), Call("two", id="2")))]) as gateway:
        with anyio.fail_after(5):
            async with Agent(gateway.model(), tools=[one, two]).stream("Go") as run:
                async for event in run:
                    if isinstance(event, ToolStarted):
                        await ended.wait()
                        break
    assert run.partial[2:] == (ToolMessage("1", "one", "one"), ToolMessage("2", "two", "two"))


async def test_leaving_before_the_first_event_sends_nothing() -> None:
    with Emulator([]) as gateway:
        async with Agent(gateway.model()).stream("Go") as run:
            pass
        assert gateway.requests == []
    assert run.partial == History([UserMessage("Go")])


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()], ids=["exception", "interrupt"])
async def test_an_exception_of_the_block_leaves_it_as_itself(error: BaseException) -> None:
    started = anyio.Event()

    @tool
    async def hang() -> None:
        """Never ends."""
        started.set()
        await anyio.sleep_forever()

    async def block(run: RunStream[str]) -> None:
        async with run:
            async for event in run:
                if isinstance(event, ToolStarted):
                    await started.wait()
                    raise error

    with Emulator([Reply(calls=(Call("hang", id="1"),)), Reply(text="went on")]) as gateway:
        run = Agent(gateway.model(), tools=[hang]).stream("Go")
        with anyio.fail_after(5), pytest.raises(type(error)) as caught:
            await block(run)
        assert caught.value is error
        assert run.partial[-1] == ToolMessage("1", "hang", UNKNOWN, is_error=True, trust="system")
        await accepted(run.partial, gateway.model())


async def test_a_cancellation_from_outside_in_mid_tool_answers_the_call() -> None:
    started = anyio.Event()

    @tool
    async def hang() -> None:
        """Never ends."""
        started.set()
        await anyio.sleep_forever()

    with Emulator([Reply(calls=(Call("hang", id="1"),)), Reply(text="went on")]) as gateway:
        run = Agent(gateway.model(), tools=[hang]).stream("Go")
        ends: list[BaseException] = []

        async def watch() -> None:
            try:
                async with run:
                    async for _ in run:
                        pass
            except BaseException as error:
                ends.append(error)
                raise

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(watch)
                await started.wait()
                group.cancel_scope.cancel()
        assert [type(end) for end in ends] == [anyio.get_cancelled_exc_class()]
        assert run.partial[-1] == ToolMessage("1", "hang", UNKNOWN, is_error=True, trust="system")
        await accepted(run.partial, gateway.model())


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_cancellation_from_outside_in_mid_request_leaves_the_history_as_it_was(streamed: bool) -> None:
    with Emulator([Reply(text="went on")], faults=["hang"]) as gateway:
        agent = Agent(gateway.model())
        run = agent.stream("Go")

        async def watch() -> None:
            if not streamed:
                await agent.run("Go")
                return
            async with run:
                async for _ in run:
                    pass

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(watch)
                while not gateway.requests:
                    await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
        assert run.partial == History([UserMessage("Go")])
        assert run.usage.requests == int(streamed)
        await accepted(run.partial, gateway.model())


async def test_wall_time_ends_a_run_in_mid_tool_and_says_so() -> None:
    @tool
    async def hang() -> None:
        """Never ends."""
        await anyio.sleep_forever()

    with Emulator([Reply(calls=(Call("hang", id="1"),)), Reply(text="went on")]) as gateway:
        agent = Agent(gateway.model(), tools=[hang], limits=RunLimits(seconds=0.5))
        with (
            anyio.fail_after(5),
            pytest.raises(LimitExceeded, match=r"limit seconds: the run has had its 0\.5 s") as ended,
        ):
            await agent.run("Go")
        assert ended.value.limit == "seconds"
        assert ended.value.history[-1] == ToolMessage("1", "hang", UNKNOWN, is_error=True, trust="system")
        await accepted(ended.value.history, gateway.model())


async def test_wall_time_ends_a_run_in_mid_request() -> None:
    with Emulator([], faults=["hang"]) as gateway:
        agent = Agent(gateway.model(), limits=RunLimits(seconds=0.2))
        with anyio.fail_after(5), pytest.raises(LimitExceeded) as ended:
            await agent.run("Go")
    assert ended.value.limit == "seconds"


async def test_what_the_block_does_with_the_answer_is_not_the_runs_time() -> None:
    with Emulator([Reply(text="done")]) as gateway:
        with anyio.fail_after(5):
            async with Agent(gateway.model(), limits=RunLimits(seconds=1)).stream("Go") as run:
                async for event in run:
                    if isinstance(event, RunFinished):
                        assert anyio.current_effective_deadline() > anyio.current_time() + 2
    assert run.result.output == "done"


async def test_a_cut_stream_ends_the_run_with_its_error_and_the_partial_text() -> None:
    with Emulator([Reply(text="The whole answer, which is long.")], faults=["cut_stream"]) as gateway:
        run = Agent(gateway.model()).stream("Go")
        texts: list[str] = []

        async def watch() -> None:
            async with run:
                async for event in run:
                    texts.extend([event.text] if isinstance(event, TextDelta) else [])

        with pytest.raises(StreamTruncated) as cut:
            await watch()
    partial = cut.value.partial
    assert isinstance(partial, AssistantMessage)
    assert partial.text == "".join(texts) != ""
    assert run.usage.requests == 1


async def test_a_task_that_asyncio_cancels_ends_cancelled_with_its_calls_answered(anyio_backend: str) -> None:
    if anyio_backend != "asyncio":
        pytest.skip("Task.cancel is asyncio's")
    import asyncio

    started = anyio.Event()

    @tool
    async def hang() -> None:
        """Never ends."""
        started.set()
        await anyio.sleep_forever()

    async def watch(run: RunStream[str]) -> None:
        async with run:
            async for _ in run:
                pass

    with Emulator([Reply(calls=(Call("hang", id="1"),))] * 2) as gateway:
        run = Agent(gateway.model(), tools=[hang]).stream("Go")
        async with asyncio.timeout(5):
            task = asyncio.create_task(watch(run))
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await Agent(gateway.model(), tools=[hang]).run("Go")
    assert run.partial[-1] == ToolMessage("1", "hang", UNKNOWN, is_error=True, trust="system")
