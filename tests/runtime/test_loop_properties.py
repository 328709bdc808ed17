"""Whatever the model says, the loop ends, and leaves a history that can be sent."""

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from agentkit import Agent, AgentkitError, BadRequest, History, ModelSettings, RetryPolicy, RunLimits, ToolRetry, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.messages import AssistantMessage, ToolMessage
from agentkit.runtime import RunStream


class Report(BaseModel):
    city: str


@tool(effect="read")
async def look(city: str) -> str:
    """Look."""
    await anyio.lowlevel.checkpoint()
    return city


@tool(effect="write", sequential=True)
def save(n: int) -> int:
    """Save."""
    return n


@tool
async def fail() -> None:
    """Fail."""
    raise ValueError("no")


@tool(on_error="raise")
async def burst() -> None:
    """Fail, and end the run."""
    raise ValueError("no")


@tool
async def again() -> None:
    """Ask for another try."""
    raise ToolRetry("again")


CALLS = st.sampled_from(
    [
        Call("look", {"city": "Oslo"}),
        Call("look", {"city": "Rome"}, id="call_1"),
        Call("look", {"town": "Rome"}),
        Call("look", '{"city": '),
        Call("save", {"n": 1}),
        Call("save", {"n": "one"}, id="call_2"),
        Call("fail"),
        Call("burst"),
        Call("again"),
        Call("unknown", {"a": [1, None]}),
        Call("final_output", {"city": "Oslo"}),
        Call("final_output", {"town": "Oslo"}),
        Call("final_output", "nonsense"),
    ]
)
TEXTS = st.sampled_from(["", "cold", "{}", '{"city":"Oslo"}', '```json\n{"city":"Oslo",}\n```', '{"city":'])
BATCHES = st.lists(CALLS, min_size=1, max_size=5, unique_by=lambda call: call.id or id(object()))
REPLIES = st.one_of(
    BATCHES.map(lambda calls: Reply(calls=tuple(calls))),
    st.builds(lambda text, calls: Reply(text=text, calls=tuple(calls)), TEXTS, BATCHES),
    TEXTS.map(lambda text: Reply(text=text)),
    st.just(Reply(refusal="no")),
    st.builds(lambda calls: Reply(calls=tuple(calls), finish_reason="length"), BATCHES),
    st.just(Reply(text="It is", finish_reason="content_filter")),
    st.just(Reply(text="It is", finish_reason="odd")),
)
# Mostly calls, so that runs get somewhere.
SCRIPTS = st.lists(st.one_of(BATCHES.map(lambda calls: Reply(calls=tuple(calls))), REPLIES), max_size=8)
LIMITS = st.builds(
    RunLimits,
    turns=st.sampled_from([1, 3, 50]),
    requests=st.sampled_from([1, 4, 100]),
    tool_calls=st.sampled_from([0, 3, 200]),
    corrections=st.integers(0, 3),
    tokens=st.sampled_from([600, 5_000, 2_000_000]),
)
OPTIONS = st.fixed_dictionaries(
    {
        "output": st.sampled_from([None, Report]),
        "output_mode": st.sampled_from(["json_schema", "json_object", "tool", "prompt"]),
        "tool_choice": st.sampled_from(["auto", "required", "none", "look"]),
        "parallel_tools": st.sampled_from([1, 2, 100]),
        "limits": LIMITS,
    }
)


class Stage:
    """A gateway whose script is set anew for each example; once it is through, the answer is a plain text."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._script: list[Reply] = []

    def set(self, script: Sequence[Reply]) -> None:
        with self._lock:
            self._script = list(script)

    def __call__(self, request: Mapping[str, Any]) -> Reply:
        with self._lock:
            return self._script.pop(0) if self._script else Reply(text="went on")


def assert_answered(history: History) -> None:
    """Each call is answered exactly once, in order, before anything else comes."""
    wanted: list[str] = []
    for message in history:
        if isinstance(message, ToolMessage):
            assert message.call_id == wanted.pop(0)
            continue
        assert wanted == []
        wanted = [call.id for call in message.tool_calls] if isinstance(message, AssistantMessage) else []
    assert wanted == []


async def take(run: RunStream[Any], events: int | None) -> None:
    """Watch a run to its end, or leave it after some events."""
    async with run:
        taken = 0
        async for _ in run:
            taken += 1
            if taken == events:
                return


async def play(
    gateway: Emulator, stage: Stage, script: Sequence[Reply], options: dict[str, Any], events: int | None
) -> None:
    stage.set(script)
    model = gateway.model(retry=RetryPolicy(retries=0))
    sampling = ModelSettings(max_tokens=500)
    run = Agent(model, tools=[look, save, fail, burst, again], settings=sampling, **options).stream("Go")
    with anyio.fail_after(20):
        try:
            await take(run, events)
        except BadRequest:
            raise  # the strict gateway refused what was sent
        except AgentkitError:
            pass
        assert_answered(run.partial)
        stage.set([])
        assert (await Agent(model).run("Go on", history=run.partial)).output == "went on"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_any_script_ends_and_leaves_a_history_that_the_strict_gateway_takes(backend: str) -> None:
    stage = Stage()
    with Emulator(stage) as gateway:

        @settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
        @given(script=SCRIPTS, options=OPTIONS, events=st.one_of(st.none(), st.none(), st.integers(1, 30)))
        def check(script: list[Reply], options: dict[str, Any], events: int | None) -> None:
            anyio.run(partial(play, gateway, stage, script, options, events), backend=backend)

        check()
