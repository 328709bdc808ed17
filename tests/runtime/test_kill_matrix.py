"""A run that is killed at any point goes on in another process, and does nothing twice that may not be done twice.

How often the body of a tool runs, whatever the point at which its process is killed:

    look    effect="read"                    1 to 2
    note    no effect declared, sync         0 to 1
    save    effect="write"                   0 to 1
    send    effect="external"                0 to 1
    charge  idempotent=True, sequential      1 to 2, with one idempotency key

0 where a process was killed after it had written down that the body may run and before it did: the model is told that
the outcome is unknown. CI kills at a part of the points; `AGENTKIT_KILL_MATRIX=all` takes all of them.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit.emulator import Call, Emulator, Reply
from agentkit.journal import Record, SqliteJournal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is neither fork nor SIGKILL")

MAY_RUN = {"look": (1, 2), "note": (0, 1), "save": (0, 1), "send": (0, 1), "charge": (1, 2)}
USED = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
STEPS = (
    ("look 1", "note 1", "save 1", "send 1", "save 2"),
    ("look 2", "look 3", "charge 1", "note 2"),
    ("helper 0",),
    ("send 2", "save 3", "note 3"),
    ("charge 2", "charge 3", "look 4"),
)
HELPERS_STEPS = (("look 5", "save 4", "charge 4"), ("note 4", "send 3"))
HELPERS_BODIES = {f"{name}({n})" for step in HELPERS_STEPS for name, n in map(str.split, step)}
BODIES = sorted({f"{name}({n})" for step in STEPS for name, n in map(str.split, step)} - {"helper(0)"} | HELPERS_BODIES)
LATER = 3600.0  # seconds after which no lease is left
ALL = os.environ.get("AGENTKIT_KILL_MATRIX") == "all"


def scripted(request: Any) -> Reply:
    """The next step, by how many answers there are: the same for whoever asks."""
    messages = request["messages"]
    steps = HELPERS_STEPS if messages[0]["content"] == "Help" else STEPS
    done = sum(message["role"] == "assistant" for message in messages)
    if done == len(steps):
        return Reply(text=f"All {done} steps are done.", usage=USED)
    calls = []
    for place, step in enumerate(steps[done]):
        name, n = step.split()
        arguments = {"prompt": "Help"} if name == "helper" else {"n": int(n)}
        calls.append(Call(name, arguments, id=f"call_{done}_{place}"))
    return Reply(calls=tuple(calls), usage=USED)


class Processes:
    """Fresh processes, one for each order."""

    def __init__(self, gateway: Emulator) -> None:
        self.gateway = gateway
        self._address = {"url": gateway.url, "key": gateway.key}
        command = [sys.executable, str(Path(__file__).with_name("kill_child.py"))]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._said()

    def __call__(self, folder: Path, do: str, **order: Any) -> dict[str, Any]:
        """What a process says at its end, or that it was killed."""
        assert self._server.stdin is not None
        given = {"do": do, "folder": str(folder), "prompt": "Go", **self._address, **order}
        print(json.dumps(given), file=self._server.stdin, flush=True)
        return self._said()

    def close(self) -> None:
        self._server.communicate()

    def _said(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        said: dict[str, Any] = json.loads(self._server.stdout.readline())
        return said


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Emulator(scripted) as gateway:
        made = Processes(gateway)
        yield made
        made.close()


@dataclass(frozen=True)
class Done:
    """A whole run in one or more processes."""

    said: dict[str, Any]
    ran: Counter[str]
    keys: dict[str, set[str]]
    requests: int
    stops: tuple[dict[str, Any], ...] = ()


def _effects(folder: Path) -> list[list[str]]:
    file = folder / "effects"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def _done(folder: Path, said: dict[str, Any], requests: int, *stops: dict[str, Any]) -> Done:
    began = [line for line in _effects(folder) if line[0] == "began"]
    keys: dict[str, set[str]] = {}
    for _, call, key in began:
        keys.setdefault(call, set()).add(key)
    return Done(said, Counter(call for _, call, _ in began), keys, requests, stops)


def _answers(folder: Path) -> int:
    """How many answers of the model the journal has."""

    async def records() -> list[Record]:
        journal = SqliteJournal(folder / "runs.db")
        found = [record for row in await journal.runs() for record in (await journal.load(row.run_id))[1]]
        await journal.aclose()
        return found

    added = [json.loads(record.data)["add"] for record in anyio.run(records) if record.kind == "messages"]
    return sum(message["role"] == "assistant" for messages in added for message in messages)


def _killed(processes: Processes, folder: Path, *kills: dict[str, Any], **order: Any) -> Done:
    """Run, be killed, go on: as often as told."""
    folder.mkdir()
    before = len(processes.gateway.requests)
    do, stops = "run", list[dict[str, Any]]()
    for turn, kill in enumerate(kills):
        said = processes(folder, do, clock=LATER * turn, **kill, **order)
        if "output" in said:  # it ended before
            return _done(folder, said, len(processes.gateway.requests) - before)
        stops.append(said)
        do = "resume" if _known(folder) else "run"
    answers = _answers(folder) if _known(folder) else 0
    asked = len(processes.gateway.requests)
    said = processes(folder, do, clock=LATER * len(kills), **order)
    assert len(processes.gateway.requests) - asked == EVERY - answers, "an answer that was durable is not asked again"
    return _done(folder, said, len(processes.gateway.requests) - before, *stops)


EVERY = len(STEPS) + 1 + len(HELPERS_STEPS) + 1


def _known(folder: Path) -> bool:
    """Whether the run was begun before the kill."""

    async def runs() -> int:
        journal = SqliteJournal(folder / "runs.db")
        found = len(await journal.runs())
        await journal.aclose()
        return found

    return (folder / "runs.db").exists() and anyio.run(runs) > 0


def _same_run(killed: Done, whole: Done, *, kills: int = 1) -> None:
    """What is the same however often the process was killed."""
    names = ("output", "usage", "turns", "tool_calls")
    assert {name: killed.said.get(name) for name in names} == {name: whole.said[name] for name in names}, killed.said
    assert _roles(killed) == _roles(whole)
    assert _said_by_model(killed) == _said_by_model(whole)
    for call in BODIES:
        least, most = MAY_RUN[call.split("(")[0]]
        assert least <= killed.ran[call] <= (most if most == 1 else 1 + kills), (call, killed.ran[call])
        assert len(killed.keys.get(call, ())) <= 1
    assert set(killed.ran) <= set(BODIES)


def _roles(done: Done) -> list[tuple[str, str | None]]:
    return [(message["role"], message.get("call_id")) for message in done.said["messages"]]


def _said_by_model(done: Done) -> list[Any]:
    return [message for message in done.said["messages"] if message["role"] == "assistant"]


@pytest.fixture(scope="module")
def whole(processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The run that nobody killed."""
    folder = tmp_path_factory.mktemp("whole")
    before = len(processes.gateway.requests)
    done = _done(folder, processes(folder, "run"), len(processes.gateway.requests) - before)
    assert "output" in done.said, done.said
    assert done.ran == Counter(BODIES)
    assert done.requests == EVERY
    return done


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_killed_at_any_operation_of_its_journal_goes_on(
    processes: Processes, whole: Done, tmp_path: Path, after: bool, backend: str
) -> None:
    places = range(1, whole.said["operations"] + 1)
    table: Counter[str] = Counter()
    for place in places if ALL else places[(3 if after else 0) + (4 if backend == "trio" else 0) :: 16]:
        done = _killed(processes, tmp_path / str(place), {"place": place, "after": after}, backend=backend)
        if place == 1 and not after:
            assert done.requests == EVERY
        _same_run(done, whole)
        table.update(f"{call.split('(')[0]} {done.ran[call]}" for call in BODIES)
    print({row: table[row] for row in sorted(table)})
    assert set(table) <= {
        f"{name} {times}" for name, (least, most) in MAY_RUN.items() for times in range(least, most + 1)
    }


@pytest.mark.parametrize("moment", ["began", "did"])
@pytest.mark.parametrize("call", BODIES if ALL else ["note(1)", "send(3)", "charge(2)"])
def test_a_run_killed_inside_of_a_tool_goes_on(
    processes: Processes, whole: Done, tmp_path: Path, call: str, moment: str
) -> None:
    done = _killed(processes, tmp_path / "run", {"kill": f"{moment} {call}"})
    _same_run(done, whole)
    again = call.split("(")[0] in ("look", "charge")
    assert done.ran[call] == (2 if again else 1)
    if not again and call not in HELPERS_BODIES:
        assert "whether it took effect is unknown" in json.dumps(done.said["messages"])


def test_a_run_may_be_killed_again_and_again(processes: Processes, whole: Done, tmp_path: Path) -> None:
    kills = [{"place": place, "after": place % 2 == 0} for place in (41, 14, 25, 9, 12)]
    _same_run(_killed(processes, tmp_path / "run", *kills), whole, kills=len(kills))


@pytest.mark.parametrize("room", [110_000, 150_000])
def test_a_full_disk_stops_a_run_and_loses_nothing(
    processes: Processes, whole: Done, tmp_path: Path, room: int
) -> None:
    done = _killed(processes, tmp_path / "run", {"room": room})
    _same_run(done, whole)
    (stopped,) = done.stops
    assert stopped["error"] == "StorageError"
    assert "runs.db" in stopped["text"]
    assert any(word in stopped["text"] for word in ("disk is full", "no room"))


def test_a_locked_file_stops_a_run_and_loses_nothing(processes: Processes, whole: Done, tmp_path: Path) -> None:
    for number, moment in enumerate(("did note(1)", "did look(2)", "did save(4)", "did save(3)")):
        done = _killed(processes, tmp_path / str(number), {"lock": moment})
        _same_run(done, whole)
        (stopped,) = done.stops
        assert stopped["error"] == "StorageError"
        assert "is locked" in stopped["text"]


def test_of_two_processes_only_one_goes_on(processes: Processes, whole: Done, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    before = len(processes.gateway.requests)
    assert processes(folder, "run", kill="did look(2)")["killed"]
    child = processes(folder, "resume", clock=LATER, hold="began look(4)", meanwhile=True)["child"]
    while ["began", "look(4)"] not in [line[:2] for line in _effects(folder)]:
        time.sleep(0.01)
    assert processes(folder, "resume", clock=LATER)["error"] == "RunConflict"
    (folder / "go").touch()
    said = processes(folder, "wait", child=child)
    _same_run(_done(folder, said, len(processes.gateway.requests) - before), whole)
    assert len(processes.gateway.requests) - before == EVERY
    assert processes(folder, "resume", clock=LATER)["messages"] == said["messages"]
