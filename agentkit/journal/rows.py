"""What a journal keeps of a run: its row and its records."""

from dataclasses import dataclass
from typing import Literal

RunStatus = Literal["running", "paused", "finished", "failed"]
"""`finished` is the only end; a run that is `paused`, `failed`, or `running` without a live lease can be taken up."""


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a run: `data` is a JSON text in UTF-8."""

    kind: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What a run begins with. `parent` is the id of the run whose tool it is, `fingerprint` is of the agent."""

    run_id: str
    agent: str
    model: str
    session: str | None = None
    parent: str | None = None
    fingerprint: str
    input_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run as it stands. Times are Unix seconds.

    `steps` is how many records it has. `owner` holds the lease until `lease_until`; both are None when nobody is at it.
    `result` is a JSON text, set when the run is closed with one.
    """

    run_id: str
    status: RunStatus
    agent: str
    model: str
    session: str | None
    parent: str | None
    fingerprint: str
    input_hash: str
    created: float
    updated: float
    steps: int
    owner: str | None
    lease_until: float | None
    result: bytes | None

    def alive(self, now: float) -> bool:
        """Whether somebody is at it: it is leased, and the lease has not expired."""
        return self.owner is not None and self.lease_until is not None and self.lease_until > now
