"""What is kept of a run, so that it can go on after a crash, in another process, or never run twice.

A run is a row and a list of records; what is in a record is the business of whoever writes it. `SqliteJournal` keeps
both in a file of this machine, `MemoryJournal` for as long as the process; `Journal` is the protocol.
"""

from agentkit.journal.memory import MemoryJournal
from agentkit.journal.protocol import Journal
from agentkit.journal.rows import NewRun, Record, RunRow, RunStatus
from agentkit.journal.sqlite import SqliteJournal

__all__ = [
    "Journal",
    "MemoryJournal",
    "NewRun",
    "Record",
    "RunRow",
    "RunStatus",
    "SqliteJournal",
]
