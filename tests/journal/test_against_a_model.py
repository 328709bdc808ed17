"""The journal in a file does what the one in memory does, whatever is asked of both."""

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio.from_thread
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agentkit.errors import AgentkitError
from agentkit.journal import Journal, MemoryJournal, NewRun, Record, RunStatus, SqliteJournal

_IDS = st.sampled_from(["a", "b", "c"])
_OWNERS = st.sampled_from(["me", "you"])
_RECORDS = st.lists(st.builds(Record, st.sampled_from(["x", "y"]), st.sampled_from([b"1", b'"\xc3\xa4"'])), max_size=3)
_END: st.SearchStrategy[RunStatus] = st.sampled_from(["paused", "finished", "failed"])


async def _outcome(asked: Awaitable[object]) -> object:
    """What came back; for a refusal its type and its words."""
    try:
        return await asked
    except AgentkitError as error:
        return type(error), str(error)


class JournalMachine(RuleBasedStateMachine):
    """Every rule asks both journals and compares what they say; afterwards they hold the same."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1_000.0
        self._directory = tempfile.TemporaryDirectory()
        self._portals = anyio.from_thread.start_blocking_portal()
        self._portal = self._portals.__enter__()
        self._path = Path(self._directory.name) / "runs.db"
        self._file = SqliteJournal(self._path, lease=10.0, clock=self._clock)
        self._memory = MemoryJournal(lease=10.0, clock=self._clock)

    def _clock(self) -> float:
        return self._now

    def _both(self, ask: Callable[[Journal], Awaitable[object]]) -> None:
        async def asked() -> tuple[object, object]:
            return await _outcome(ask(self._file)), await _outcome(ask(self._memory))

        in_file, in_memory = self._portal.call(asked)
        assert in_file == in_memory

    @rule(seconds=st.sampled_from([1.0, 9.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self._now += seconds

    @rule(run_id=_IDS, session=st.sampled_from([None, "s"]), records=_RECORDS, owner=_OWNERS)
    def begin(self, run_id: str, session: str | None, records: list[Record], owner: str) -> None:
        new = NewRun(run_id=run_id, agent="a", model="m", session=session, fingerprint="f", input_hash="i")
        self._both(lambda journal: journal.begin(new, records, owner))

    @rule(run_id=_IDS, owner=_OWNERS)
    def take(self, run_id: str, owner: str) -> None:
        self._both(lambda journal: journal.take(run_id, owner))

    @rule(run_id=_IDS, owner=_OWNERS, batches=st.lists(_RECORDS.filter(bool), min_size=1, max_size=3))
    def append(self, run_id: str, owner: str, batches: list[list[Record]]) -> None:
        async def appended(journal: Journal) -> None:
            for records in batches:
                journal.append(run_id, owner, records)
            await journal.durable(run_id)

        self._both(appended)

    @rule(run_id=_IDS, owner=_OWNERS, status=_END, records=_RECORDS, result=st.sampled_from([None, b"{}"]))
    def close(self, run_id: str, owner: str, status: RunStatus, records: list[Record], result: bytes | None) -> None:
        self._both(lambda journal: journal.close(run_id, owner, status, records, result))

    @rule(run_id=_IDS, owner=_OWNERS)
    def beat(self, run_id: str, owner: str) -> None:
        self._both(lambda journal: journal.beat(run_id, owner))

    @rule(run_id=_IDS, new_id=_IDS, steps=st.integers(0, 4))
    def fork(self, run_id: str, new_id: str, steps: int) -> None:
        self._both(lambda journal: journal.fork(run_id, new_id, steps))

    @rule(run_id=_IDS)
    def discard(self, run_id: str) -> None:
        self._both(lambda journal: journal.discard(run_id))

    @rule(run_id=_IDS)
    def delete(self, run_id: str) -> None:
        self._both(lambda journal: journal.delete(run_id))

    @invariant()
    def both_hold_the_same(self) -> None:
        async def held(journal: Journal) -> list[Any]:
            rows = await journal.runs()
            loaded = [await journal.load(row.run_id) for row in rows]
            return [rows, loaded, await journal.session_runs("s")]

        self._both(held)

    def teardown(self) -> None:
        self._portal.call(self._file.aclose)
        self._portals.__exit__(None, None, None)
        self._directory.cleanup()


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
