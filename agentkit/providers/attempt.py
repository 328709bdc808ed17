"""One attempt at a request, and what may follow when it fails: the same request mended, or the same again.

Above: `ProviderModel`, whose loop asks these in turn, mending first. Below: nothing that does I/O.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agentkit import telemetry
from agentkit.errors import BadRequest, GatewayError
from agentkit.models import AttemptDiscarded, ModelRequest, ModelSettings, Profile
from agentkit.providers.endpoint import Headers
from agentkit.providers.learned import LearnedProfiles
from agentkit.providers.negotiation import Lesson, Sent, fitted, lesson, refuses_tools
from agentkit.providers.wire import Wire
from agentkit.transport import RetryPolicy
from agentkit.usage import Usage

_MAX_LESSONS = 12  # for one request; each must lead to a profile that was not tried


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request as it goes out: what the profile takes of it, and its bytes.

    `told` are the warnings that its answer will carry: what was learned on the way to it, and what was left out.
    """

    wire: Wire
    profile: Profile
    request: ModelRequest
    body: bytes
    headers: Headers
    told: tuple[str, ...]
    stream: bool


class Knowledge:
    """What is known of one model: what was declared, and what it has refused since."""

    def __init__(self, learned: LearnedProfiles, surface: str, base_url: str, model: str, declared: Profile) -> None:
        self.declared = declared
        self._learned = learned
        self._place = (surface, base_url, model)

    @property
    def profile(self) -> Profile:
        """What is known by now: the same object until more is."""
        return self._learned.get(*self._place, self.declared)

    def learn(self, before: Profile, after: Profile) -> Profile:
        """Remember what turned `before` into `after`; what is known now, with what other runs have learned since."""
        return self._learned.put(*self._place, self.declared, before=before, after=after)


class Mending:
    """What the refusals of one request teach. `told` is what its answer has to tell of it, in order."""

    def __init__(self, knowledge: Knowledge, asked: ModelSettings, *, name: str) -> None:
        self.told: tuple[str, ...] = ()
        self._knowledge = knowledge
        self._asked = asked
        self._name = name
        self._seen: list[Profile] = []

    def after(self, error: GatewayError, attempt: Attempt) -> str | None:
        """What was learned from a refusal, when the same request may now be sent in another form; else None."""
        seen = self._seen
        seen.append(attempt.profile)
        if not isinstance(error, BadRequest) or len(seen) > _MAX_LESSONS:
            return None
        request, wire = attempt.request, attempt.wire
        sent = Sent(request, attempt.profile, wire.fields, wire.tool_choice(request), attempt.stream)
        found = lesson(error, sent, seen)
        if found is None:
            if request.tools and refuses_tools(error):
                error.args = (f"{error} The tools were not left out: use a model or channel that takes them.",)
            return None
        telemetry.emit("warning", "negotiated", model=self._name, text=found.text, status=error.status)
        known = self._knowledge.learn(attempt.profile, found.profile)
        if found.replan:
            error.learned = found.text
        if found.replan or known in seen:
            return None
        if not _told_anyway(found, attempt.profile, self._asked, tools=bool(request.tools)):
            self.told = (*self.told, found.text)
        return found.text


class Retrying:
    """How often one request was sent again, and whether it may be once more."""

    def __init__(self, policy: RetryPolicy, deadline: float | None, *, name: str) -> None:
        self._policy = policy
        self._deadline = deadline
        self._name = name
        self._number = 1

    def after(self, error: GatewayError, *, mended: str | None, shown: bool) -> AttemptDiscarded | None:
        """What is told of the failed attempt when another follows; None when none does.

        A request that was `mended` goes out at once, and is no retry. `shown`: deltas have reached the caller.
        """
        wait = self._wait(error, shown=shown) if mended is None else 0.0
        if wait is None:
            return None
        number, most = self._number, self._policy.retries
        if mended is None:
            self._number += 1
            telemetry.emit(
                "info",
                "retry",
                model=self._name,
                attempt=number,
                of=most,
                wait=round(wait, 3),
                error=type(error).__name__,
                status=error.status,
                text=str(error),
            )
        return AttemptDiscarded(
            error, usage=Usage(requests=1), billed=error.billed, number=number, of=most, wait=wait, mended=mended
        )

    def _wait(self, error: GatewayError, *, shown: bool) -> float | None:
        if shown and not self._policy.after_output:
            return None
        wait = self._policy.wait(self._number, error)
        if wait is not None and self._deadline is not None and time.monotonic() + wait > self._deadline:
            return None
        return wait


def _told_anyway(found: Lesson, before: Profile, asked: ModelSettings, *, tools: bool) -> bool:
    """Whether the lesson is about settings alone, of which every answer tells in what form they went out."""
    after = found.profile
    others = replace(after, dropped=before.dropped, efforts=before.efforts, effort_with_tools=before.effort_with_tools)
    if others != before:
        return False
    earlier: Sequence[str] = fitted(asked, before, tools=tools)[1]
    return any(sentence not in earlier for sentence in fitted(asked, after, tools=tools)[1])
