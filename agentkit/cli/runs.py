"""`agentkit runs`: what a journal knows of runs, and what can be done with them. Reads need no agent and no network."""

import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar, assert_never

import anyio

from agentkit import Agent
from agentkit.cli.screen import Screen
from agentkit.errors import ConfigurationError, RunPaused, UsageError
from agentkit.journal import Record, RunRow, RunStatus, SqliteJournal
from agentkit.messages import AssistantMessage, History, Message, SystemMessage, ToolMessage, UserMessage
from agentkit.models import Profile
from agentkit.providers.chat_completions.encode import encode_message
from agentkit.runtime import Answer, Approve, Decision, Deny, PendingCall
from agentkit.runtime.entry import session_history
from agentkit.runtime.state import RunState, folded

T = TypeVar("T")

_COLUMNS = ("run", "status", "agent", "model", "steps", "updated", "session")
_SHOWN = 400  # characters of a text in `show`
_ALL = 1_000_000  # runs


def list_runs(path: Path, screen: Screen, *, session: str | None, status: RunStatus | None, limit: int) -> None:
    """A table of the newest runs."""
    rows = _asked(path, lambda journal: journal.runs(session=session, status=status, limit=limit))
    if not rows:
        screen.text("There are no such runs.")
        return
    screen.grid(_COLUMNS, [_cells(row) for row in rows])


def show_run(path: Path, run_id: str, screen: Screen) -> None:
    """What a run did, message by message, and what it waits for."""
    row, history, state = _loaded(path, run_id)
    screen.title(f"{row.run_id}: {row.status}, {row.agent} on {row.model}")
    for index, message in enumerate(history):
        earlier = " (earlier)" if index < state.earlier else ""
        for line in _lines(message):
            screen.text(f"{index:4d}{earlier}  {line}")
    for number, call in enumerate(state.open_calls):
        if number in state.answers:
            screen.text(f"      open: {call.name} ({call.id}) has its answer: {_short(state.answers[number].text)}")
        elif number not in state.held:
            begun = "was under way" if number in state.started else "has not begun"
            screen.text(f"      open: {call.name} ({call.id}) {begun}")
    for pending in state.pending:
        for line in _waiting(pending):
            screen.text(f"      {line}")
    usage = state.counters.get("budget", {}).get("usage", {})
    screen.text(f"{usage.get('requests', 0)} requests, {usage.get('total_tokens', 0):,} tokens")


def replay_run(path: Path, run_id: str, screen: Screen) -> None:
    """The steps of a run as they were recorded, in order, without a model and without running a tool."""
    row, records = _asked(path, lambda journal: journal.load(run_id))
    screen.title(f"{row.run_id}, {len(records)} records")
    state = RunState()
    for record in records:
        data = json.loads(record.data)
        before = len(state.history)
        state.apply(record.kind, data)
        for line in _step(record.kind, data, state, before):
            screen.text(line)


def export_runs(path: Path, run_ids: Sequence[str], out: TextIO, to: Path | None = None) -> int:
    """Write finished runs as lines of fine-tuning data (`{"messages": [...]}`, Chat Completions); how many.

    All runs without `run_ids`, newest first. They go to the file `to`, where there is one, and to `out` else.

    Raises:
        UsageError: a named run is not there, or has not finished; or `to` cannot be written. Nothing is written then.
    """
    if run_ids:
        rows = [_loaded(path, run_id)[0] for run_id in run_ids]
    else:
        rows = _asked(path, lambda journal: journal.runs(status="finished", limit=_ALL))
    unfinished = next((row for row in rows if row.status != "finished"), None)
    if unfinished is not None:
        raise UsageError(f"run {unfinished.run_id!r} is {unfinished.status}: only finished runs are exported")
    if to is None:
        _write_lines(path, rows, out)
        return len(rows)
    try:
        file = to.open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{str(to)!r} cannot be written: {error.strerror or error}") from error
    with file:
        _write_lines(path, rows, file)
    return len(rows)


def _write_lines(path: Path, rows: Sequence[RunRow], out: TextIO) -> None:
    profile = Profile(replay_reasoning=False)
    for row in rows:
        _, history, _ = _loaded(path, row.run_id)
        messages = [encode_message(message, index, profile) for index, message in enumerate(history)]
        print(json.dumps({"messages": messages}, ensure_ascii=False), file=out)


def fork_run(path: Path, run_id: str, new_id: str, *, steps: int | None) -> None:
    """A new unfinished run with the first records of another."""
    _, records = _asked(path, lambda journal: journal.load(run_id))
    chosen = len(records) if steps is None else _records_of(records, steps)
    _asked(path, lambda journal: journal.fork(run_id, new_id, chosen))


def resume_run(path: Path, run_id: str, agent: str, decisions: Sequence[Decision], screen: Screen) -> None:
    """Go on with a run to its end, or to its next pause.

    Raises:
        RunPaused: calls wait for a decision; each is shown before.
        ConfigurationError: `agent` names no agent, or there is no such file.
    """
    _check_there(path)
    try:
        result = agent_named(agent).resume_sync(run_id, journal=path, decisions=decisions)
    except RunPaused as paused:
        for call in paused.pending:
            for line in _waiting(call):
                screen.text(line)
        raise
    screen.text(str(result.output))


def decided(approved: Sequence[str], denied: Sequence[str], answered: Sequence[str]) -> list[Decision]:
    """The decisions that options spell: `CALL`, `CALL=WHY`, `CALL=JSON`.

    Raises:
        ConfigurationError: an answer that is not JSON.
    """
    decisions: list[Decision] = [Approve(call) for call in approved]
    decisions += [Deny(call, why) for call, _, why in (text.partition("=") for text in denied)]
    for text in answered:
        call, _, value = text.partition("=")
        try:
            decisions.append(Answer(call, json.loads(value)))
        except ValueError as error:
            raise ConfigurationError(f"--answer {text}: what follows = is not JSON: {error}") from error
    return decisions


def agent_named(name: str) -> Agent[Any, Any]:
    """The agent at `module:name`, with the working directory on the path.

    Raises:
        ConfigurationError: there is none.
    """
    module, _, attribute = name.partition(":")
    if not module or module.startswith("."):
        raise ConfigurationError(f"--agent {name}: there is no module before the colon: write module:name of an Agent")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), attribute or "agent")
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"--agent {name}: {error}: write module:name of an Agent") from error
    if not isinstance(found, Agent):
        raise ConfigurationError(f"--agent {name} is a {type(found).__name__}, not an Agent")
    return found


def _check_there(path: Path) -> None:
    """Nothing, for a file that is there: opening one that is not would make it."""
    if not path.exists():
        raise ConfigurationError(f"there is no journal {str(path)!r}: name one with --journal FILE")


def _asked(path: Path, ask: Callable[[SqliteJournal], Awaitable[T]]) -> T:
    _check_there(path)

    async def asked() -> T:
        journal = SqliteJournal(path)
        try:
            return await ask(journal)
        finally:
            await journal.aclose()

    return anyio.run(asked)


def _loaded(path: Path, run_id: str) -> tuple[RunRow, History, RunState]:
    async def load(journal: SqliteJournal) -> tuple[RunRow, History, RunState]:
        row, records = await journal.load(run_id)
        state = folded((record.kind, json.loads(record.data)) for record in records)
        history = History(state.history)
        if row.session is not None and not state.whole:
            before = await session_history(journal, row.session, until=run_id)
            history, state.earlier = before.extended(state.history), len(before)
        return row, history, state

    return _asked(path, load)


def _records_of(records: Sequence[Record], steps: int) -> int:
    """How many records the first `steps` answers of the model have, with what follows each of them."""
    seen = 0
    for index, record in enumerate(records):
        if record.kind == "messages" and "finish" in json.loads(record.data):
            seen += 1
            if seen > steps:
                return index
    if seen < steps:
        raise ConfigurationError(f"the run has {seen} answers of the model, and step {steps} was asked for")
    return len(records)


def _cells(row: RunRow) -> tuple[str, ...]:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.updated))
    return (row.run_id, row.status, row.agent, row.model, str(row.steps), when, row.session or "")


def _lines(message: Message) -> Iterable[str]:
    match message:
        case SystemMessage(text):
            yield f"system     {_short(text)}"
        case UserMessage():
            yield f"user       {_short(message.text)}"
        case AssistantMessage():
            if message.text or not message.tool_calls:
                yield f"assistant  {_short(message.text or message.refusal or '')}"
            for call in message.tool_calls:
                yield f"call       {call.name}({_short(call.arguments_text)}) {call.id}"
        case ToolMessage():
            yield f"{'error ' if message.is_error else 'result'}     {message.name}: {_short(message.text)}"
        case _:
            assert_never(message)


def _step(kind: str, data: Mapping[str, Any], state: RunState, before: int) -> Iterable[str]:
    """A record in words; `state` has taken it, and had `before` messages until then."""
    match kind:
        case "messages" if data.get("whole"):
            yield f"the history is made shorter: it has {len(state.history)} messages now"
        case "messages":
            if data["drop"]:
                yield f"taken back: the last answer ({data['drop']} of {before} messages)"
            for message in state.history[max(0, before - data["drop"]) :]:
                yield from _lines(message)
        case "started":
            yield f"started    {state.open_calls[data['call']].name}"
        case "answer":
            yield from _lines(state.answers[data["call"]])
        case "held":
            yield from (f"waits      {call.tool} ({call.because})" for call in state.held[data["call"]])
        case _:  # closed: answers that no call of a tool has given
            for index in sorted(map(int, data["rest"])):
                yield from _lines(state.history[before + index])


def _waiting(call: PendingCall) -> Iterable[str]:
    """A pending call with all its arguments, and how to decide about it."""
    path = "".join(f"{name} > " for name in call.path)
    yield f"waits for {call.because}: {path}{call.tool} {json.dumps(dict(call.arguments), ensure_ascii=False)}"
    approve = "" if call.because == "deferred" else f"--approve {call.call_id} | "
    yield f"  {approve}--deny {call.call_id}=WHY | --answer {call.call_id}=JSON"


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _SHOWN else words[: _SHOWN - 3] + "..."
