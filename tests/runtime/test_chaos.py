"""Many runs at once, against a gateway that fails and cuts, cancelled at random: all end, and nothing is lost or left.

CI takes 60 runs; `AGENTKIT_CHAOS=500` takes as many as it says, and `-s` shows the table.
"""

import asyncio
import gc
import json
import os
import random
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio

from agentkit import Agent, AgentkitError, RetryPolicy, RunContext, tool
from agentkit.emulator import Call, Emulator, Raw, Reply
from agentkit.journal import SqliteJournal
from agentkit.messages import Message, ToolMessage, violations
from agentkit.providers import ChatCompletionsModel, Registry
from agentkit.runtime import RunStream
from agentkit.tools import DaemonThreads

RUNS = int(os.environ.get("AGENTKIT_CHAOS", "60"))
SEED = 4
STEPS = (("look 1", "note 2", "save 3"), ("save 4", "look 5", "note 6"), ("look 7", "save 8"), ("note 9", "look 10"))
NAMES = {int(n): name for step in STEPS for name, n in map(str.split, step)}
NEVER_TWICE = [n for n, name in NAMES.items() if name != "look"]
NOT_DONE = {
    "Cancelled before it finished.",
    "Cancelled before it finished; whether it took effect is unknown.",
    "Not run: the run was cancelled before it began.",
}
FAULTS = (("429", 0.10), ("500", 0.05), ("cut", 0.05), ("malformed", 0.02))
TOO_MANY = Raw((b'{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}',), 429)
BROKEN = Raw((b'{"error":{"message":"it broke","type":"server_error","code":null}}',), 500)
HALF_A_CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "save", "arguments": '{"n": 3'}}


class Case:
    """One run: when it is to be cancelled, and what its tools have done, by the number that they were called with."""

    def __init__(self, number: int) -> None:
        self.name = f"run-{number}"
        self.began: Counter[int] = Counter()
        self.finished: Counter[int] = Counter()
        self.ends: list[str] = []
        self._number = number
        self._left = 0
        self._scope = anyio.CancelScope()

    def again(self) -> anyio.CancelScope:
        """The scope of the next attempt to bring it to its end, which it may be cancelled in; after some, it is not."""
        chance = random.Random(f"{SEED}/{self._number}/{len(self.ends)}")
        cancelled = len(self.ends) < 3 and chance.random() < 0.5
        self._left = chance.randint(1, 25) if cancelled else 0
        self._scope = anyio.CancelScope()
        return self._scope

    def point(self) -> None:
        """One of the points at which it may be cancelled."""
        self._left -= 1
        if self._left == 0:
            self._scope.cancel()


@tool(effect="read")
async def look(ctx: RunContext[Case], n: int) -> str:
    """Look."""
    return await _body(ctx.deps, n)


@tool(effect="write")
async def save(ctx: RunContext[Case], n: int) -> str:
    """Save."""
    return await _body(ctx.deps, n)


@tool
def note(ctx: RunContext[Case], n: int) -> str:
    """Note, in a thread."""
    ctx.deps.began[n] += 1
    ctx.deps.finished[n] += 1
    return f"done {n}"


async def _body(case: Case, n: int) -> str:
    case.began[n] += 1
    for _ in range(2):
        case.point()
        await anyio.lowlevel.checkpoint()
    case.finished[n] += 1
    return f"done {n}"


class Weather:
    """The gateway's brain: what each request gets is decided by its run, its step and how often that was asked."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, request: Mapping[str, Any]) -> Reply | Raw:
        messages = request["messages"]
        where = f"{messages[0]['content']}/{len(messages)}"
        with self._lock:
            self._asked[where] += 1
            fault = self._fault(f"{SEED}/{where}/{self._asked[where]}")
            self.answers[fault or "clean"] += 1
        match fault:
            case "429":
                return TOO_MANY
            case "500":
                return BROKEN
            case "cut":
                return _cut(streamed=bool(request.get("stream")))
            case _:
                return _next_step(messages, malformed=fault == "malformed")

    def _fault(self, seed: str) -> str | None:
        drawn = random.Random(seed).random()
        for name, share in FAULTS:
            drawn -= share
            if drawn < 0:
                return name
        return None


def _cut(*, streamed: bool) -> Raw:
    """An answer that breaks off within the arguments of a call."""
    kind, key = ("chat.completion.chunk", "delta") if streamed else ("chat.completion", "message")
    said = {"role": "assistant", "content": None, "tool_calls": [HALF_A_CALL]}
    choice = {"index": 0, key: said, "finish_reason": None}
    body = json.dumps({"id": "x", "object": kind, "created": 1, "model": "m", "choices": [choice]})
    if streamed:
        return Raw((f"data: {body}\n\n".encode(),), headers={"content-type": "text/event-stream"}, close=True)
    return Raw((body[:-20].encode(),), close=True)


def _next_step(messages: Sequence[Mapping[str, Any]], *, malformed: bool) -> Reply:
    """What has not been asked for yet in the first step that is not complete; a malformed call is made once more."""
    asked = {_number(call) for message in messages for call in message.get("tool_calls") or ()}
    for step in STEPS:
        wanted = [int(text.split()[1]) for text in step]
        calls = [Call(NAMES[n], {"n": n}) for n in wanted if n not in asked]
        if calls and malformed:
            calls[0] = Call(calls[0].name, '{"n": ')
        if calls:
            return Reply(calls=tuple(calls))
    return Reply(text="All done.")


def _number(call: Mapping[str, Any]) -> int | None:
    """What a call is made with; None for a malformed one, whose text was sent back inside of an object or as it is."""
    try:
        given = json.loads(call["function"]["arguments"])
    except ValueError:
        return None
    number = given.get("n") if isinstance(given, dict) else None
    return number if isinstance(number, int) else None


class Storm:
    """All runs of one go, and where they are kept."""

    def __init__(self, model: ChatCompletionsModel, journal: SqliteJournal) -> None:
        registry = Registry()
        registry.threads = DaemonThreads(8, idle=0.05)
        self.agent: Agent[Case, str] = Agent(model, tools=[look, save, note], deps_type=Case, registry=registry)
        self.journal = journal
        self.ends: Counter[str] = Counter()
        self.resumes = 0
        self.unfinished = 0

    async def one(self, number: int) -> None:
        """One run to its end; every other one has a journal."""
        case = Case(number)
        if number % 2:
            messages = await self._journaled(case, streamed=number % 4 == 1)
        else:
            messages = await self._watched(case, self.agent.stream(case.name, deps=case))
            self.unfinished += case.ends != ["finished"]
        self.ends.update(case.ends)
        assert_kept(case, messages)

    async def _journaled(self, case: Case, *, streamed: bool) -> Sequence[Message]:
        messages: Sequence[Message] = ()
        while "finished" not in case.ends:
            assert len(case.ends) < 20, case.ends
            begun = bool(case.ends)
            self.resumes += begun
            if streamed:
                stream = (
                    self.agent.resume_stream(case.name, deps=case, journal=self.journal)
                    if begun
                    else self.agent.stream(case.name, deps=case, journal=self.journal, run_id=case.name)
                )
                messages = await self._watched(case, stream)
            else:
                messages = await self._drained(case, resumed=begun)
        return messages

    async def _watched(self, case: Case, stream: RunStream[str]) -> Sequence[Message]:
        with case.again() as scope:
            try:
                async with stream as run:
                    async for _ in run:
                        case.point()
                case.ends.append("finished")
            except AgentkitError as error:
                case.ends.append(type(error).__name__)
        if scope.cancelled_caught:
            case.ends.append("cancelled")
        assert violations(stream.partial) == ()
        return stream.partial

    async def _drained(self, case: Case, *, resumed: bool) -> Sequence[Message]:
        messages: Sequence[Message] = ()
        with case.again() as scope:
            try:
                if resumed:
                    result = await self.agent.resume(case.name, deps=case, journal=self.journal)
                else:
                    result = await self.agent.run(case.name, deps=case, journal=self.journal, run_id=case.name)
                case.ends.append("finished")
                messages = result.messages
            except AgentkitError as error:
                case.ends.append(type(error).__name__)
        if scope.cancelled_caught:
            case.ends.append("cancelled")
        return messages


def assert_kept(case: Case, messages: Sequence[Message]) -> None:
    """What a finished body has given is in the history once, and no effect happened twice."""
    assert violations(messages) == ()
    finished = case.ends[-1] == "finished"
    numbers = {
        call.id: call.arguments.get("n")
        for message in messages
        for call in getattr(message, "tool_calls", ())
        if call.arguments is not None
    }
    told: dict[int, list[str]] = {n: [] for n in NAMES}
    for message in messages:
        number = numbers.get(message.call_id) if isinstance(message, ToolMessage) else None
        if number is not None and isinstance(message, ToolMessage):
            told[number].append(message.text)
    for n, name in NAMES.items():
        if case.finished[n] and name != "note":
            assert told[n] == [f"done {n}"], (case.name, n, told[n], case.ends)
        elif case.finished[n] or finished:  # a thread that was left alone may end after its run did
            assert len(told[n]) == 1, (case.name, n, told[n], case.ends)
            assert {f"done {n}"} | NOT_DONE >= {*told[n]}
    assert max(case.finished.values(), default=0) <= 1
    assert all(case.began[n] <= 1 for n in NEVER_TWICE)


def _tasks() -> int:
    if trio.lowlevel.in_trio_run():
        return trio.lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


async def weather(gateway: Emulator, folder: Path, runs: int) -> Storm:
    """All runs at once."""
    before = _tasks()
    model = gateway.model(surface="chat", retry=RetryPolicy(waits=(0.001,), after_output=True))
    journal = SqliteJournal(folder / "runs.db")
    storm = Storm(model, journal)
    with anyio.fail_after(20 + runs / 4):
        async with model, anyio.create_task_group() as group:
            for number in range(runs):
                group.start_soon(storm.one, number)
        kept = await journal.runs(limit=runs)
        assert {row.status for row in kept} == {"finished"}
        assert {row.run_id for row in kept} == {f"run-{number}" for number in range(1, runs, 2)}
        await journal.aclose()
    await anyio.lowlevel.checkpoint()
    assert _tasks() == before
    return storm


def storm_in(folder: Path, backend: str, runs: int) -> tuple[Storm, Weather]:
    folder.mkdir()
    brain = Weather()
    with Emulator(brain) as gateway:
        storm = anyio.run(partial(weather, gateway, folder, runs), backend=backend)
    return storm, brain


def open_files() -> list[str]:
    """What this process has open; empty where the system does not say."""
    if sys.platform != "linux":
        return []
    gc.collect()
    folder = Path("/proc/self/fd")
    found: list[str] = []
    for entry in os.listdir(folder):
        try:
            found.append(os.readlink(folder / entry).partition(":[")[0])
        except FileNotFoundError:  # the one that listed them
            continue
    return sorted(found)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_whatever_fails_every_run_ends_with_its_finished_results_and_leaves_nothing_behind(
    tmp_path: Path, backend: str
) -> None:
    storm_in(tmp_path / "warm", backend, 4)  # what is imported and opened once is not left behind
    for thread in _threads_besides(set()):
        if thread.name.startswith("agentkit"):
            thread.join(5)
    files, threads = open_files(), set(threading.enumerate())

    storm, brain = storm_in(tmp_path / "storm", backend, RUNS)

    for thread in _threads_besides(threads):
        thread.join(5)  # idle ones end by themselves
    assert [thread.name for thread in _threads_besides(threads)] == []
    assert open_files() == files
    assert storm.resumes > 0
    assert storm.ends["finished"] + storm.unfinished == RUNS
    assert brain.answers.keys() == {"429", "500", "cut", "malformed", "clean"}
    print(f"\n{backend}: {RUNS} runs, {storm.resumes} resumes, {brain.answers.total()} requests")
    print("  answers", dict(brain.answers.most_common()))
    print("  ends   ", dict(storm.ends.most_common()))


def _threads_besides(known: set[threading.Thread]) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread not in known]
