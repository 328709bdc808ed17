"""A run may be cancelled at any point: it stops, keeps what was done, and leaves nothing behind.

The points are counted: everything a run can wait for (the model's stream before and after each event, a tool's body at
each of its own waits, a sync tool's thread) passes through one gate, and the k-th passage cancels, for every k.
"""

import gc
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from agentkit import Agent, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.messages import AssistantMessage, History, ToolMessage
from agentkit.models import Model, ModelRequest, Profile, Respond, ResponseEvent
from agentkit.runtime import RunStream
from agentkit.tools import AnyTool

pytestmark = pytest.mark.anyio

CANCELLED = {
    "Cancelled before it finished.",
    "Cancelled before it finished; whether it took effect is unknown.",
    "Not run: the run was cancelled before it began.",
}
SCRIPT = [
    Reply(text="Looking", calls=(Call("look", {"n": 1}), Call("save", {"n": 2}), Call("save", {"n": 3}))),
    Reply(calls=(Call("block", {"n": 4}), Call("alone", {"n": 5}), Call("look", {"n": 6}))),
    Reply(text="All done."),
]


class Gate:
    """Counts the points at which the run may be cancelled, and cancels it at one of them; made inside the loop."""

    def __init__(self, cancel_at: int | None) -> None:
        self.passed = 0
        self.finished: list[int] = []  # bodies that ran to their end
        self.scope = anyio.CancelScope()
        self._cancel_at = cancel_at
        self._token = anyio.lowlevel.current_token()

    async def point(self) -> None:
        self._count()
        await anyio.lowlevel.checkpoint()

    def _count(self) -> None:
        self.passed += 1
        if self.passed == self._cancel_at:
            self.scope.cancel()

    def point_in_thread(self) -> None:
        anyio.from_thread.run_sync(self._count, token=self._token)


class Gated(Respond):
    """A model whose every event is a point to cancel at."""

    def __init__(self, model: Model, gate: Gate, *, streamed: bool = True) -> None:
        self._model, self._gate, self._streamed = model, gate, streamed

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def profile(self) -> Profile:
        return self._model.profile

    async def events(self, request: ModelRequest, *, stream: bool) -> AsyncGenerator[ResponseEvent, None]:
        await self._gate.point()
        async with aclosing(self._model.events(request, stream=stream and self._streamed)) as events:
            async for event in events:
                await self._gate.point()
                yield event
        await self._gate.point()


def tools(gate: Gate) -> list[AnyTool]:
    @tool(effect="read")
    async def look(n: int) -> int:
        """Look."""
        await gate.point()
        await gate.point()
        gate.finished.append(n)
        return n

    @tool(effect="write")
    async def save(n: int) -> int:
        """Save."""
        await gate.point()
        gate.finished.append(n)
        return n

    @tool
    def block(n: int) -> int:
        """Block a thread."""
        gate.point_in_thread()
        return n

    @tool(sequential=True)
    async def alone(n: int) -> int:
        """Alone."""
        await gate.point()
        gate.finished.append(n)
        return n

    return [look, save, block, alone]


async def cancelled_at(gateway: Emulator, cancel_at: int | None, *, stream: bool) -> tuple[Gate, RunStream[str]]:
    gate = Gate(cancel_at)
    model = gateway.model()
    run = Agent(Gated(model, gate, streamed=stream), tools=tools(gate)).stream("Go")
    with anyio.fail_after(5):
        with gate.scope:
            async with run:
                async for _ in run:
                    pass
        assert gate.scope.cancelled_caught or cancel_at is None or cancel_at >= gate.passed
        async with model:
            pass  # its connections are closed
    return gate, run


def assert_kept(gate: Gate, history: History) -> None:
    """Every call is answered once, in order; a finished body by its result, any other as cancelled."""
    open_calls: list[str] = []
    for message in history:
        if isinstance(message, AssistantMessage):
            assert open_calls == []
            open_calls = [call.id for call in message.tool_calls]
            numbers = {call.id: call.arguments["n"] for call in message.tool_calls if call.arguments is not None}
        elif isinstance(message, ToolMessage):
            assert message.call_id == open_calls.pop(0)
            n = numbers[message.call_id]
            if n in gate.finished:
                assert (message.text, message.is_error) == (str(n), False)
            elif message.name == "block":  # a thread may end before or after the cancellation
                assert message.text in {"4", *CANCELLED}
            else:
                assert message.text in CANCELLED
                assert message.is_error
    assert open_calls == []


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
async def test_a_run_cancelled_at_any_point_keeps_what_was_done_and_leaves_nothing(
    stream: bool, anyio_backend: str
) -> None:
    with Emulator([*SCRIPT]) as gateway:
        whole, run = await cancelled_at(gateway, None, stream=stream)
        assert run.result.output == "All done."
    assert sorted(whole.finished) == [1, 2, 3, 5, 6]
    assert whole.passed >= 20

    for point in range(1, whole.passed + 1):
        with Emulator([*SCRIPT]) as gateway:
            gate, run = await cancelled_at(gateway, point, stream=stream)
            sent = len(gateway.requests)
        assert_kept(gate, run.partial)
        assert len(gate.finished) == len(set(gate.finished))
        assert sent <= 3
        assert left_over(anyio_backend) == []
        with Emulator([Reply(text="went on")]) as strict:
            assert (await Agent(strict.model()).run("Go on", history=run.partial)).output == "went on"
    gc.collect()  # an async generator that was not closed would be told of here


def left_over(backend: str) -> list[str]:
    """Tasks of the run that still live."""
    if backend == "asyncio":
        return [task.name or "" for task in anyio.get_running_tasks() if "_execute" in repr(task.coro)]
    import trio

    nurseries = trio.lowlevel.current_root_task()
    found: list[str] = []
    todo = [] if nurseries is None else [nurseries]
    while todo:
        task = todo.pop()
        found.append(task.name)
        todo.extend(child for nursery in task.child_nurseries for child in nursery.child_tasks)
    return [name for name in found if "_execute" in name]


async def test_a_run_that_is_left_after_any_event_keeps_what_was_done(anyio_backend: str) -> None:
    left = 0
    while True:
        left += 1
        with Emulator([*SCRIPT]) as gateway:
            gate = Gate(None)
            run = Agent(Gated(gateway.model(), gate), tools=tools(gate)).stream("Go")
            taken = 0
            with anyio.fail_after(5):
                async with run:
                    async for _ in run:
                        taken += 1
                        if taken == left:
                            break
        assert_kept(gate, run.partial)
        assert left_over(anyio_backend) == []
        with Emulator([Reply(text="went on")]) as strict:
            assert (await Agent(strict.model()).run("Go on", history=run.partial)).output == "went on"
        if taken < left:
            break
    assert left > 15


async def test_a_cancelled_run_does_not_wait_for_the_thread_of_a_sync_tool() -> None:
    began, let_go = threading.Event(), threading.Event()
    scope = anyio.CancelScope()

    @tool(effect="write")
    def hang() -> str:
        """Hang."""
        began.set()
        let_go.wait(10)
        return "late"

    @tool(effect="read")
    async def quick() -> str:
        """Quick."""
        return "done"

    try:
        with Emulator([Reply(calls=(Call("quick"), Call("hang")))]) as gateway:
            run = Agent(gateway.model(), tools=[quick, hang]).stream("Go")
            with anyio.fail_after(5), scope:
                async with run:
                    async for event in run:
                        if "ToolFinished" in type(event).__name__:
                            await anyio.to_thread.run_sync(began.wait)
                            scope.cancel()
            assert scope.cancelled_caught
            assert not let_go.is_set()
    finally:
        let_go.set()
    told = [message.text for message in run.partial if isinstance(message, ToolMessage)]
    assert told == ["done", "Cancelled before it finished; whether it took effect is unknown."]


async def test_a_run_cancelled_while_the_server_thinks_stops_at_once_and_its_history_goes_on() -> None:
    arrived, let_go = threading.Event(), threading.Event()

    def brain(request: Any) -> Reply:
        if len(request["messages"]) == 1:
            return Reply(calls=(Call("quick", id="q"),))
        arrived.set()
        let_go.wait(10)
        return Reply(text="too late")

    @tool
    async def quick() -> str:
        """Quick."""
        return "done"

    try:
        with Emulator(brain) as gateway:
            model = gateway.model()
            run = Agent(model, tools=[quick]).stream("Go")
            with anyio.fail_after(5):
                async with anyio.create_task_group() as tasks:

                    async def cancel() -> None:
                        await anyio.to_thread.run_sync(arrived.wait)
                        tasks.cancel_scope.cancel()

                    tasks.start_soon(cancel)
                    async with run:
                        async for _ in run:
                            pass
                async with model:
                    pass
            let_go.set()
    finally:
        let_go.set()
    with Emulator([Reply(text="went on")]) as strict:
        assert (await Agent(strict.model()).run("Go on", history=run.partial)).output == "went on"
    assert [message.text for message in run.partial if isinstance(message, ToolMessage)] == ["done"]
