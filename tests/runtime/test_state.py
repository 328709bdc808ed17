"""A run's state is JSON, and what its records add up to."""

import json
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit import Agent, ModelSettings, RunLimits, ToolRetry, tool
from agentkit.emulator import Call, Reply
from agentkit.errors import AgentkitError, ConfigurationError
from agentkit.events import OutputRejected, RunSuspended, TurnFinished
from agentkit.journal import MemoryJournal
from agentkit.messages import AssistantMessage, Message, TextPart, ToolCall, ToolMessage, UserMessage
from agentkit.models import AttemptStarting, ModelRequest, ModelResponse, Profile, ResponseCompleted
from agentkit.runtime.approval import PendingCall, call_hash
from agentkit.runtime.state import RunState, folded
from agentkit.usage import Usage

TRUST = st.sampled_from(["system", "user", "tool", "web"])
NAMES = st.text("abcxyz_", min_size=1, max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(NAMES, JSON, max_size=3)


@st.composite
def tool_calls(draw: st.DrawFn) -> ToolCall:
    arguments = draw(ARGUMENTS)
    return ToolCall(draw(NAMES), draw(NAMES), arguments, json.dumps(arguments))


ANSWERS = st.builds(
    ToolMessage,
    NAMES,
    NAMES,
    st.lists(st.builds(TextPart, st.text(), TRUST), min_size=1, max_size=2),
    is_error=st.booleans(),
)
MESSAGES: st.SearchStrategy[Message] = (
    st.builds(UserMessage, st.lists(st.builds(TextPart, st.text(), TRUST), min_size=1, max_size=2))
    | st.builds(AssistantMessage, st.lists(st.builds(TextPart, st.text()) | tool_calls(), min_size=1, max_size=3))
    | ANSWERS
)
PENDING = st.builds(
    lambda call_id, name, arguments, because, reason, path: PendingCall(
        call_id, name, arguments, call_hash(name, arguments), because, reason, tuple(path)
    ),
    NAMES,
    NAMES,
    ARGUMENTS,
    st.sampled_from(["approval", "deferred", "unknown"]),
    st.text(),
    st.lists(NAMES, max_size=2),
)
PLACES = st.integers(0, 9)
STATES = st.builds(
    RunState,
    history=st.lists(MESSAGES, max_size=4),
    earlier=PLACES,
    counters=st.dictionaries(NAMES, JSON, max_size=3),
    finish=st.none() | st.sampled_from(["stop", "tool_calls", "length"]),
    answers=st.dictionaries(PLACES, ANSWERS, max_size=3),
    started=st.sets(PLACES),
    held=st.dictionaries(PLACES, st.lists(PENDING, min_size=1, max_size=2).map(tuple), max_size=2),
    skipped=st.sets(PLACES),
    children=st.dictionaries(NAMES, JSON, max_size=2),
    whole=st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(STATES)
def test_a_state_survives_json(state: RunState) -> None:
    assert RunState.from_json(json.loads(json.dumps(state.to_json()))) == state


@settings(max_examples=150, deadline=None)
@given(STATES, st.data())
def test_a_damaged_state_is_refused_in_words(state: RunState, data: st.DataObject) -> None:
    value = json.loads(json.dumps(state.to_json()))
    name = data.draw(st.sampled_from(sorted(value)))
    if data.draw(st.booleans()):
        del value[name]
    else:
        value[name] = data.draw(JSON)
    try:
        RunState.from_json(value)
    except ConfigurationError as error:
        assert "state" in str(error)  # noqa: PT017  # a value that happens to fit is fine


class Played:
    """A model that says what it is told, one reply a turn."""

    name = "played"
    profile = Profile(gateway="toapis")

    def __init__(self, turns: list[Reply]) -> None:
        self._turns = turns

    async def events(self, request: ModelRequest, *, stream: bool) -> Any:
        yield AttemptStarting(1)
        done = sum(isinstance(message, AssistantMessage) for message in request.messages)
        reply = self._turns[done] if done < len(self._turns) else Reply(text="7")
        parts: list[Any] = [
            ToolCall(f"call_{done}_{place}", call.name, dict(call.arguments), json.dumps(call.arguments))  # type: ignore[arg-type]  # a mapping
            for place, call in enumerate(reply.calls)
        ]
        message = AssistantMessage([*parts, *([TextPart(reply.text, "system")] if reply.text else [])])
        finish = "tool_calls" if parts else "stop"
        yield ResponseCompleted(ModelResponse(message, finish, Usage(input_tokens=9, output_tokens=3, requests=1)))  # type: ignore[arg-type]  # a literal


def agent(turns: list[Reply]) -> Agent[None, int]:
    @tool(effect="read")
    async def look(n: int) -> int:
        """Look."""
        return n

    @tool
    def note(n: int) -> int:
        """Note."""
        return n

    @tool(effect="write")
    async def save(n: int) -> int:
        """Save."""
        return n

    @tool(retries=1)
    async def fail(n: int) -> int:
        """Fail."""
        raise ToolRetry("no") if n else ValueError("broken")

    @tool(approval=True)
    async def ask(n: int) -> int:
        """Ask."""
        return n

    helper = Agent(Played([Reply(calls=(Call("look", {"n": 1}),))]), tools=[look], name="helper")
    tools: list[Any] = [look, note, save, fail, ask, helper.as_tool()]
    return Agent(Played(turns), tools=tools, output=int, limits=RunLimits(tool_calls=9), settings=ModelSettings())


CALLS = st.builds(
    lambda name, n: Call(name, {"prompt": "help"} if name == "helper" else {"n": n}),
    st.sampled_from(["look", "note", "save", "fail", "helper", "nothing", "look", "save"]),
    st.sampled_from([0, 1, "two"]),
)
TURNS = st.lists(
    st.builds(lambda calls: Reply(calls=tuple(calls)), st.lists(CALLS, min_size=1, max_size=4))
    | st.just(Reply(text="no number")),
    max_size=5,
)


async def _compared(turns: list[Reply]) -> None:
    """Run, and after each turn compare the live state with what the records add up to."""
    journal = MemoryJournal()
    try:
        async with agent(turns).stream("Go", journal=journal, run_id="r") as stream:
            async for event in stream:
                live = stream._run.state()
                judged = isinstance(event, TurnFinished) and not isinstance(live.history[-1], AssistantMessage)
                if judged or isinstance(event, OutputRejected | RunSuspended):
                    _, records = await journal.load("r")
                    found = folded((record.kind, json.loads(record.data)) for record in records)
                    _same(found, live, in_turn=isinstance(event, RunSuspended))
    except AgentkitError:
        pass  # out of limits or corrections: an end as any other


def _same(found: RunState, live: RunState, *, in_turn: bool) -> None:
    if not isinstance(live.history[-1], AssistantMessage):  # then it is of no use
        found.finish = live.finish
    if in_turn:  # the guard counts the turn again, from where it was; a body that only reads is not written down
        found.counters["guard"] = live.counters["guard"]
        assert found.started <= live.started
        found.started = live.started
    assert found == live
    assert RunState.from_json(json.loads(json.dumps(live.to_json()))) == live


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(turns=TURNS)
def test_the_records_of_a_run_add_up_to_its_state(backend: str, turns: list[Reply]) -> None:
    anyio.run(_compared, turns, backend=backend)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(turns=TURNS, siblings=st.lists(CALLS.filter(lambda call: call.name != "helper"), max_size=3))
def test_the_records_of_a_paused_run_add_up_to_its_state(turns: list[Reply], siblings: list[Call]) -> None:
    held = Reply(calls=(*siblings, Call("ask", {"n": 1})))
    anyio.run(_compared, [*turns, held])
