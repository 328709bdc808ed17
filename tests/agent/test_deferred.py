"""Tools whose result comes later, from outside: the run pauses, and an answer is given when there is one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Answer, Approve, ConfigurationError, Deny, RunContext, RunPaused, Tool, ToolDeferred, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.journal import MemoryJournal, SqliteJournal
from agentkit.messages import TextPart, ToolMessage
from agentkit.runtime import PendingCall
from agentkit.runtime.approval import call_hash

pytestmark = pytest.mark.anyio

ASK = Reply(calls=(Call("survey", {"question": "Why?"}, id="s1"), Call("note", {"text": "asked"}, id="n1")))


class Office:
    """A survey that somebody answers days later, and a tool that has its effect at once."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def survey(self, *, sync: bool = False, **declared: Any) -> Tool[..., Any]:
        if sync:

            @tool(**declared)
            def survey(ctx: RunContext[None], question: str) -> str:
                """Ask people."""
                self.done.append(f"{ctx.idempotency_key}: {question}")
                raise ToolDeferred("answers come by mail")
        else:

            @tool(**declared)
            async def survey(ctx: RunContext[None], question: str) -> str:
                """Ask people."""
                self.done.append(f"{ctx.idempotency_key}: {question}")
                raise ToolDeferred("answers come by mail")

        return survey

    def note(self) -> Tool[..., Any]:
        @tool(effect="write")
        async def note(text: str) -> str:
            """Note it."""
            self.done.append(f"noted {text}")
            return "noted"

        return note


@pytest.fixture(params=["state", "memory", "file"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Mapping[str, Any]:
    """The options of a run: in a journal, or not."""
    match request.param:
        case "memory":
            return {"journal": MemoryJournal()}
        case "file":
            return {"journal": SqliteJournal(tmp_path / "runs.db")}
        case _:
            return {}


@pytest.mark.parametrize("sync", [False, True], ids=["async tool", "sync tool"])
@pytest.mark.parametrize("effect", [None, "read", "external"])
async def test_a_deferred_call_is_made_once_and_answered_from_outside(
    journal: Mapping[str, Any], sync: bool, effect: str | None
) -> None:
    office = Office()
    with Emulator([ASK, Reply(text="Because")]) as gateway:
        agent = Agent(gateway.model(), tools=[office.survey(sync=sync, effect=effect), office.note()])
        with pytest.raises(RunPaused) as caught:
            await agent.run("Ask them", run_id="r", **journal)
        arguments = {"question": "Why?"}
        shown = PendingCall(
            "s1", "survey", arguments, call_hash("survey", arguments), "deferred", "answers come by mail"
        )
        assert caught.value.pending == (shown,)
        assert sorted(office.done) == ["noted asked", "r/s1: Why?"]
        given = "r" if journal else json.loads(json.dumps(caught.value.state))
        with pytest.raises(RunPaused) as again:
            await agent.resume(given, **journal)
        assert again.value.pending == (shown,)
        result = await agent.resume(given, decisions=[Answer("s1", {"yes": 3, "no": 4})], **journal)
    assert sorted(office.done) == ["noted asked", "r/s1: Why?"]
    assert [message.text for message in result.messages if isinstance(message, ToolMessage)] == [
        '{"yes":3,"no":4}',
        "noted",
    ]
    assert (result.output, result.tool_calls) == ("Because", 2)


async def test_a_deferred_call_may_be_denied_but_not_approved(journal: Mapping[str, Any]) -> None:
    office = Office()
    with Emulator([ASK, Reply(text="Nobody knows")]) as gateway:
        agent = Agent(gateway.model(), tools=[office.survey(), office.note()])
        with pytest.raises(RunPaused) as caught:
            await agent.run("Ask them", run_id="r", **journal)
        given = "r" if journal else caught.value.state
        with pytest.raises(ConfigurationError, match="waits for its result: give it with Answer, or deny it"):
            await agent.resume(given, decisions=[Approve("s1")], **journal)
        result = await agent.resume(given, decisions=[Deny("s1", "nobody answered")], **journal)
    answers = [message for message in result.messages if isinstance(message, ToolMessage)]
    assert [(message.text, message.is_error) for message in answers] == [
        ("Not run: nobody answered", True),
        ("noted", False),
    ]
    assert len(office.done) == 2


async def test_an_answer_is_cut_and_trusted_as_the_tools_own_would_be() -> None:
    office = Office()
    with Emulator([ASK, Reply(text="Long")]) as gateway:
        agent = Agent(gateway.model(), tools=[office.survey(trust="web", max_result=10), office.note()])
        with pytest.raises(RunPaused) as caught:
            await agent.run("Ask them")
        result = await agent.resume(caught.value.state, decisions=[Answer("s1", "a" * 30)])
    answer = next(message for message in result.messages if isinstance(message, ToolMessage))
    assert answer.parts == (TextPart("aaaaaa\n[... 20 characters left out ...]\naaaa", "web"),)


async def test_a_deferred_call_of_a_nested_agent_is_answered_by_its_path(journal: Mapping[str, Any]) -> None:
    office = Office()
    steps = [
        Reply(calls=(Call("clerk", {"prompt": "Ask"}, id="call_1"),)),
        ASK,
        Reply(text="Three said yes"),
        Reply(text="Done"),
    ]
    with Emulator(steps) as gateway:
        clerk = Agent(gateway.model(), name="clerk", tools=[office.survey(), office.note()])
        agent = Agent(gateway.model(), tools=[clerk.as_tool()])
        with pytest.raises(RunPaused) as caught:
            await agent.run("Ask them", run_id="r", **journal)
        (pending,) = caught.value.pending
        assert (pending.call_id, pending.path, pending.because) == ("call_1/s1", ("clerk",), "deferred")
        given = "r" if journal else caught.value.state
        result = await agent.resume(given, decisions=[Answer("call_1/s1", 3)], **journal)
    assert sorted(office.done) == ["noted asked", "r/call_1/s1: Why?"]
    assert [message.text for message in result.messages if isinstance(message, ToolMessage)] == ["Three said yes"]


async def test_an_approved_call_may_turn_out_to_be_deferred(journal: Mapping[str, Any]) -> None:
    office = Office()
    with Emulator([ASK, Reply(text="Done")]) as gateway:
        agent = Agent(gateway.model(), tools=[office.survey(approval=True), office.note()])
        with pytest.raises(RunPaused) as first:
            await agent.run("Ask them", run_id="r", **journal)
        assert (first.value.pending[0].because, office.done) == ("approval", ["noted asked"])
        with pytest.raises(RunPaused) as second:
            await agent.resume("r" if journal else first.value.state, decisions=[Approve("s1")], **journal)
        assert second.value.pending[0].because == "deferred"
        result = await agent.resume("r" if journal else second.value.state, decisions=[Answer("s1", "yes")], **journal)
    assert (office.done, result.output, result.tool_calls) == (["noted asked", "r/s1: Why?"], "Done", 2)
