"""Runs that are written into a journal, and runs that go on: what `Agent` does for `journal=`, `session=` and `resume`.

sqlite3 and the journal are imported when the first run asks for them.
"""

import functools
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from agentkit.errors import ConfigurationError, RunConflict, RunUnfinished, StorageError
from agentkit.messages import History, Message
from agentkit.runtime import Decision, Run, RunSpec, entry
from agentkit.runtime.identity import identity
from agentkit.runtime.state import RunState

if TYPE_CHECKING:
    from agentkit.journal import Journal
    from agentkit.runtime.ledger import Ledger

JournalLike: TypeAlias = "Journal | str | os.PathLike[str]"
OnUnfinished: TypeAlias = Literal["resume", "discard"]


def opened(given: JournalLike, known: dict[str, Any]) -> "Journal":
    """The journal itself, or the one of a file; `known` are those of this process."""
    if not isinstance(given, str | os.PathLike):
        return given
    from agentkit.journal import SqliteJournal

    path = os.path.realpath(given)
    if path not in known:
        known[path] = SqliteJournal(path)
    journal: Journal = known[path]
    return journal


def check_options(options: Mapping[str, Any]) -> None:
    """Nothing, or what is wrong with `journal`, `session` and `history` together.

    Raises:
        ConfigurationError: a session without a journal, or with a history of its own.
    """
    if options.get("session") is None:
        if "on_unfinished" in options:
            raise ConfigurationError("on_unfinished= is about the last run of a session: give session= as well")
        return
    if options.get("journal") is None:
        raise ConfigurationError("session= needs journal=: the turns of a session are kept there")
    if options.get("history"):
        raise ConfigurationError("session= has its own history: leave out history=")


def ledger_for(
    spec: RunSpec,
    run_id: str,
    prompt: Sequence[Message],
    history: History,
    journal: "Journal",
    *,
    session: str | None = None,
    parent: str | None = None,
) -> "Ledger":
    """Where a run writes what it does."""
    from agentkit.runtime.ledger import Ledger

    return Ledger(journal, run_id, identity(spec, prompt, history), session=session, parent=parent)


def begin_session(
    journal: "Journal", on_unfinished: OnUnfinished | None, resume: Callable[[str], Awaitable[Any]]
) -> Callable[[Run], Awaitable[None]]:
    """How a turn of a session begins: after its last run, which is resumed or discarded first if that was asked."""

    async def enter(run: Run) -> None:
        try:
            await entry.begin(run)
            return
        except RunUnfinished as error:
            if on_unfinished is None:
                raise
            unfinished = error.run_id
        if on_unfinished == "resume":
            await resume(unfinished)
        else:
            await journal.discard(unfinished)
        await entry.begin(run)

    return enter


def begin_nested(run: Run, parent: Run, call_id: str) -> None:
    """Let a nested run go on where it stood, when the run around it was resumed."""
    decisions = entry.inside(parent.decisions.values(), call_id)
    run.changed, run.on_unknown = parent.changed, parent.on_unknown
    state = parent.children.get(call_id)
    if run.ledger is not None:
        run.enter = functools.partial(entry.go_on_nested, decisions=decisions, changed=parent.changed)
    elif state is not None:
        entry.stand(run, RunState.from_json(state), decisions)


def stop(run: Run, error: StorageError | RunConflict) -> None:
    """Let a run end here whose nested run cannot be kept: both go on together."""
    if run.ledger is not None:
        run.ledger.stopped = error


def go_on(run: Run, decisions: Iterable[Decision], *, changed: bool) -> None:
    """Let a run take over what the journal has of it."""
    run.enter = functools.partial(entry.go_on, decisions=list(decisions), changed=changed)
