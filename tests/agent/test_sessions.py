"""Conversations that a journal keeps: each turn is a run, and begins where the last finished one ended."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from agentkit import (
    Agent,
    Approve,
    ConfigurationError,
    RunConflict,
    RunPaused,
    RunResult,
    RunUnfinished,
    extract,
    tool,
)
from agentkit.emulator import Call, Emulator, Reply
from agentkit.events import ToolStarted
from agentkit.journal import Journal, MemoryJournal, NewRun, Record, RunRow, SqliteJournal
from agentkit.messages import AssistantMessage, Message, ToolMessage, UserMessage


@pytest.fixture(params=["memory", "file"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "runs.db")


def texts(messages: Sequence[Message]) -> list[str]:
    spoken = (UserMessage, AssistantMessage, ToolMessage)
    return [message.text or "" for message in messages if isinstance(message, spoken)]


def sent(gateway: Emulator, number: int) -> list[str]:
    """The texts of the messages of a request; -1 is the last one."""
    return [message["content"] or "" for message in gateway.requests[number].body["messages"]]


def replies(*said: str) -> list[Reply]:
    return [Reply(text=text) for text in said]


@tool(effect="external", approval=True)
async def pay() -> str:
    """Pay."""
    return "paid"


@pytest.mark.anyio
async def test_a_turn_begins_with_the_messages_of_those_that_have_finished(journal: Journal) -> None:
    @tool
    async def look() -> str:
        """Look."""
        return "42"

    steps = [Reply(calls=(Call("look"),)), *replies("It is 42", "Sure", "Somebody else", "Bye")]
    with Emulator(steps) as gateway:
        agent = Agent(gateway.model(), tools=[look], instructions="Be brief")
        first = await agent.run("What is it?", journal=journal, session="s")
        second = await agent.run("Sure?", journal=journal, session="s")
        await agent.run("Who?", journal=journal, session="other")
        third = await agent.run("Thanks", journal=journal, session="s")
        assert sent(gateway, -2) == ["Be brief", "Who?"]
        assert sent(gateway, -1)[1:] == [*texts(second.messages), "Thanks"]
    assert texts(second.messages) == ["What is it?", "", "42", "It is 42", "Sure?", "Sure"]
    assert list(second.messages) == [*first.messages, *second.new_messages]
    assert list(third.messages) == [*second.messages, *third.new_messages]
    assert texts(third.new_messages) == ["Thanks", "Bye"]


@pytest.mark.anyio
async def test_what_cannot_be_meant_is_an_error_before_anything_is_sent() -> None:
    with Emulator(replies("Never")) as gateway:
        agent = Agent(gateway.model())
        with pytest.raises(ConfigurationError, match="session= needs journal="):
            await agent.run("Hi", session="s")
        with pytest.raises(ConfigurationError, match="leave out history="):
            await agent.run("Hi", session="s", journal=MemoryJournal(), history=[UserMessage("before")])
        with pytest.raises(ConfigurationError, match="give session= as well"):
            await agent.run("Hi", journal=MemoryJournal(), on_unfinished="resume")
        assert gateway.requests == []


@pytest.mark.anyio
@pytest.mark.parametrize("on_unfinished", [None, "resume", "discard"])
async def test_of_two_turns_at_once_one_is_refused(journal: Journal, on_unfinished: str | None) -> None:
    inside, go_on = anyio.Event(), anyio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        inside.set()
        await go_on.wait()
        return "waited"

    finished: list[RunResult[str]] = []
    options: Any = {} if on_unfinished is None else {"on_unfinished": on_unfinished}
    with Emulator([Reply(calls=(Call("wait"),)), *replies("First", "Third")]) as gateway:
        agent = Agent(gateway.model(), tools=[wait])

        async def first() -> None:
            finished.append(await agent.run("One", journal=journal, session="s", run_id="r1"))

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(first)
                await inside.wait()
                with pytest.raises(RunConflict) as caught:
                    await agent.run("Two", journal=journal, session="s", run_id="r2", **options)
                assert len(gateway.requests) == 1
                go_on.set()
        third = await agent.run("Three", journal=journal, session="s")
    assert caught.value.run_id == "r1"
    assert texts(third.messages) == ["One", "", "waited", "First", "Three", "Third"]
    assert texts(finished[0].messages) == texts(third.messages)[:4]


_CHILD = """
import asyncio, os, sys
from agentkit import Agent, RunConflict, RunUnfinished, tool
from agentkit.providers import ChatCompletionsModel

url, key, journal, run_id, end = sys.argv[1:]

@tool
async def wait() -> str:
    "Wait."
    os._exit(7)

async def main():
    agent = Agent(ChatCompletionsModel("gpt-5-4-mini-official", base_url=url, api_key=key), tools=[wait])
    try:
        result = await agent.run("From afar", journal=journal, session="s", run_id=run_id)
    except (RunConflict, RunUnfinished) as error:
        print(type(error).__name__, error.run_id)
    else:
        print(result.output, len(result.messages))

asyncio.run(main())
"""


def _afar(gateway: Emulator, path: Path, run_id: str) -> tuple[int, str, str]:
    """What another process says of its turn."""
    given = (sys.executable, "-c", _CHILD, gateway.url, gateway.key, str(path), run_id, "")
    child = subprocess.run(given, capture_output=True, text=True, timeout=60, check=False)
    return child.returncode, child.stdout.strip(), child.stderr


@pytest.mark.anyio
async def test_a_turn_of_another_process_is_respected_and_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"

    @tool
    async def wait() -> str:
        """Wait."""
        said.append(await anyio.to_thread.run_sync(_afar, gateway, path, "r0"))
        return "waited"

    said: list[tuple[int, str, str]] = []
    waiting = Reply(calls=(Call("wait"),))
    with Emulator([waiting, *replies("One", "Two"), waiting, *replies("Told", "Four")]) as gateway:
        agent = Agent(gateway.model(), tools=[wait])
        await agent.run("Here", journal=SqliteJournal(path), session="s", run_id="r1")
        assert said == [(0, "RunConflict r1", "")]

        assert _afar(gateway, path, "r2") == (0, "Two 6", "")
        assert _afar(gateway, path, "r3")[0] == 7  # killed in its tool
        with pytest.raises(RunConflict) as alive:
            await agent.run("Here", journal=SqliteJournal(path), session="s")
        later = SqliteJournal(path, clock=lambda: time.time() + 60)
        with pytest.raises(RunUnfinished) as dead:
            await agent.run("Here", journal=later, session="s")
        result = await agent.run("Here", journal=later, session="s", on_unfinished="resume")
    assert (alive.value.run_id, dead.value.run_id) == ("r3", "r3")
    unknown = "The process ended while this call ran; whether it took effect is unknown."
    assert texts(result.messages)[6:] == ["From afar", "", unknown, "Told", "Here", "Four"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("on_unfinished", "history"),
    [
        ("resume", ["One", "First", "Left", "", "Cancelled", "Resumed", "Next", "Last"]),
        ("discard", ["One", "First", "Next", "Last"]),
    ],
)
async def test_an_unfinished_turn_has_to_be_resumed_or_discarded_first(
    journal: Journal, on_unfinished: Any, history: list[str]
) -> None:
    @tool(effect="read")
    async def wait() -> str:
        """Wait."""
        await anyio.sleep_forever()
        return ""

    options: Any = {"journal": journal, "session": "s", "tools": [wait]}
    after = replies("Resumed", "Last") if on_unfinished == "resume" else replies("Last")
    with Emulator([*replies("First"), Reply(calls=(Call("wait"),)), *after]) as gateway:
        agent = Agent(gateway.model())
        await agent.run("One", **options)
        async with agent.stream("Left", run_id="r2", **options) as run:
            async for event in run:
                if isinstance(event, ToolStarted):
                    break
        with pytest.raises(RunUnfinished, match="resume it or discard it first") as caught:
            await agent.run("Next", **options)
        assert len(gateway.requests) == 2
        result = await agent.run("Next", on_unfinished=on_unfinished, **options)
    assert caught.value.run_id == "r2"
    assert [text.split(" before")[0] for text in texts(result.messages)] == history


@pytest.mark.anyio
async def test_a_paused_turn_is_decided_before_the_next_one(journal: Journal) -> None:
    with Emulator([Reply(calls=(Call("pay", id="c"),)), *replies("Paid", "Next")]) as gateway:
        agent = Agent(gateway.model(), tools=[pay])
        options: Any = {"journal": journal, "session": "s"}
        with pytest.raises(RunPaused) as first:
            await agent.run("Pay", run_id="r1", **options)
        with pytest.raises(RunUnfinished) as refused:
            await agent.run("Next", **options)
        with pytest.raises(RunPaused) as resumed:  # what the user has to decide, not a turn of its own
            await agent.run("Next", on_unfinished="resume", run_id="r2", **options)
        assert (refused.value.run_id, resumed.value.run_id) == ("r1", "r1")
        assert resumed.value.pending == first.value.pending
        assert len(gateway.requests) == 1
        paid = await agent.resume("r1", journal=journal, decisions=[Approve("c")])
        result = await agent.run("Next", run_id="r2", **options)
    assert texts(paid.messages) == ["Pay", "", "paid", "Paid"]
    assert texts(result.messages) == [*texts(paid.messages), "Next", "Next"]


@pytest.mark.anyio
async def test_a_turn_that_is_asked_again_gives_its_recorded_result(journal: Journal) -> None:
    with Emulator(replies("First", "Second", "Third")) as gateway:
        agent = Agent(gateway.model())
        options: Any = {"journal": journal, "session": "s"}
        await agent.run("One", run_id="r1", **options)
        second = await agent.run("Two", run_id="r2", **options)
        await agent.run("Three", run_id="r3", **options)
        assert await agent.run("Two", run_id="r2", **options) == second
        assert await agent.resume("r2", journal=journal) == second
        with pytest.raises(RunConflict):
            await agent.run("Something else", run_id="r2", **options)
        with pytest.raises(RunConflict):
            await agent.run("Two", run_id="r2", journal=journal, session="other")
        with pytest.raises(RunConflict):
            await agent.run("Two", run_id="r2", journal=journal)
        assert len(gateway.requests) == 3
    assert texts(second.messages) == ["One", "First", "Two", "Second"]


class _Overtaken(MemoryJournal):
    """Lets another turn finish just before the first one of `run_id` begins."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Any = None

    async def begin(self, row: NewRun, records: Sequence[Record], owner: str) -> RunRow | None:
        if row.run_id == "late":
            await self.before()
        return await super().begin(row, records, owner)


@pytest.mark.anyio
async def test_a_turn_that_was_overtaken_follows_the_one_that_overtook_it() -> None:
    journal = _Overtaken()
    with Emulator(replies("First", "Second")) as gateway:
        agent = Agent(gateway.model())

        async def before() -> None:
            await agent.run("Fast", journal=journal, session="s")

        journal.before = before
        result = await agent.run("Slow", journal=journal, session="s", run_id="late")
    assert texts(result.messages) == ["Fast", "First", "Slow", "Second"]


class Pet(BaseModel):
    name: str


@pytest.mark.anyio
async def test_agents_and_extractions_inside_of_a_turn_are_no_turns(journal: Journal) -> None:
    @tool
    async def read() -> str:
        """Read."""
        return (await extract(Pet, "The cat is called Tom", model=model)).value.name

    steps = [
        Reply(calls=(Call("helper", {"prompt": "Help"}, id="h"), Call("read", id="r"))),
        *replies("Both done", "Next"),
    ]

    def brain(request: Any) -> Reply:
        first = request["messages"][-1]["content"]
        if "response_format" in request:
            return Reply(text='{"name":"Tom"}')
        return Reply(text="Helped") if first == "Help" else steps.pop(0)

    with Emulator(brain) as gateway:
        model = gateway.model()
        helper = Agent(gateway.model(), name="helper")
        agent = Agent(gateway.model(), tools=[helper.as_tool(), read])
        await agent.run("Go", journal=journal, session="s", run_id="r1")
        result = await agent.run("Next", journal=journal, session="s", run_id="r2")
    assert texts(result.messages) == ["Go", "", "Helped", "Tom", "Both done", "Next", "Next"]
    assert [row.run_id for row in await journal.session_runs("s")] == ["r1", "r2"]


@pytest.mark.anyio
async def test_the_storage_of_a_session_grows_with_what_is_said(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    sizes: list[int] = []
    with Emulator(lambda request: Reply(text="answer " * 200)) as gateway:
        agent = Agent(gateway.model())
        for _ in range(2):
            journal = SqliteJournal(path)
            for number in range(25):
                await agent.run(f"{number} " + "question " * 200, journal=journal, session="s")
            await journal.aclose()
            sizes.append(path.stat().st_size)
        requests = len(gateway.requests)
    assert requests == 50
    assert sizes[1] < 2.2 * sizes[0]
