"""The faults that the gateway can be told to commit, by name, and the queue of those still to come.

Four kinds: some are answered before the brain is asked, some spoil what the brain says (a step of a script is then
used up), some spoil how it is sent, and some are of the calls that a server makes to a webhook.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from agentkit.emulator.brain import Call, Reply
from agentkit.emulator.completion import arguments_text
from agentkit.emulator.dialects import Problem
from agentkit.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Status:
    """A fault that is an error response, with its waiting headers."""

    problem: Problem
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


STATUSES: Mapping[str, Status] = MappingProxyType(
    {
        "unauthorized": Status(Problem("the API key is not valid", kind="unauthorized")),
        "payment_required": Status(Problem("the account has no balance left: top it up", kind="payment_required")),
        "quota": Status(Problem("you exceeded your current quota: check your plan and billing", kind="quota")),
        "unprocessable": Status(Problem("the request could not be processed", kind="unprocessable")),
        "context_overflow": Status(
            Problem("the messages are longer than the model's context", "messages", kind="context_overflow")
        ),
        "rate_limit": Status(Problem("rate limit reached, slow down", kind="rate_limited"), {"retry-after": "1"}),
        "rate_limit_fast": Status(
            Problem("rate limit reached, slow down", kind="rate_limited"), {"retry-after-ms": "50"}
        ),
        "rate_limit_bare": Status(Problem("rate limit reached, slow down", kind="rate_limited")),
        "server_error": Status(Problem("the server had an error while processing your request", kind="server_error")),
        "overloaded": Status(Problem("the server is overloaded, try again later", kind="overloaded")),
    }
)
"""Faults that answer with an error status, and what they say."""

REPLIES: Mapping[str, Reply] = MappingProxyType(
    {
        "refusal": Reply(refusal="I'm sorry, I can't help with that."),
        "empty": Reply(text=""),
        "content_filter": Reply(text="", finish_reason="content_filter"),
    }
)
"""Faults that answer instead of the brain."""


def _malformed_arguments(reply: Reply) -> Reply | None:
    if not reply.calls:
        return None
    return replace(reply, calls=tuple(replace(call, arguments=_half(arguments_text(call))) for call in reply.calls))


def _invalid_json(reply: Reply) -> Reply | None:
    if reply.text:
        return replace(reply, text=_not_json(reply.text))
    if not reply.calls:
        return None
    return replace(reply, calls=tuple(replace(call, arguments=_not_json(arguments_text(call))) for call in reply.calls))


def _length(reply: Reply) -> Reply | None:
    if not (reply.text or reply.calls):
        return None
    calls: tuple[Call, ...] = reply.calls
    if calls:
        calls = (*calls[:-1], replace(calls[-1], arguments=_half(arguments_text(calls[-1]))))
    text = _half(reply.text) if reply.text and not calls else reply.text
    return replace(reply, text=text, calls=calls, finish_reason="length")


def _half(text: str) -> str:
    return text[: max(1, len(text) // 2)]


def _not_json(text: str) -> str:
    """`text` broken so that no honest repair makes JSON of it again."""
    return text.replace(":", " =", 1) if ":" in text else "[" + text


SPOILERS: Mapping[str, Callable[[Reply], Reply | None]] = MappingProxyType(
    {"malformed_arguments": _malformed_arguments, "invalid_json": _invalid_json, "length": _length}
)
"""Faults that change what the brain said; None where there is nothing that they could change."""

DELIVERIES = ("cut_stream", "error_in_stream", "slow")
"""Faults that change how the brain's answer is sent."""

SILENT = ("hang", "disconnect", "error_in_200", "html")
"""Faults that answer with no completion at all."""

WEBHOOKS = frozenset({"webhook_lost", "webhook_twice", "webhook_unknown"})
"""Faults of the calls that Runware's tasks make to a webhook: one is not made, made twice, or names another task."""

ANSWERS = frozenset((*STATUSES, *REPLIES, *SPOILERS, *DELIVERIES, *SILENT))
"""Faults of an answer of the model's."""

POLLS = frozenset((*STATUSES, *SILENT, "cut_stream", "slow"))
"""Faults of an answer that the model has no part in."""

NAMES = tuple(sorted(ANSWERS | WEBHOOKS))
"""Every fault's name."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to commit.

    `count` is how many requests it hits (`math.inf`: all of them), after letting `skip` requests pass; only requests
    with the text `match` in them are counted and hit. `seconds` is for `slow`: how long the answer takes in all.

    Raises:
        ConfigurationError: no fault has that name, or a number is out of range.
    """

    name: str
    count: float = 1
    match: str = ""
    skip: int = 0
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ConfigurationError(f"there is no fault {self.name!r}; there are {', '.join(NAMES)}")
        if not self.count >= 1 or self.skip < 0 or not 0 <= self.seconds < math.inf:
            raise ConfigurationError(f"a fault needs count >= 1, skip >= 0 and finite seconds >= 0, not {self!r}")

    @classmethod
    def parse(cls, text: str) -> Fault:
        """The fault that `name`, `name:count` (`inf` for all) or `slow:seconds:count` spells.

        Raises:
            ConfigurationError: it spells none.
        """
        name, *numbers = text.split(":")
        fields = ("seconds", "count") if name == "slow" else ("count",)
        if len(numbers) > len(fields):
            raise ConfigurationError(f"a fault is written {':'.join((name, *fields))}, not {text!r}")
        try:
            given: dict[str, Any] = {
                given_name: float(number) for given_name, number in zip(fields, numbers, strict=False)
            }
        except ValueError:
            raise ConfigurationError(f"a fault is written {':'.join((name, *fields))}, not {text!r}") from None
        return cls(name, **given)


@dataclass(slots=True)
class _Pending:
    fault: Fault
    left: float
    skip: int


class Faults:
    """The faults still to come. A request gets at most one: the first that is meant for it. Safe for threads."""

    def __init__(self, faults: Sequence[str | Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._pending: list[_Pending] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: str | Fault) -> None:
        """Puts one more at the end.

        Raises:
            ConfigurationError: the text spells no fault.
        """
        made = Fault.parse(fault) if isinstance(fault, str) else fault
        with self._lock:
            self._pending.append(_Pending(made, made.count, made.skip))

    def take(self, holds: Callable[[str], bool], among: Container[str] = ANSWERS) -> Fault | None:
        """The fault out of `among` that hits the next request; `holds` says whether that has a given text in it."""
        with self._lock:
            for pending in self._pending:
                if pending.left < 1 or pending.fault.name not in among or not holds(pending.fault.match):
                    continue
                if pending.skip:
                    pending.skip -= 1
                    continue
                pending.left -= 1
                return pending.fault
        return None

    def give_back(self, fault: Fault) -> None:
        """Counts a fault as not committed: the answer had nothing that it could spoil."""
        with self._lock:
            next(pending for pending in self._pending if pending.fault is fault).left += 1
