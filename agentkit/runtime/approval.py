"""Who decides whether a call runs: a policy before its effect, and a person where the policy asks for one."""

import hashlib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from agentkit import _json
from agentkit.context import RunContext
from agentkit.errors import ConfigurationError
from agentkit.messages import AssistantMessage, Message, SystemMessage, ToolCall, Trust

_ORDER: tuple[Trust, ...] = ("system", "user", "tool", "web")


@dataclass(frozen=True, slots=True)
class Allow:
    """A policy's verdict: the call runs."""


@dataclass(frozen=True, slots=True)
class NeedApproval:
    """A policy's verdict: the run pauses until somebody has decided; `reason` is shown to them."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Deny:
    """The call does not run, and the model is told why.

    As a decision about a paused run: `Deny(call_id, why)`. As the verdict of a policy, which knows the call:
    `Deny(why)`.
    """

    call_id: str
    reason: str = ""

    @property
    def why(self) -> str:
        """The reason, in a policy's verdict."""
        return self.reason or self.call_id


@dataclass(frozen=True, slots=True)
class Approve:
    """A decision about a paused run: the call runs, with the arguments that were shown.

    `hash` is the one that was shown; a call with another name or other arguments is then refused.
    """

    call_id: str
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision about a paused run: the call does not run, and `value` is its result. For deferred tools, and for
    calls whose outcome only the outside knows."""

    call_id: str
    value: Any


Verdict: TypeAlias = Allow | Deny | NeedApproval
Decision: TypeAlias = Approve | Deny | Answer
Policy: TypeAlias = Callable[[ToolCall, RunContext[Any], Trust], Verdict | Awaitable[Verdict]]
"""`policy(call, context, trust)`: `call.arguments` are the values that the function gets, by name, and `trust` is the
lowest of all that the model has seen. It may be async. When it raises, the call does not run."""

OnUnknown: TypeAlias = Literal["tell", "ask"]
"""What becomes of a call that a crash interrupted and that may not be run again: the model is told that its outcome is
unknown, or the run pauses until somebody says what it was."""

PendingReason: TypeAlias = Literal["approval", "deferred", "unknown"]


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call that waits for a decision.

    `call_id` is what a decision names; for a call of a nested agent it is the path to it, as in `call_1/call_7`.
    `hash` binds a decision to the tool's name and these arguments. `path` has the names of the agents in between.
    `because` says what it waits for: approval, the outside's result (`deferred`), or somebody who knows whether it took
    effect before a crash (`unknown`).
    """

    call_id: str
    tool: str
    arguments: Mapping[str, Any]
    hash: str
    because: PendingReason = "approval"
    reason: str = ""
    path: tuple[str, ...] = ()


def call_hash(name: str, arguments: Mapping[str, Any] | None) -> str:
    """What a decision is bound to: the tool's name and its arguments, whatever their order."""
    return hashlib.sha256(_json.dumps([name, _sorted(arguments)])).hexdigest()


def validated(
    call: ToolCall,
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    context: RunContext[Any] | None,
) -> ToolCall:
    """A call as a policy sees it: its arguments by name, as `function` gets them, without its context."""
    before = () if context is None else (context,)
    bound = inspect.signature(function).bind(*before, *args, **kwargs)
    bound.apply_defaults()
    arguments: dict[str, Any] = {}
    for name, value in [*bound.arguments.items()][len(before) :]:
        if bound.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            arguments.update(value)
        else:
            arguments[name] = value
    return replace(call, arguments=arguments)


def lowest_trust(messages: Iterable[Message], start: Trust = "system") -> Trust:
    """The lowest trust of what a model that reads these has seen; its own words do not count."""
    place = _ORDER.index(start)
    for message in messages:
        if isinstance(message, AssistantMessage | SystemMessage):
            continue
        for part in message.parts:
            place = max(place, _ORDER.index(part.trust))
    return _ORDER[place]


def lower(one: Trust, other: Trust) -> Trust:
    """The lower of two."""
    return _ORDER[max(_ORDER.index(one), _ORDER.index(other))]


def default_verdict(effect: str | None, trust: Trust) -> Verdict:
    """What holds without a policy: once text of a tool or of the open world was seen, what cannot be taken back needs
    approval."""
    if effect == "external" and trust in ("tool", "web"):
        return NeedApproval(f"it cannot be taken back, and the model has read text from {_ORIGIN[trust]}")
    return Allow()


def by_call(decisions: Iterable[Decision], pending: Iterable[PendingCall]) -> dict[str, Decision]:
    """The decisions by the id of their call.

    Raises:
        ConfigurationError: two for one call, one for a call that is not pending, or an approval of a call that waits
            for its result.
    """
    waiting = {call.call_id: call for call in pending}
    found: dict[str, Decision] = {}
    for decision in decisions:
        call = waiting.get(decision.call_id)
        if call is None:
            known = ", ".join(waiting) or "none"
            raise ConfigurationError(f"no call {decision.call_id!r} is waiting for a decision; waiting are: {known}")
        if decision.call_id in found:
            raise ConfigurationError(f"there are two decisions for the call {decision.call_id!r}")
        if isinstance(decision, Approve) and decision.hash not in (None, call.hash):
            raise ConfigurationError(
                f"the call {decision.call_id!r} is not the one that was approved: look at it again"
            )
        if isinstance(decision, Approve) and call.because == "deferred":
            raise ConfigurationError(
                f"the call {decision.call_id!r} waits for its result: give it with Answer, or deny it"
            )
        found[decision.call_id] = decision
    return found


_ORIGIN: Mapping[Trust, str] = {"tool": "a tool", "web": "the open world", "user": "the user", "system": "you"}


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
