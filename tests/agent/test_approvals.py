"""Calls that wait for somebody: what a paused run shows, and what each decision about it does."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import (
    Agent,
    Allow,
    Answer,
    Approve,
    ConfigurationError,
    Deny,
    NeedApproval,
    RunConflict,
    RunContext,
    RunLimits,
    RunPaused,
    RunResult,
    Tool,
    tool,
)
from agentkit.emulator import Call, Emulator, Reply
from agentkit.events import RunFinished, RunSuspended, ToolFinished, ToolHeld, ToolStarted
from agentkit.journal import MemoryJournal, SqliteJournal
from agentkit.messages import AssistantMessage, ToolCall, ToolMessage, Trust, UserMessage
from agentkit.runtime import Decision, PendingCall, Verdict
from agentkit.runtime.approval import call_hash

USED = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


@dataclass(slots=True)
class Desk:
    """Tools that note what was really done."""

    done: list[str] = field(default_factory=list[str])

    def pay(self) -> Tool[..., Any]:
        @tool(effect="external", approval=True)
        async def pay(to: str, amount: int) -> str:
            """Pay."""
            self.done.append(f"{to} {amount}")
            return f"paid {amount} to {to}"

        return pay

    def look(self) -> Tool[..., Any]:
        @tool(effect="read")
        def look(at: str) -> str:
            """Look."""
            self.done.append(f"looked at {at}")
            return f"{at}: fine"

        return look

    def write(self) -> Tool[..., Any]:
        @tool(effect="write")
        async def write(text: str) -> str:
            """Write."""
            self.done.append(f"wrote {text}")
            return "written"

        return write


def pay(to: str, amount: int = 5, call_id: str | None = None) -> Call:
    return Call("pay", {"to": to, "amount": amount}, id=call_id or f"pay-{to}")


def pending(call_id: str, to: str, amount: int = 5, path: tuple[str, ...] = ()) -> PendingCall:
    arguments = {"to": to, "amount": amount}
    reason = "each call of this tool is to be approved"
    return PendingCall(call_id, "pay", arguments, call_hash("pay", arguments), "approval", reason, path)


def answers(result: RunResult[Any]) -> list[str]:
    return [message.text for message in result.messages if isinstance(message, ToolMessage)]


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a paused run is kept: in its state, in a file with that as JSON, or in a journal."""

    way: str
    options: Mapping[str, Any]

    async def paused(self, agent: Agent[None, str], prompt: str = "Go") -> RunPaused:
        with pytest.raises(RunPaused) as caught:
            await agent.run(prompt, **({**self.options, "run_id": "r"} if self.options else {}))
        return caught.value

    async def resume(self, agent: Agent[None, str], paused: RunPaused, *decisions: Decision) -> RunResult[str]:
        given = paused.state
        if self.way == "JSON":
            given = json.loads(json.dumps(given))
        return await agent.resume("r" if self.options else given, decisions=decisions, **self.options)

    async def paused_again(self, agent: Agent[None, str], paused: RunPaused, *decisions: Decision) -> RunPaused:
        with pytest.raises(RunPaused) as caught:
            await self.resume(agent, paused, *decisions)
        return caught.value


@pytest.fixture(params=["state", "JSON", "memory", "file"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    match request.param:
        case "memory":
            return Kept("memory", {"journal": MemoryJournal()})
        case "file":
            return Kept("file", {"journal": SqliteJournal(tmp_path / "runs.db")})
        case way:
            return Kept(way, {})


@pytest.mark.anyio
async def test_a_paused_run_shows_its_calls_when_all_their_siblings_have_finished(kept: Kept) -> None:
    desk = Desk()
    calls = (pay("ann"), Call("look", {"at": "books"}), Call("write", {"text": "a"}), pay("bob", 7), Call("nothing"))
    steps = [Reply(calls=calls, usage=USED), Reply(text="Never mind", usage=USED)]
    with Emulator(steps) as gateway:
        agent = Agent(gateway.model(), tools=[desk.pay(), desk.look(), desk.write()])
        paused = await kept.paused(agent, "Pay them")
        assert sorted(desk.done) == ["looked at books", "wrote a"]
        assert paused.pending == (pending("pay-ann", "ann"), pending("pay-bob", "bob", 7))
        assert (paused.usage.requests, paused.usage.total_tokens) == (1, 120)
        assert json.loads(json.dumps(paused.state)) == paused.state
        after = await agent.run("Never mind", history=paused.history)
    assert after.output == "Never mind"
    assert [type(message) for message in after.messages] == [UserMessage, UserMessage, AssistantMessage]


@pytest.mark.anyio
async def test_a_stream_ends_with_the_suspended_run_and_its_result_is_the_pause() -> None:
    desk = Desk()
    with Emulator([Reply(calls=(pay("ann"), Call("look", {"at": "books"}, id="look")))]) as gateway:
        agent = Agent(gateway.model(), tools=[desk.pay(), desk.look()])
        async with agent.stream("Go") as run:
            events = [event async for event in run]
        with pytest.raises(RunPaused) as caught:
            _ = run.result
    last = events[-1]
    assert isinstance(last, RunSuspended)
    assert (last.paused, last.pending) == (caught.value, (pending("pay-ann", "ann"),))
    (held,) = [event for event in events if isinstance(event, ToolHeld)]
    assert (held.call.id, held.pending) == ("pay-ann", last.pending)
    assert [event.call.id for event in events if isinstance(event, ToolFinished)] == ["look"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("decision", "done", "answer"),
    [
        (Approve("pay-ann"), ["ann 5"], "paid 5 to ann"),
        (Approve("pay-ann", call_hash("pay", {"amount": 5, "to": "ann"})), ["ann 5"], "paid 5 to ann"),
        (Deny("pay-ann", "too much"), [], "Not run: too much"),
        (Deny("pay-ann"), [], "Not run: it was not approved"),
        (Answer("pay-ann", {"paid": True}), [], '{"paid":true}'),
    ],
    ids=["approve", "approve what was shown", "deny", "deny without a reason", "answer"],
)
async def test_a_decision_is_carried_out_once(kept: Kept, decision: Decision, done: list[str], answer: str) -> None:
    desk = Desk()
    steps = [Reply(calls=(pay("ann"), Call("look", {"at": "x"}))), Reply(text="Done")]
    with Emulator(steps) as gateway:
        agent = Agent(gateway.model(), tools=[desk.pay(), desk.look()])
        paused = await kept.paused(agent)
        result = await kept.resume(agent, paused, decision)
        assert desk.done == ["looked at x", *done]
        assert (result.output, answers(result)) == ("Done", [answer, "x: fine"])
        if kept.options:  # what has finished is not run again, whatever is decided now
            again = await kept.resume(agent, paused, Approve("pay-ann"))
            assert again == result
        assert len(gateway.requests) == 2
    assert desk.done == ["looked at x", *done]


@pytest.mark.anyio
async def test_calls_without_a_decision_go_on_waiting(kept: Kept) -> None:
    desk = Desk()
    with Emulator([Reply(calls=(pay("ann"), pay("bob"), pay("cid"))), Reply(text="Done")]) as gateway:
        agent = Agent(gateway.model(), tools=[desk.pay()])
        first = await kept.paused(agent)
        second = await kept.paused_again(agent, first, Approve("pay-bob"))
        assert second.pending == (pending("pay-ann", "ann"), pending("pay-cid", "cid"))
        assert desk.done == ["bob 5"]
        third = await kept.paused_again(agent, second)
        assert third.pending == second.pending
        with pytest.raises(ConfigurationError, match="no call 'pay-bob' is waiting"):
            await kept.resume(agent, third, Approve("pay-bob"))
        result = await kept.resume(agent, third, Approve("pay-cid"), Deny("pay-ann", "no"))
    assert desk.done == ["bob 5", "cid 5"]
    assert answers(result) == ["Not run: no", "paid 5 to bob", "paid 5 to cid"]
    assert result.tool_calls == 3


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("decisions", "said"),
    [
        ([Approve("pay-eve")], "no call 'pay-eve' is waiting for a decision; waiting are: pay-ann"),
        ([Approve("")], "no call '' is waiting"),
        ([Approve("pay-ann"), Deny("pay-ann", "no")], "two decisions for the call 'pay-ann'"),
        ([Approve("pay-ann", call_hash("pay", {"to": "ann", "amount": 6}))], "not the one that was approved"),
        ([Approve("pay-ann", "")], "not the one that was approved"),
        ([Approve("pay-ann/call_1")], "no call 'pay-ann/call_1'"),
    ],
    ids=["unknown", "empty", "two", "other arguments", "no hash", "inside"],
)
async def test_a_wrong_decision_is_refused_and_the_run_waits_as_before(
    kept: Kept, decisions: Sequence[Decision], said: str
) -> None:
    desk = Desk()
    with Emulator([Reply(calls=(pay("ann"),)), Reply(text="Done")]) as gateway:
        agent = Agent(gateway.model(), tools=[desk.pay()])
        paused = await kept.paused(agent)
        with pytest.raises(ConfigurationError, match=said):
            await kept.resume(agent, paused, *decisions)
        assert desk.done == []
        if kept.options:
            journal = kept.options["journal"]
            assert [row.status for row in await journal.runs()] == ["paused"]
        result = await kept.resume(agent, paused, Approve("pay-ann"))
    assert (result.output, desk.done) == ("Done", ["ann 5"])


def _nested_agents(gateway: Emulator, desk: Desk) -> Agent[None, str]:
    clerk = Agent(gateway.model(), name="clerk", tools=[desk.pay(), desk.look()])
    office = Agent(gateway.model(), name="office", tools=[clerk.as_tool(), desk.write()])
    return Agent(gateway.model(), tools=[office.as_tool(), desk.look()])


def _edited(value: Any, old: Any, new: Any) -> Any:
    """`value` with each `old` in it as `new`, inside of strings as well."""
    match value:
        case dict():
            return {key: _edited(each, old, new) for key, each in value.items()}
        case list():
            return [_edited(each, old, new) for each in value]
        case str():
            return value.replace(old, new)
        case _:
            return value


@pytest.mark.anyio
@pytest.mark.parametrize("call_id", ["call_1", "for-ann"], ids=["arguments", "arguments and id"])
@pytest.mark.parametrize("where", ["history", "held"])
@pytest.mark.parametrize("nested", [False, True], ids=["own", "nested"])
async def test_a_state_that_was_edited_is_refused(where: str, nested: bool, call_id: str) -> None:
    desk = Desk()
    down = [Reply(calls=(Call(name, {"prompt": "Go"}, id=name),)) for name in ("office", "clerk")]
    asked = Reply(calls=(pay("ann", call_id=call_id),))
    with Emulator([*down, asked] if nested else [asked]) as gateway:
        agent = _nested_agents(gateway, desk) if nested else Agent(gateway.model(), tools=[desk.pay()])
        with pytest.raises(RunPaused) as caught:
            await agent.run("Go")
        state = caught.value.state
        inner = state["children"]["office"]["children"]["clerk"] if nested else state
        inner[where] = _edited(inner[where], "ann", "eve")
        with pytest.raises(ConfigurationError, match="not the one that was shown"):
            await agent.resume(state, decisions=[Approve(caught.value.pending[0].call_id)])
        sent = len(gateway.requests)
    assert (desk.done, sent) == ([], 3 if nested else 1)


@pytest.mark.anyio
async def test_a_state_that_does_not_have_the_call_it_waits_for_is_refused() -> None:
    desk = Desk()
    with Emulator([Reply(calls=(pay("ann"),))]) as gateway:
        agent = Agent(gateway.model(), tools=[desk.pay()])
        with pytest.raises(RunPaused) as caught:
            await agent.run("Go")
        state = caught.value.state
        with pytest.raises(ConfigurationError, match="does not have"):
            await agent.resume({**state, "held": {"3": state["held"]["0"]}}, decisions=[Approve("pay-ann")])
        with pytest.raises(ConfigurationError, match="no state of a paused run"):
            await agent.resume({"history": []})
    assert desk.done == []


_CHILD = """
import asyncio, json, sys
from agentkit import Agent, Approve, tool
from agentkit.providers import ChatCompletionsModel

url, key, done, journal, state = sys.argv[1:]

@tool(effect="external", approval=True)
async def pay(to: str, amount: int) -> str:
    "Pay."
    with open(done, "a") as file:
        file.write(f"{to} {amount}\\n")
    return f"paid {amount} to {to}"

async def main():
    model = ChatCompletionsModel("gpt-5-4-mini-official", base_url=url, api_key=key)
    options = {"journal": journal} if journal else {}
    run = "r" if journal else json.load(open(state))
    result = await Agent(model, tools=[pay]).resume(run, decisions=[Approve("pay-ann")], **options)
    print(json.dumps([result.output, result.usage.total_tokens, result.tool_calls]))

asyncio.run(main())
"""


@pytest.mark.parametrize("way", ["journal", "state"])
def test_a_decision_may_come_in_another_process(way: str, tmp_path: Path) -> None:
    desk, done, state = Desk(), tmp_path / "done", tmp_path / "state.json"
    journal = tmp_path / "runs.db" if way == "journal" else None
    options: Any = {} if journal is None else {"journal": journal, "run_id": "r"}
    with Emulator([Reply(calls=(pay("ann"),), usage=USED), Reply(text="Done", usage=USED)]) as gateway:
        with pytest.raises(RunPaused) as caught:
            Agent(gateway.model(), tools=[desk.pay()]).run_sync("Go", **options)
        state.write_text(json.dumps(caught.value.state))
        child = subprocess.run(
            [sys.executable, "-c", _CHILD, gateway.url, gateway.key, str(done), str(journal or ""), str(state)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert child.stderr == ""
    assert json.loads(child.stdout) == ["Done", 240, 1]
    assert (done.read_text(), desk.done) == ("ann 5\n", [])


def test_scripts_resume_without_a_loop_of_their_own(tmp_path: Path) -> None:
    desk = Desk()
    with Emulator([Reply(calls=(pay("ann"),)), Reply(text="Done")]) as gateway:
        agent = Agent(gateway.model(), tools=[desk.pay()])
        with pytest.raises(RunPaused) as caught:
            agent.run_sync("Go")
        result = agent.resume_sync(caught.value.state, decisions=[Approve("pay-ann")])
    assert (result.output, desk.done) == ("Done", ["ann 5"])


@pytest.mark.anyio
async def test_a_resumed_run_can_be_watched(kept: Kept) -> None:
    desk = Desk()
    with Emulator([Reply(calls=(pay("ann"), Call("look", {"at": "x"}))), Reply(text="Done")]) as gateway:
        agent = Agent(gateway.model(), tools=[desk.pay(), desk.look()])
        paused = await kept.paused(agent)
        given = "r" if kept.options else paused.state
        async with agent.resume_stream(given, decisions=[Approve("pay-ann")], **kept.options) as run:
            events = [event async for event in run]
    tools = [(type(event), event.call.id) for event in events if isinstance(event, ToolStarted | ToolFinished)]
    assert tools == [(ToolStarted, "pay-ann"), (ToolFinished, "pay-ann")]
    assert events[-1] == RunFinished(run.result)
    assert run.result.output == "Done"


def _levels(request: Mapping[str, Any]) -> Reply:
    """Three agents that each do what is theirs: pay twice below, write in the middle, look above."""
    names = {each["function"]["name"] for each in request["tools"]}
    said = [message for message in request["messages"] if message["role"] == "tool"]
    if said:
        return Reply(text=" + ".join(message["content"] for message in said), usage=USED)
    if "office" in names:
        return Reply(calls=(Call("look", {"at": "top"}), Call("office", {"prompt": "Go"}, id="call_1")), usage=USED)
    if "clerk" in names:
        clerks = [Call("clerk", {"prompt": f"Pay {who}"}, id=f"for-{who}") for who in ("ann", "bob")]
        return Reply(calls=(*clerks, Call("write", {"text": "note"})), usage=USED)
    who = request["messages"][-1]["content"].removeprefix("Pay ")
    return Reply(calls=(Call("look", {"at": who}), pay(who, call_id="call_7")), usage=USED)


@pytest.mark.anyio
async def test_calls_of_nested_agents_are_decided_by_their_path(kept: Kept) -> None:
    desk, free = Desk(), Desk()
    with Emulator(_levels) as gateway:
        agent = _nested_agents(gateway, desk)
        first = await kept.paused(agent)
        paths = ("office", "clerk")
        for_ann = pending("call_1/for-ann/call_7", "ann", path=paths)
        for_bob = pending("call_1/for-bob/call_7", "bob", path=paths)
        assert first.pending == (for_ann, for_bob)
        assert sorted(desk.done) == ["looked at ann", "looked at bob", "looked at top", "wrote note"]
        second = await kept.paused_again(agent, first, Approve(for_bob.call_id, for_bob.hash))
        assert second.pending == (for_ann,)
        assert desk.done[4:] == ["bob 5"]
        result = await kept.resume(agent, second, Approve(for_ann.call_id))
        assert desk.done[4:] == ["bob 5", "ann 5"]

        unpaused = await _without_approvals(gateway, free).run("Go")
    assert sorted(free.done) == sorted(desk.done)
    assert result.messages == unpaused.messages
    assert result.usage == unpaused.usage
    assert (result.turns, result.tool_calls, result.cost) == (unpaused.turns, unpaused.tool_calls, unpaused.cost)


def _without_approvals(gateway: Emulator, desk: Desk) -> Agent[None, str]:
    @tool(effect="external", name="pay")
    async def free(to: str, amount: int) -> str:
        """Pay."""
        desk.done.append(f"{to} {amount}")
        return f"paid {amount} to {to}"

    clerk = Agent(gateway.model(), name="clerk", tools=[free, desk.look()])
    office = Agent(gateway.model(), name="office", tools=[clerk.as_tool(), desk.write()])
    return Agent(gateway.model(), tools=[office.as_tool(), desk.look()])


@pytest.mark.anyio
async def test_an_agent_that_was_let_through_is_not_asked_about_again_for_its_calls(kept: Kept) -> None:
    def policy(call: ToolCall, context: RunContext[Any], trust: Trust) -> Verdict:
        return NeedApproval("an agent") if call.name == "clerk" else Allow()

    desk = Desk()
    steps = [
        Reply(calls=(Call("clerk", {"prompt": "Pay"}, id="call_1"),)),
        Reply(calls=(pay("ann", call_id="call_7"),)),
        Reply(text="Paid"),
        Reply(text="Done"),
    ]
    with Emulator(steps) as gateway:
        clerk = Agent(gateway.model(), name="clerk", tools=[desk.pay()])
        agent = Agent(gateway.model(), tools=[clerk.as_tool()], policy=policy)
        first = await kept.paused(agent)
        assert [each.call_id for each in first.pending] == ["call_1"]
        second = await kept.paused_again(agent, first, Approve("call_1"))
        assert [each.call_id for each in second.pending] == ["call_1/call_7"]
        result = await kept.resume(agent, second, Approve("call_1/call_7"))
    assert (result.output, answers(result), desk.done) == ("Done", ["Paid"], ["ann 5"])


@pytest.mark.anyio
async def test_what_was_spent_and_counted_is_what_an_unpaused_run_has(kept: Kept) -> None:
    desk, free = Desk(), Desk()
    calls = (pay("ann"), Call("look", {"at": "x"}, id="l1"), pay("bob"))
    steps = [
        Reply(calls=(Call("look", {"at": "y"}, id="l0"),), usage=USED),
        Reply(calls=calls, usage=USED),
        Reply(text="Done", usage=USED),
    ]
    limits = RunLimits(tool_calls=4, turns=3, requests=3)
    with Emulator([*steps, *steps]) as gateway:
        agent = Agent(gateway.model(), tools=[desk.pay(), desk.look()], limits=limits)
        paused = await kept.paused(agent)
        again = await kept.paused_again(agent, paused, Approve("pay-bob"))
        result = await kept.resume(agent, again, Approve("pay-ann"))

        @tool(effect="external", name="pay")
        async def pay_freely(to: str, amount: int) -> str:
            """Pay."""
            return f"paid {amount} to {to}"

        open_agent = Agent(
            gateway.model(), tools=[pay_freely, free.look()], limits=limits, policy=lambda call, context, trust: Allow()
        )
        unpaused = await open_agent.run("Go")
    assert desk.done == ["looked at y", "looked at x", "bob 5", "ann 5"]
    assert (result.messages, result.usage, result.cost) == (unpaused.messages, unpaused.usage, unpaused.cost)
    assert (result.turns, result.tool_calls, result.warnings) == (3, 4, unpaused.warnings)


@pytest.mark.anyio
async def test_pausing_again_and_again_is_no_repetition_of_the_call(kept: Kept) -> None:
    desk = Desk()
    with Emulator([Reply(calls=(pay("ann"), pay("bob"))), Reply(text="Done")]) as gateway:
        agent = Agent(gateway.model(), tools=[desk.pay()], limits=RunLimits(tool_calls=2))
        paused = await kept.paused(agent)
        for _ in range(6):
            paused = await kept.paused_again(agent, paused)
        result = await kept.resume(agent, paused, Approve("pay-ann"), Approve("pay-bob"))
    assert (desk.done, answers(result)) == (["ann 5", "bob 5"], ["paid 5 to ann", "paid 5 to bob"])


@pytest.mark.anyio
@pytest.mark.parametrize("kept", ["memory", "file"], indirect=True)
async def test_of_two_who_approve_at_once_one_is_refused(kept: Kept) -> None:
    inside, go_on, done = anyio.Event(), anyio.Event(), list[str]()

    @tool(effect="external", approval=True)
    async def launch() -> str:
        """Launch."""
        inside.set()
        await go_on.wait()
        done.append("launched")
        return "launched"

    with Emulator([Reply(calls=(Call("launch", id="c"),)), Reply(text="Done")]) as gateway:
        agent = Agent(gateway.model(), tools=[launch])
        paused = await kept.paused(agent)
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(kept.resume, agent, paused, Approve("c"))
                await inside.wait()
                with pytest.raises(RunConflict):
                    await kept.resume(agent, paused, Approve("c"))
                go_on.set()
        result = await kept.resume(agent, paused, Approve("c"))
    assert (result.output, done) == ("Done", ["launched"])


@pytest.mark.anyio
async def test_an_approval_is_used_up_when_the_call_begins() -> None:
    """A copy of the journal, made in the body of the approved call, is what a crash there leaves behind."""
    journal, done = MemoryJournal(), list[str]()

    @tool(effect="external", approval=True)
    async def launch(ctx: RunContext[None]) -> str:
        """Launch."""
        row, _ = await journal.load(ctx.run_id)
        await journal.fork(ctx.run_id, f"{ctx.run_id}-copy", row.steps)
        done.append(ctx.run_id)
        return "launched"

    with Emulator([Reply(calls=(Call("launch", id="c"),)), *[Reply(text="Done")] * 2]) as gateway:
        agent = Agent(gateway.model(), tools=[launch])
        with pytest.raises(RunPaused):
            await agent.run("Go", journal=journal, run_id="r")
        await agent.resume("r", journal=journal, decisions=[Approve("c")])
        after = await agent.resume("r-copy", journal=journal)
    assert done == ["r"]
    assert answers(after) == ["The process ended while this call ran; whether it took effect is unknown."]


@pytest.mark.anyio
async def test_a_tool_that_runs_an_agent_of_its_own_cannot_pause_the_run_around_it() -> None:
    desk = Desk()
    with Emulator([Reply(calls=(Call("delegate"),)), Reply(calls=(pay("ann"),)), Reply(text="It failed")]) as gateway:
        inner = Agent(gateway.model(), tools=[desk.pay()])

        @tool
        async def delegate() -> str:
            """Delegate."""
            return (await inner.run("Pay")).output

        async with Agent(gateway.model(), tools=[delegate]).stream("Go") as run:
            (finished,) = [event async for event in run if isinstance(event, ToolFinished)]
    assert isinstance(finished.error, RunPaused)
    assert (answers(run.result), desk.done) == (["delegate failed with an internal error."], [])


@pytest.mark.anyio
async def test_the_state_of_a_run_in_a_journal_goes_on_there_or_not_at_all() -> None:
    desk, journal = Desk(), MemoryJournal()
    with Emulator([Reply(calls=(pay("ann"),)), Reply(text="Done")]) as gateway:
        agent = Agent(gateway.model(), tools=[desk.pay()])
        with pytest.raises(RunPaused) as caught:
            await agent.run("Go", journal=journal)
        state = caught.value.state
        with pytest.raises(ConfigurationError, match="is in a journal: give journal="):
            await agent.resume(state, decisions=[Approve("pay-ann")])
        result = await agent.resume(state, journal=journal, decisions=[Approve("pay-ann")])
        again = await agent.resume(result.run_id, journal=journal)
    assert (result.output, desk.done) == ("Done", ["ann 5"])
    assert again == result


def test_the_guide_runs_as_printed(tmp_path: Path) -> None:
    guide = Path(__file__).parents[2] / "docs" / "guides" / "approvals.md"
    code = "\n".join(re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL))
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.stderr == ""
    assert child.stdout.splitlines() == ["call_1 refund {'order': 'A-17', 'amount': 25} money", "Paid back."]
