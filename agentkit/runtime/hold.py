"""Calls that do not run at once: a policy stops them, they wait for somebody, or a crash cut them off."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agentkit.context import RunContext
from agentkit.errors import ConfigurationError, RunPaused
from agentkit.messages import ToolCall, ToolMessage
from agentkit.runtime.approval import (
    Allow,
    Answer,
    Approve,
    Deny,
    NeedApproval,
    PendingCall,
    PendingReason,
    Verdict,
    call_hash,
    default_verdict,
    validated,
)
from agentkit.runtime.events import RunSuspended
from agentkit.runtime.identity import fingerprint
from agentkit.runtime.run import UNKNOWN, Run
from agentkit.runtime.state import pending_to
from agentkit.tools import CallOutcome, Offered, ToolDeferred, ToolOptions, answered, result_parts

_EVERY = "each call of this tool is to be approved"


async def gate(
    run: Run, call: ToolCall, entry: Offered, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> CallOutcome | None:
    """None when a validated call may take effect; else what stands in its place."""
    if call.id in run.admitted or isinstance(run.decisions.get(call.id), Approve):
        return None
    verdict = await _verdict(run, call, entry, args, kwargs)
    match verdict:
        case Allow():
            if not entry.tool.options.approval:
                return None
            return _held(call, NeedApproval(_EVERY))
        case Deny():
            return answered(call, f"Not run: {verdict.why or 'it is not allowed'}", "denied")
        case NeedApproval():
            return _held(call, verdict)


async def _verdict(run: Run, call: ToolCall, entry: Offered, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Verdict:
    policy, tool = run.spec.policy, entry.tool
    if policy is None:
        return default_verdict(tool.options.effect, run.trust)
    context: RunContext[Any] = run.context(call)
    seen = validated(call, tool.function, args, kwargs, context=context if tool.takes_context else None)
    verdict: Any = policy(seen, context, run.trust)
    if inspect.isawaitable(verdict):
        verdict = await verdict
    if isinstance(verdict, Allow | Deny | NeedApproval):
        return verdict
    raise ConfigurationError(f"the policy gave {verdict!r}: it has to give Allow(), Deny(why) or NeedApproval(reason)")


class ApprovalNeeded(Exception):
    """Why a call is held: a policy asks for somebody's approval."""


def _held(call: ToolCall, verdict: NeedApproval) -> CallOutcome:
    message = ToolMessage(call.id, call.name, "Waits for approval.")
    return CallOutcome(call, message, "held", ApprovalNeeded(verdict.reason))


def hold(run: Run, index: int, outcome: CallOutcome) -> tuple[PendingCall, ...]:
    """Keep a call open, and say what it waits for."""
    call, cause = outcome.call, outcome.error
    if isinstance(cause, RunPaused):  # a nested run: its calls wait, not this one
        pending = tuple(_inside(call, each) for each in cause.pending)
        if run.ledger is None:
            run.children[call.id] = cause.state
    else:
        because: PendingReason = "deferred" if isinstance(cause, ToolDeferred) else "approval"
        pending = (pending_call(call, because, str(cause or "")),)
    keep(run, index, pending)
    return pending


def keep(run: Run, index: int, pending: tuple[PendingCall, ...]) -> None:
    """Keep a call open until `pending` is decided."""
    run.answers.pop(index, None)
    run.held[index] = pending
    if run.ledger is not None:
        run.note("held", call=index, pending=[pending_to(each) for each in pending])


def pending_call(call: ToolCall, because: PendingReason, reason: str = "") -> PendingCall:
    """A call as it is shown to those who decide."""
    arguments = call.arguments or {}
    return PendingCall(call.id, call.name, arguments, call_hash(call.name, arguments), because, reason)


def _inside(call: ToolCall, pending: PendingCall) -> PendingCall:
    return replace(pending, call_id=f"{call.id}/{pending.call_id}", path=(call.name, *pending.path))


def resumed(run: Run, index: int, call: ToolCall, options: ToolOptions | None) -> CallOutcome | None:
    """What is to be said of an open call without running it: a decision, or that nobody knows. None: run it."""
    match run.decisions.get(call.id):
        case Deny() as denied:
            return answered(call, f"Not run: {denied.reason or 'it was not approved'}", "denied")
        case Answer(value=value):
            declared = options or ToolOptions()
            parts = result_parts(value, trust=declared.trust, limit=declared.max_result)
            return CallOutcome(call, ToolMessage(call.id, call.name, parts), "ok")
        case Approve():
            return None
        case None:
            pass
    if index in run.begun and index not in run.held and not _repeatable(options):
        return answered(call, UNKNOWN, "cancelled")
    return None


def waits(run: Run, index: int, call: ToolCall, options: ToolOptions | None) -> bool:
    """Whether an open call goes on waiting: nobody has decided, or nobody has been asked what became of it."""
    if call.id in run.decisions or any(key.startswith(f"{call.id}/") for key in run.decisions):
        return False
    if index in run.held:
        return True
    if run.on_unknown == "ask" and index in run.begun and not _repeatable(options):
        keep(run, index, (pending_call(call, "unknown", UNKNOWN),))
        return True
    return False


def _repeatable(options: ToolOptions | None) -> bool:
    return options is None or options.effect == "read" or options.idempotent


async def suspended(run: Run) -> RunSuspended:
    """The end of a run for now, when all that could be done is done and kept."""
    await run.saved()
    run.paused = paused(run)
    if run.ledger is not None:
        await run.ledger.close("paused")
    return RunSuspended(run.paused)


def paused(run: Run) -> RunPaused:
    """The error that a run ends with for now; its state has the open calls, its history does not."""
    state = run.state()
    pending = state.pending
    names = ", ".join(f"{call.tool} ({call.call_id}: {call.because})" for call in pending)
    last = 1 if run.open_calls else 0
    return RunPaused(
        f"waiting for {names}: go on with agent.resume(..., decisions=[...])",
        pending=pending,
        state={
            **state.to_json(),
            "run_id": run.run_id,
            "fingerprint": fingerprint(run.spec),
            "journaled": run.ledger is not None,
        },
        history=run.history.prefix(len(run.history) - last),
        usage=run.budget.usage,
        run_id=run.run_id,
    )
