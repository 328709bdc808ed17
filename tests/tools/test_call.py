"""One call: what becomes of bad arguments, exceptions, time-outs and cancellation."""

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from agentkit import RunContext, ToolRetry, Toolset, tool
from agentkit.messages import TextPart, ToolCall, ToolMessage
from agentkit.tools import CallOutcome, DaemonThreads, run_call

pytestmark = pytest.mark.anyio
CallTool = Callable[..., Any]


@tool
def add(a: int, b: int) -> int:
    return a + b


async def test_a_good_call_is_answered_with_its_value(call_tool: CallTool) -> None:
    assert await call_tool(add, {"a": 1, "b": 2}) == CallOutcome(
        ToolCall("call-1", "add", {"a": 1, "b": 2}, ""),
        ToolMessage("call-1", "add", [TextPart("3", "tool")]),
        "ok",
    )


async def test_an_unknown_tool_is_answered_with_the_known_ones(call_tool: CallTool) -> None:
    outcome = await call_tool(add, {}, name="sub")
    assert outcome.message == ToolMessage(
        "call-1", "sub", "There is no tool 'sub'. The tools are: add.", is_error=True, trust="system"
    )
    assert outcome.outcome == "invalid"


async def test_a_call_where_there_are_no_tools_is_told_so(threads: DaemonThreads) -> None:
    class Scope:
        run_id = ""
        depth = 0
        budget = None

    outcome = await run_call(ToolCall("1", "add", {}), {}, RunContext(None, Scope()), threads)
    assert outcome.message.text == "There is no tool 'add'; no tools are available. Answer without one."


async def test_arguments_that_are_no_json_are_answered_with_the_place(call_tool: CallTool) -> None:
    outcome = await call_tool(add, problem="The arguments are not JSON: line 1 column 5")
    assert (outcome.outcome, outcome.message.text) == (
        "invalid",
        "The arguments are not JSON: line 1 column 5. Call add again with a JSON object that fits its parameters.",
    )


async def test_arguments_that_do_not_fit_are_answered_with_what_is_wrong(call_tool: CallTool) -> None:
    outcome = await call_tool(add, {"a": "one", "c": 3})
    assert outcome.outcome == "invalid"
    assert outcome.message.is_error
    lines = outcome.message.text.splitlines()
    assert lines[0] == "The arguments of add do not fit:"
    assert {"a", "b", "c"} <= {line.lstrip("- ").split(":")[0].split(" ")[0].strip("'") for line in lines[1:-1]}
    assert lines[-1] == "Correct them and call add again."


async def test_an_exception_reaches_the_caller_but_its_text_not_the_model(call_tool: CallTool) -> None:
    @tool
    async def leak() -> None:
        raise ConnectionError("password=hunter2")

    outcome = await call_tool(leak)
    assert (outcome.outcome, repr(outcome.error)) == ("error", "ConnectionError('password=hunter2')")
    assert outcome.message == ToolMessage(
        "call-1", "leak", "leak failed with an internal error.", is_error=True, trust="system"
    )


async def test_an_exception_of_a_users_validator_is_the_tools_failure(call_tool: CallTool) -> None:
    from typing import Annotated

    from pydantic import AfterValidator

    def explode(value: int) -> int:
        raise LookupError("in a validator")

    @tool
    def take(number: Annotated[int, AfterValidator(explode)]) -> int:
        return number

    outcome = await call_tool(take, {"number": 1})
    assert (outcome.outcome, type(outcome.error)) == ("error", LookupError)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()])
async def test_a_sync_tool_cannot_end_the_process(call_tool: CallTool, error: BaseException) -> None:
    @tool
    def leave() -> None:
        raise error

    outcome = await call_tool(leave)
    assert (outcome.outcome, repr(outcome.error)) == ("error", f"RuntimeError('leave raised {type(error).__name__}')")
    assert outcome.error.__cause__ is error


async def test_tool_retry_is_a_message_to_the_model(call_tool: CallTool) -> None:
    @tool(trust="web", max_result=40)
    async def pick(number: int) -> int:
        raise ToolRetry("" if number == 0 else "x" * number)

    assert (await call_tool(pick, {"number": 0})).message.text == "Try again with other arguments."
    outcome = await call_tool(pick, {"number": 3})
    assert outcome.message == ToolMessage("call-1", "pick", [TextPart("xxx", "web")], is_error=True, trust="system")
    assert (outcome.outcome, outcome.error) == ("retry", None)
    assert "60 characters left out" in (await call_tool(pick, {"number": 100})).message.text


@pytest.mark.parametrize("effect", ["read", "write"])
async def test_a_tool_that_hangs_is_told_as_timed_out(call_tool: CallTool, effect: Any) -> None:
    @tool(timeout=0.01, effect=effect)
    async def hang() -> None:
        await anyio.sleep_forever()

    unknown = "" if effect == "read" else " Whether it took effect is unknown."
    with anyio.fail_after(5):
        outcome = await call_tool(hang)
    assert (outcome.outcome, outcome.message.text) == ("timeout", "hang did not finish within 0.01 s." + unknown)


async def test_a_time_out_of_the_tools_own_is_an_exception_like_any_other(call_tool: CallTool) -> None:
    @tool(timeout=60)
    async def impatient() -> None:
        raise TimeoutError("mine")

    assert repr((await call_tool(impatient)).error) == "TimeoutError('mine')"


@pytest.mark.parametrize(("failures", "outcome", "runs"), [(2, "ok", 3), (3, "error", 3)])
async def test_retry_on_runs_the_body_again_at_most_twice(
    call_tool: CallTool, failures: int, outcome: str, runs: int
) -> None:
    count = 0

    @tool(effect="read", retry_on=(OSError,))
    def flaky() -> str:
        nonlocal count
        count += 1
        if count <= failures:
            raise ConnectionResetError(count)
        return "there"

    assert (await call_tool(flaky)).outcome == outcome
    assert count == runs


async def test_retry_on_does_not_cover_other_exceptions(call_tool: CallTool) -> None:
    count = 0

    @tool(effect="read", retry_on=(OSError,))
    async def broken() -> str:
        nonlocal count
        count += 1
        raise ValueError

    assert ((await call_tool(broken)).outcome, count) == ("error", 1)


async def test_a_plain_function_may_hand_out_a_coroutine(call_tool: CallTool) -> None:
    async def later(number: int) -> int:
        return number + 1

    @tool
    def soon(number: int) -> Any:
        return later(number)

    assert (await call_tool(soon, {"number": 1})).message.text == "2"


@pytest.mark.parametrize("is_async", [True, False])
async def test_cancellation_passes_through(threads: DaemonThreads, call_tool: CallTool, is_async: bool) -> None:
    import threading

    release, began = threading.Event(), threading.Event()

    @tool
    def slow() -> None:
        began.set()
        release.wait(5)

    @tool
    async def slow_too() -> None:
        began.set()
        await anyio.sleep_forever()

    returned = False

    async def work() -> None:
        nonlocal returned
        await call_tool(slow_too if is_async else slow)
        returned = True

    try:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(work)
                await anyio.to_thread.run_sync(began.wait, 5)
                tasks.cancel_scope.cancel()
    finally:
        release.set()
    assert not returned


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_tool_that_cancels_something_of_its_own_does_not_hang_the_run(anyio_backend: str) -> None:
    import asyncio

    from agentkit import Agent
    from agentkit.emulator import Call, Emulator, Reply

    @tool
    async def stop() -> None:
        inner = asyncio.ensure_future(asyncio.Event().wait())
        inner.cancel()
        await inner  # raises CancelledError although nobody cancelled the run

    with Emulator([Reply(calls=(Call("stop", {}),)), Reply(text="done")]) as gateway, anyio.fail_after(5):
        result = await Agent(gateway.model(), tools=[stop]).run("go")
    assert isinstance(answer := result.messages[2], ToolMessage)
    assert (result.output, answer.is_error) == ("done", True)


async def test_a_body_may_change_its_arguments_without_changing_the_call(call_tool: CallTool) -> None:
    @tool
    def drain(box: dict[str, Any]) -> int:
        box["items"].clear()
        return len(box)

    assert (await call_tool(drain, {"box": {"items": [1]}})).call.arguments == {"box": {"items": [1]}}


@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity"])
async def test_a_number_that_json_cannot_say_is_for_the_model_to_correct(number: str) -> None:
    from agentkit import Agent
    from agentkit.emulator import Call, Emulator, Reply

    @tool
    def half(number: float) -> float:
        return number / 2

    calls = [Call("half", f'{{"number": {number}}}'), Call("half", {"number": 3})]
    steps = [*(Reply(calls=(call,)) for call in calls), Reply(text="done")]
    with Emulator(steps) as gateway:
        result = await Agent(gateway.model(), tools=[half]).run("go")
    assert isinstance(wrong := result.messages[2], ToolMessage)
    assert isinstance(right := result.messages[4], ToolMessage)
    assert wrong.text.startswith("the arguments are not JSON: ")
    assert (right.text, result.output) == ("1.5", "done")


async def test_a_sync_tool_whose_turn_never_came_is_told_as_not_run() -> None:
    release = threading.Event()
    ran: list[int] = []

    @tool
    def hold() -> None:
        release.wait(5)

    @tool(timeout=0.05)
    def late() -> None:
        ran.append(1)

    threads = DaemonThreads(1)
    context: RunContext[Any] = RunContext(None, _Nowhere())
    offered = {entry.tool.name: entry for entry in Toolset([hold, late]).offered()}
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_call, ToolCall("1", "hold", {}), offered, context, threads)
            await anyio.wait_all_tasks_blocked()
            outcome = await run_call(ToolCall("2", "late", {}), offered, context, threads)
            release.set()
    assert outcome.message.text == "late was not run: its 0.05 s passed before it could begin."
    assert ran == []


class _Nowhere:
    """A scope that nothing is asked of."""

    run_id = "run"
    depth = 0
    budget = None
