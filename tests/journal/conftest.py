"""A clock that tests set, and both journals on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentkit.journal import Journal, MemoryJournal, SqliteJournal

LEASE = 30.0


class Clock:
    """Unix seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture(params=["sqlite", "memory"])
async def journal(request: pytest.FixtureRequest, path: Path, clock: Clock) -> AsyncIterator[Journal]:
    journal: Journal = (
        SqliteJournal(path, lease=LEASE, clock=clock)
        if request.param == "sqlite"
        else MemoryJournal(lease=LEASE, clock=clock)
    )
    yield journal
    await journal.aclose()
