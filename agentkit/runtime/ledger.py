"""What a run writes into its journal, and when it waits for it.

Above: `Run`, which notes each change of its state here, and the loop, which waits before each step. Below: the journal,
which keeps records without knowing what is in them. A run without a journal has no ledger and pays nothing.
"""

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentkit import _json
from agentkit.journal import Journal, NewRun, Record, RunRow, RunStatus
from agentkit.messages import Message
from agentkit.messages.codec import encode_message
from agentkit.runtime.state import RunState, folded


@dataclass(frozen=True, slots=True)
class Identity:
    """What a run is of: two runs with one id must have the same, or one of them is a mistake.

    `fingerprint` is of the agent (instructions, tools, output), `input` of prompt and history.
    """

    agent: str
    model: str
    fingerprint: str
    input: str


class Ledger:
    """A run's lines in a journal. Lines are written in order; `saved` waits until all are durable."""

    def __init__(
        self, journal: Journal, run_id: str, identity: Identity, *, session: str | None, parent: str | None
    ) -> None:
        self.journal = journal
        self.run_id = run_id
        self.identity = identity
        self.session = session
        self.owner = uuid.uuid4().hex
        self._parent = parent
        self._noted: list[Record] = []
        self._begun = False

    def note(self, kind: str, **data: Any) -> None:
        """Write a line; it is not durable yet."""
        record = Record(kind, _json.dumps(data))
        if self._begun:
            self.journal.append(self.run_id, self.owner, [record])
        else:
            self._noted.append(record)

    async def begin(self) -> RunRow | None:
        """Enter the run with what was noted so far; the row of the run that has this id already, if there is one.

        Raises:
            RunUnfinished, RunConflict: the session's last run stands in the way.
            StorageError: the journal cannot be written.
        """
        identity = self.identity
        row = NewRun(
            run_id=self.run_id,
            agent=identity.agent,
            model=identity.model,
            session=self.session,
            parent=self._parent,
            fingerprint=identity.fingerprint,
            input_hash=identity.input,
        )
        found = await self.journal.begin(row, self._noted, self.owner)
        if found is None:
            self._begun, self._noted = True, []
        return found

    async def take(self) -> tuple[RunRow, RunState]:
        """Take over an unfinished run; its row and its state.

        Raises:
            RunConflict: somebody else is running it.
            UsageError: there is no such run.
        """
        await self.journal.take(self.run_id, self.owner)
        self._begun = True
        row, records = await self.journal.load(self.run_id)
        return row, folded((record.kind, _json.loads(record.data)) for record in records)

    async def saved(self) -> None:
        """Return when every line is durable.

        Raises:
            StorageError: one could not be written.
            RunConflict: another process has taken the run.
        """
        await self.journal.durable(self.run_id)

    async def beat(self) -> None:
        """Say that the run is alive."""
        await self.journal.beat(self.run_id, self.owner)

    async def close(self, status: RunStatus, result: Mapping[str, Any] | None = None) -> None:
        """The last line, and the end of the lease; durable on return."""
        if self._begun:
            encoded = None if result is None else _json.dumps(result)
            await self.journal.close(self.run_id, self.owner, status, [], encoded)


def fingerprint(instructions: Any, definitions: Iterable[Any], output: Any) -> str:
    """Of what an agent is: its instructions (a function: its name), its tools as the model sees them, its output."""
    told = getattr(instructions, "__qualname__", instructions)
    tools = [[tool.name, tool.description, tool.parameters] for tool in definitions]
    return _hash([told, tools, output])


def input_hash(prompt: Sequence[Message], history: Sequence[Message]) -> str:
    """Of what a run was asked."""
    return _hash([[encode_message(message) for message in messages] for messages in (history, prompt)])


def _hash(value: Any) -> str:
    return hashlib.sha256(_json.dumps(value)).hexdigest()
