"""The calls of a turn: what runs beside what, and what the model and the caller are told."""

import contextvars
import threading
from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from agentkit import Agent, RunContext, RunLimits, ToolFailed, ToolRetry, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.events import ToolFinished, ToolStarted
from agentkit.messages import ImagePart, TextPart, ToolMessage
from agentkit.providers import Registry
from agentkit.runtime import RunStream

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
USER = contextvars.ContextVar("user", default="nobody")


async def answers(tools: Sequence[Any], *turns: Sequence[Call], **options: Any) -> list[ToolMessage]:
    """The tool messages of a run in which the model makes the calls of `turns`, then says `done`."""
    with Emulator([*(Reply(calls=tuple(calls)) for calls in turns), Reply(text="done")]) as gateway:
        with anyio.fail_after(5):
            result = await Agent(gateway.model(), tools=tools, **options).run("Go")
        assert result.output == "done"
    return [message for message in result.messages if isinstance(message, ToolMessage)]


async def finished(run: RunStream[Any]) -> list[ToolFinished]:
    return [event async for event in run if isinstance(event, ToolFinished)]


async def watched(run: RunStream[Any]) -> None:
    async with run:
        async for _ in run:
            pass


class Gate:
    """A tool whose calls wait until all that may run are running."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.running = 0
        self.most = 0
        self.full = anyio.Event()

    async def enter(self) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        if self.running == self.wanted:
            self.full.set()
        await self.full.wait()
        self.running -= 1


async def test_all_calls_of_a_turn_are_running_before_one_is_released_and_are_answered_in_call_order() -> None:
    gate = Gate(20)

    @tool
    async def wait(n: int) -> int:
        """Wait for the others."""
        await gate.enter()
        return n

    told = await answers([wait], [Call("wait", {"n": n}) for n in range(20)])
    assert [message.text for message in told] == [str(n) for n in range(20)]
    assert gate.most == 20


async def test_never_more_calls_than_parallel_tools_run_at_once() -> None:
    gate = Gate(3)

    @tool
    async def wait(n: int) -> int:
        """Wait for the others."""
        await gate.enter()
        await anyio.lowlevel.checkpoint()
        return n

    told = await answers([wait], [Call("wait", {"n": n}) for n in range(12)], parallel_tools=3)
    assert [message.text for message in told] == [str(n) for n in range(12)]
    assert gate.most == 3


@pytest.mark.parametrize(("threads", "calls"), [(8, 8), (3, 9)], ids=["all at once", "three at a time"])
async def test_sync_tools_run_in_as_many_threads_as_the_registry_has(threads: int, calls: int) -> None:
    barrier = threading.Barrier(threads)
    lock = threading.Lock()
    running: list[int] = []
    most: list[int] = []

    @tool
    def wait(n: int) -> int:
        """Wait for the others."""
        with lock:
            running.append(n)
            most.append(len(running))
        barrier.wait(timeout=5)
        with lock:
            running.remove(n)
        return n

    told = await answers([wait], [Call("wait", {"n": n}) for n in range(calls)], registry=Registry(threads=threads))
    assert [message.text for message in told] == [str(n) for n in range(calls)]
    assert max(most) == threads


async def test_calls_with_effects_run_in_call_order_while_reads_run_beside_them() -> None:
    log: list[str] = []
    reading = anyio.Event()
    wrote = anyio.Event()

    @tool(effect="read")
    async def look() -> str:
        """Runs while the first write waits for it, and ends after the last."""
        reading.set()
        await wrote.wait()
        log.append("look")
        return "seen"

    @tool(effect="write")
    async def save(n: int) -> str:
        """Save."""
        await reading.wait()
        log.append(f"save {n}")
        return f"saved {n}"

    @tool(effect="external")
    async def send(n: int) -> str:
        """Send."""
        log.append(f"send {n}")
        wrote.set()
        return f"sent {n}"

    calls = [Call("save", {"n": 1}), Call("save", {"n": 2}), Call("look"), Call("send", {"n": 3})]
    told = await answers([look, save, send], calls)
    assert log == ["save 1", "save 2", "send 3", "look"]
    assert [message.text for message in told] == ["saved 1", "saved 2", "seen", "sent 3"]


async def test_a_sequential_tool_runs_alone() -> None:
    log: list[str] = []
    both = Gate(2)

    @tool
    async def free(n: int) -> int:
        """Runs with its neighbour."""
        log.append(f"begin {n}")
        await both.enter()
        log.append(f"end {n}")
        return n

    @tool(sequential=True)
    async def alone() -> str:
        """Runs alone."""
        log.append("alone begins")
        await anyio.lowlevel.checkpoint()
        log.append("alone ends")
        both.full = anyio.Event()
        return "alone"

    calls = [Call("free", {"n": n}) for n in (1, 2)] + [Call("alone")] + [Call("free", {"n": n}) for n in (3, 4)]
    told = await answers([free, alone], calls)
    assert [message.text for message in told] == ["1", "2", "alone", "3", "4"]
    middle = log.index("alone begins")
    assert log[middle + 1] == "alone ends"
    assert {entry.split()[1] for entry in log[:middle]} == {"1", "2"}
    assert {entry.split()[1] for entry in log[middle + 2 :]} == {"3", "4"}


@pytest.mark.parametrize(
    ("effect", "text"),
    [
        ("read", "slow did not finish within 0.01 s."),
        (None, "slow did not finish within 0.01 s. Whether it took effect is unknown."),
    ],
)
async def test_an_async_tool_over_its_timeout_is_cancelled_and_the_model_is_told(effect: Any, text: str) -> None:
    @tool(timeout=0.01, effect=effect)
    async def slow() -> None:
        """Never ends."""
        await anyio.sleep_forever()

    assert [message.text for message in await answers([slow], [Call("slow")])] == [text]


async def test_a_sync_tool_over_its_timeout_is_abandoned() -> None:
    release, ended = threading.Event(), threading.Event()
    daemons: list[bool] = []

    @tool(timeout=0.01)
    def slow() -> str:
        """Ends when it is let go."""
        daemons.append(threading.current_thread().daemon)
        release.wait(5)
        ended.set()
        return "late"

    told = await answers([slow], [Call("slow")], registry=Registry(threads=1))
    assert not ended.is_set()
    release.set()
    assert ended.wait(5)
    assert [message.text for message in told] == [
        "slow did not finish within 0.01 s. Whether it took effect is unknown."
    ]
    assert daemons == [True]  # so it never delays the end of the process


async def test_tool_retry_tells_the_model_and_counts_attempts() -> None:
    attempts: list[int] = []

    @tool(retries=2)
    async def guess(ctx: RunContext, n: int) -> str:
        """Guess."""
        attempts.append(ctx.attempt)
        if n < 3:
            raise ToolRetry(f"{n} is too small")
        return "right"

    told = await answers([guess], *([Call("guess", {"n": n})] for n in (0, 1, 2, 3)))
    assert [message.text for message in told] == [
        "0 is too small",
        "1 is too small",
        "2 is too small\nguess has failed 3 times in a row: go on without it.",
        "right",
    ]
    assert [message.is_error for message in told] == [True, True, True, False]
    assert attempts == [1, 2, 3, 4]


async def test_what_the_model_got_wrong_is_told_in_words_it_can_act_on() -> None:
    @tool
    async def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    told = await answers(
        [add],
        [
            Call("subtract", {}),
            Call("add", '{"a": 1, "b": '),
            Call("add", {"a": 1, "b": "x"}),
            Call("add", {"a": 1, "b": 2}),
        ],
    )
    unknown, malformed, unfit, right = (message.text for message in told)
    assert unknown == "There is no tool 'subtract'. The tools are: add."
    assert "JSON" in malformed
    assert "again with a JSON object" in malformed
    assert unfit.startswith("The arguments of add do not fit:\n")
    assert "b" in unfit
    assert right == "3"
    assert [message.is_error for message in told] == [True, True, True, False]


async def test_an_exception_in_a_tool_lets_its_siblings_finish_and_its_text_reaches_the_caller_only() -> None:
    failed = anyio.Event()
    secret = ValueError("password is 1234")

    @tool
    async def bad() -> None:
        """Fails."""
        failed.set()
        raise secret

    @tool
    async def good() -> str:
        """Ends after the other has failed."""
        await failed.wait()
        return "fine"

    with Emulator([Reply(calls=(Call("bad", id="1"), Call("good", id="2"))), Reply(text="done")]) as gateway:
        with anyio.fail_after(5):
            async with Agent(gateway.model(), tools=[bad, good]).stream("Go") as run:
                events = await finished(run)
        sent = gateway.requests[-1].raw.decode()
    assert [(event.call.name, event.outcome, event.error) for event in events] == [
        ("bad", "error", secret),
        ("good", "ok", None),
    ]
    assert [message.text for message in run.result.messages if isinstance(message, ToolMessage)] == [
        "bad failed with an internal error.",
        "fine",
    ]
    assert "1234" not in sent


async def test_on_error_raise_ends_the_run_with_the_first_in_call_order_its_siblings_and_a_valid_history() -> None:
    last = anyio.Event()

    @tool(on_error="raise")
    async def bad(n: int) -> None:
        """Fails, the last call first."""
        if n == 2:
            last.set()
        await last.wait()
        raise ValueError(f"number {n}")

    @tool
    async def good() -> str:
        """Works."""
        return "fine"

    calls = (Call("bad", {"n": 1}), Call("good"), Call("bad", {"n": 2}))
    with Emulator([Reply(calls=calls), Reply(text="went on")]) as gateway:
        agent = Agent(gateway.model(), tools=[bad, good])
        with anyio.fail_after(5), pytest.raises(ToolFailed, match=r"bad raised ValueError\('number 1'\)") as caught:
            await agent.run("Go", run_id="run-1")
        went_on = await agent.run("And now?", history=caught.value.history)
    error = caught.value
    assert (str(error.error), str(error.__cause__)) == ("number 1", "number 1")
    assert [str(sibling) for sibling in error.siblings] == ["number 2"]
    assert (error.run_id, error.usage.requests) == ("run-1", 1)
    assert [message.text for message in error.history if isinstance(message, ToolMessage)] == [
        "bad failed with an internal error.",
        "fine",
        "bad failed with an internal error.",
    ]
    assert went_on.output == "went on"


async def test_an_exception_that_cannot_be_printed_is_no_obstacle() -> None:
    class Broken(Exception):
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    @tool(on_error="raise")
    async def bad() -> None:
        """Fails."""
        raise Broken

    with Emulator([Reply(calls=(Call("bad"),))]) as gateway, pytest.raises(ToolFailed, match="bad raised Broken"):
        await Agent(gateway.model(), tools=[bad]).run("Go")


async def test_a_result_of_five_megabytes_reaches_the_model_as_head_and_tail() -> None:
    @tool
    async def big() -> str:
        """A lot."""
        return "head" + "x" * 5_000_000 + "tail"

    @tool(max_result=10)
    async def small() -> str:
        """A little."""
        return "0123456789abcdef"

    long, short = (message.text for message in await answers([big, small], [Call("big"), Call("small")]))
    assert short == "012345\n[... 6 characters left out ...]\ncdef"
    assert len(long) < 50_100
    assert long.startswith("headxxx")
    assert long.endswith("xxxtail")
    assert "[... 4,950,008 characters left out ...]" in long


async def test_an_image_of_a_tool_reaches_the_model_after_the_tool_messages() -> None:
    @tool
    async def look() -> list[Any]:
        """A picture."""
        return ["Here:", ImagePart(data=PNG)]

    with Emulator([Reply(calls=(Call("look"), Call("look", {}))), Reply(text="I see")]) as gateway:
        result = await Agent(gateway.model(), tools=[look]).run("Look")
        sent = gateway.requests[-1].body["messages"]
    assert result.output == "I see"
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert [part["type"] for part in sent[-1]["content"]].count("image_url") == 2
    kept = [message for message in result.messages if isinstance(message, ToolMessage)]
    assert [part.trust for part in kept[0].parts if isinstance(part, (TextPart, ImagePart))] == ["tool", "tool"]


async def test_a_sync_tool_sees_the_callers_context_variables() -> None:
    @tool
    def who() -> str:
        """Who asks."""
        return USER.get()

    USER.set("Ada")
    assert [message.text for message in await answers([who], [Call("who")])] == ["Ada"]


async def test_a_tool_gets_deps_and_the_names_of_its_run_and_call() -> None:
    seen: list[RunContext[str]] = []

    @tool
    async def look(ctx: RunContext[str]) -> str:
        """Look."""
        seen.append(ctx)
        return ctx.deps

    with Emulator([Reply(calls=(Call("look", id="call_7"),)), Reply(text="done")]) as gateway:
        result = await Agent(gateway.model(), tools=[look], deps_type=str).run("Go", deps="the deps", run_id="run-1")
    (ctx,) = seen
    assert result.output == "done"
    assert (ctx.deps, ctx.run_id, ctx.tool_name, ctx.call_id, ctx.attempt, ctx.idempotency_key, ctx.scope.depth) == (
        "the deps",
        "run-1",
        "look",
        "call_7",
        1,
        "run-1/call_7",
        0,
    )


async def test_the_third_identical_call_in_a_row_is_nudged_and_the_fifth_is_not_run() -> None:
    ran: list[str] = []

    @tool
    async def look(city: str) -> str:
        """Look."""
        ran.append(city)
        return city

    calls = [[Call("look", {"city": city})] for city in ("Oslo", "Oslo", "Oslo", "Oslo", "Oslo", "Rome", "Oslo")]
    told = [message.text for message in await answers([look], *calls)]
    reminder = "\n\n[This is the same call as before, with the same arguments. Use this result, or do something else.]"
    assert told == [
        "Oslo",
        "Oslo",
        "Oslo" + reminder,
        "Oslo" + reminder,
        "Not run: the same call with the same arguments was made 5 times in a row. Use the earlier result.",
        "Rome",
        "Oslo",
    ]
    assert ran == ["Oslo"] * 4 + ["Rome", "Oslo"]


async def test_a_polling_tool_may_be_called_with_the_same_arguments_as_often_as_needed() -> None:
    @tool(poll=True)
    async def status() -> str:
        """Status."""
        return "waiting"

    told = await answers([status], *([Call("status")] for _ in range(7)))
    assert [message.text for message in told] == ["waiting"] * 7


async def test_a_tool_that_cancels_itself_is_answered_and_the_run_goes_on(anyio_backend: str) -> None:
    """As when it awaits an asyncio task that somebody has cancelled."""
    if anyio_backend != "asyncio":
        pytest.skip("under trio nothing but a scope can cancel")
    import asyncio

    @tool(effect="write")
    async def stumble(n: int) -> int:
        """Cancels itself at first."""
        if n == 1:
            raise asyncio.CancelledError
        return n

    told = await answers([stumble], [Call("stumble", {"n": 1}), Call("stumble", {"n": 2})], [Call("stumble", {"n": 3})])
    assert [message.text for message in told] == [
        "Cancelled before it finished; whether it took effect is unknown.",
        "2",
        "3",
    ]


async def test_a_sync_tool_that_exits_ends_its_call_and_not_the_run() -> None:
    @tool
    def leave() -> None:
        """Exits."""
        raise SystemExit(3)

    assert [message.text for message in await answers([leave], [Call("leave")])] == [
        "leave failed with an internal error."
    ]


async def test_a_keyboard_interrupt_in_a_tool_does_not_leave_in_a_group(anyio_backend: str) -> None:
    if anyio_backend == "asyncio":
        pytest.skip("asyncio hands it to whoever runs the loop")

    @tool
    async def interrupted() -> None:
        """Where Ctrl-C happens to strike."""
        raise KeyboardInterrupt

    with Emulator([Reply(calls=(Call("interrupted"),))]) as gateway:
        run = Agent(gateway.model(), tools=[interrupted]).stream("Go")
        with pytest.raises(KeyboardInterrupt):
            await watched(run)
    assert isinstance(run.partial[-1], ToolMessage)


async def test_started_and_finished_come_for_each_call_and_skipped_ones_are_only_finished() -> None:
    @tool
    async def look() -> str:
        """Look."""
        return "seen"

    with Emulator([Reply(calls=(Call("look", id="a"), Call("look", id="b"))), Reply(text="done")]) as gateway:
        async with Agent(gateway.model(), tools=[look], limits=RunLimits(tool_calls=1)).stream("Go") as run:
            events = [event async for event in run if isinstance(event, (ToolStarted, ToolFinished))]
    assert [
        (type(event).__name__, event.call.id, event.outcome if isinstance(event, ToolFinished) else None)
        for event in events
    ] == [("ToolFinished", "b", "skipped"), ("ToolStarted", "a", None), ("ToolFinished", "a", "ok")]


async def test_two_bad_calls_in_one_turn_are_one_failure() -> None:
    @tool(sequential=True)
    def double(n: int) -> int:
        return 2 * n

    bad, good = Call("double", {"n": "x"}), Call("double", {"n": 1})
    with Emulator([Reply(calls=(bad, good, bad)), Reply(text="ok")]) as gateway:
        result = await Agent(gateway.model(), tools=[double]).run("go")
    answers = [message.text for message in result.messages if isinstance(message, ToolMessage)]
    assert (len(answers), answers[1]) == (3, "2")
    assert not any("go on without it" in answer for answer in answers)
