"""Running one tool call: validate, run the body, turn what happened into an answer for the model.

Nothing here raises but cancellation: what goes wrong is data, so that siblings finish and the loop decides.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import anyio

from agentkit.context import RunContext
from agentkit.errors import RunPaused
from agentkit.messages import ToolCall, ToolMessage, Trust
from agentkit.schema import InvalidValue
from agentkit.tools.result import cut, result_parts
from agentkit.tools.retry import ToolDeferred, ToolRetry
from agentkit.tools.threads import DaemonThreads
from agentkit.tools.toolset import AnyTool, Offered

Outcome: TypeAlias = Literal["ok", "invalid", "retry", "error", "timeout", "skipped", "denied", "held", "cancelled"]
"""`invalid` (arguments or name) and `retry` are for the model to correct; `skipped` and `denied` were not run at all;
`held` waits for somebody outside of the run."""

Gate: TypeAlias = Callable[[ToolCall, Offered, Sequence[Any], Mapping[str, Any]], Awaitable["CallOutcome | None"]]
"""Asked between the validation of a call and its effect, with the arguments as the function gets them: None lets it
run, an outcome stands in its place."""

_REPEATS = 2  # executions after the first, for effect="read" with retry_on=


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What became of a call. `error` is the exception, for the caller's eyes; `message` is what the model gets."""

    call: ToolCall
    message: ToolMessage
    outcome: Outcome
    error: Exception | None = None


async def run_call(
    call: ToolCall,
    offered: Mapping[str, Offered],
    context: RunContext[Any],
    threads: DaemonThreads,
    gate: Gate | None = None,
) -> CallOutcome:
    """Run `call` with the tools on offer, if `gate` lets it.

    Raises:
        the backend's cancellation, and nothing else.
    """
    entry = offered.get(call.name)
    if entry is None:
        return answered(call, _unknown(call.name, list(offered)), "invalid")
    if call.arguments is None:
        text = f"{call.problem}. Call {call.name} again with a JSON object that fits its parameters."
        return answered(call, text, "invalid")
    try:
        args, kwargs = entry.tool.bind(call.arguments)
    except InvalidValue as error:
        text = f"The arguments of {call.name} do not fit:\n{error}\nCorrect them and call {call.name} again."
        return answered(call, text, "invalid")
    except Exception as error:  # a validator of the user's
        return _failed(call, entry.tool, error)
    if gate is not None:
        try:
            instead = await gate(call, entry, args, kwargs)
        except Exception as error:  # a policy of the user's that fails lets nothing through
            return _failed(call, entry.tool, error)
        if instead is not None:
            return instead
    return await _timed(call, entry, context, threads, args, kwargs)


def answered(call: ToolCall, text: str, outcome: Outcome, *, trust: Trust = "system") -> CallOutcome:
    """An answer in words rather than a value; everything but `ok` is marked as an error."""
    return CallOutcome(call, ToolMessage(call.id, call.name, text, is_error=outcome != "ok", trust=trust), outcome)


async def _timed(
    call: ToolCall,
    entry: Offered,
    context: RunContext[Any],
    threads: DaemonThreads,
    args: list[Any],
    kwargs: dict[str, Any],
) -> CallOutcome:
    options = entry.tool.options
    if options.timeout is None:
        return await _executed(call, entry, context, threads, args, kwargs, entry.tool.function)
    began: list[bool] = []

    def body(*args: Any, **kwargs: Any) -> Any:
        began.append(True)
        return entry.tool.function(*args, **kwargs)

    with anyio.move_on_after(options.timeout):
        return await _executed(call, entry, context, threads, args, kwargs, body)
    if not began:  # a sync body whose turn for a thread never came, or a hook that took the time
        return answered(
            call, f"{call.name} was not run: its {options.timeout:g} s passed before it could begin.", "timeout"
        )
    text = f"{call.name} did not finish within {options.timeout:g} s."
    if options.effect != "read":
        text += " Whether it took effect is unknown."
    return answered(call, text, "timeout")


async def _executed(
    call: ToolCall,
    entry: Offered,
    context: RunContext[Any],
    threads: DaemonThreads,
    args: list[Any],
    kwargs: dict[str, Any],
    body: Callable[..., Any],
) -> CallOutcome:
    tool = entry.tool
    for repeat in range(_REPEATS + 1):
        try:
            for hook in entry.before:
                await _awaited(hook(context, tool, kwargs))
            value = await _run_body(tool, body, context, threads, args, kwargs)
            for hook in entry.after:
                value = await _awaited(hook(context, tool, value))
            return _succeeded(call, tool, value)
        except ToolRetry as error:
            text = cut(str(error) or "Try again with other arguments.", tool.options.max_result)
            return answered(call, text, "retry", trust=tool.options.trust)
        except ToolDeferred as error:
            return CallOutcome(call, ToolMessage(call.id, call.name, "Waits for its result."), "held", error)
        except Exception as error:
            if isinstance(error, RunPaused) and error.run_id == context.idempotency_key:  # the run behind `as_tool`
                return CallOutcome(call, ToolMessage(call.id, call.name, "Waits for its calls."), "held", error)
            if repeat == _REPEATS or not isinstance(error, tool.options.retry_on):
                return _failed(call, tool, error)
    raise AssertionError("the last repeat returns")


async def _run_body(
    tool: AnyTool,
    body: Callable[..., Any],
    context: RunContext[Any],
    threads: DaemonThreads,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Any:
    if tool.takes_context:
        args = [context, *args]
    if tool.is_async:
        return await body(*args, **kwargs)
    function: Callable[[], Any] = functools.partial(body, *args, **kwargs)
    value, error = await threads.run(function, name=tool.name)
    if error is not None:
        if isinstance(error, Exception):
            raise error
        raise RuntimeError(f"{tool.name} raised {type(error).__name__}") from error  # SystemExit ends no run
    return await _awaited(value)  # a plain function may hand out a coroutine


def _succeeded(call: ToolCall, tool: AnyTool, value: Any) -> CallOutcome:
    options = tool.options
    try:
        parts = result_parts(value, trust=options.trust, limit=options.max_result)
    except Exception as error:  # a value that JSON cannot carry
        return _failed(call, tool, error)
    return CallOutcome(call, ToolMessage(call.id, call.name, parts), "ok")


def _failed(call: ToolCall, tool: AnyTool, error: Exception) -> CallOutcome:
    """The model learns that it failed; the exception's text, which may hold secrets, is for the caller only."""
    text = f"{tool.name} failed with an internal error."
    message = ToolMessage(call.id, call.name, text, is_error=True, trust="system")
    return CallOutcome(call, message, "error", error)


def _unknown(name: str, known: list[str]) -> str:
    if not known:
        return f"There is no tool {name!r}; no tools are available. Answer without one."
    return f"There is no tool {name!r}. The tools are: {', '.join(known)}."


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
