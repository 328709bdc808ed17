"""What one run has on its way into the file: records in order, until they are known to be there."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from agentkit._sqlite import Ticket
from agentkit.journal.rows import Record
from agentkit.journal.tables import Append, Gap


@dataclass(slots=True)
class Line:
    """A run that is leased here. `next` is the place of the next record; `sent` has what is on its way, oldest first.

    What was not kept stays in the line and goes out again with the next `send`, so that there is never a gap.
    """

    number: int
    run_id: str
    owner: str
    next: int
    waiting: list[Record] = field(default_factory=list[Record])
    sent: deque[tuple[Append, Ticket[None]]] = field(default_factory=deque[tuple[Append, Ticket[None]]])

    def send(self, submit: Callable[[Append], Ticket[None]], now: float, lease_until: float) -> None:
        """Hand what waits to the file, together with what was not kept before."""
        self._settle()
        if not self.waiting:
            return
        append = Append(self.number, self.run_id, self.owner, self.next, self.waiting, now, lease_until)
        self.sent.append((append, submit(append)))
        self.next += len(self.waiting)
        self.waiting = []

    def failure(self) -> BaseException | None:
        """Why the oldest of what was not kept was not."""
        errors = [ticket.error for _, ticket in self.sent if ticket.error is not None]
        return next((error for error in errors if not isinstance(error, Gap)), errors[0] if errors else None)

    def _settle(self) -> None:
        sent = self.sent
        while sent and sent[0][1].done and sent[0][1].error is None:
            sent.popleft()
        if sent and sent[-1][1].done:  # work is done in order: all of them are, and the first failed
            self.next = sent[0][0].start
            self.waiting[:0] = [record for append, _ in sent for record in append.records]
            sent.clear()
