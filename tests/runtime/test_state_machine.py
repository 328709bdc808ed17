"""Runs that are started, stopped anywhere, paused and resumed: histories stay valid, and no finished call runs again.

A state machine draws what the model says, what the gateway fails with, the limits, the way in which histories are
shortened, when the run is left or cancelled and what is decided about its pending calls. `AGENTKIT_STATE_MACHINE=200`
takes as many machines as it says, and others each time.
"""

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule, run_state_machine_as_test
from pydantic import BaseModel

from agentkit import (
    Agent,
    AgentkitError,
    Allow,
    Answer,
    Approve,
    BadRequest,
    ContentFiltered,
    ContextOverflow,
    Deny,
    EmptyResponse,
    GatewayError,
    InvalidOutput,
    MalformedResponse,
    ModelSettings,
    NeedApproval,
    Refused,
    RetryPolicy,
    RunContext,
    RunEnded,
    RunLimits,
    RunPaused,
    ToolDeferred,
    ToolRetry,
    Truncated,
    tool,
)
from agentkit.emulator import Call, Emulator, Raw, Reply
from agentkit.journal import MemoryJournal
from agentkit.messages import AssistantMessage, History, ToolCall, ToolMessage, UserMessage, violations
from agentkit.models import Profile
from agentkit.providers import ChatCompletionsModel
from agentkit.runtime import Chain, Decision, DropOldest, PendingCall, RunStream, ShortenResults, ToolStarted
from agentkit.runtime.state import RunState, folded

EXAMPLES = os.environ.get("AGENTKIT_STATE_MACHINE")
DEFAULT = '{"city":"Oslo"}'  # what the model says when its script is through: an answer of either kind
LONG = " and so on" * 40


class Report(BaseModel):
    city: str


@dataclass
class Stop:
    """Where a run is stopped: at the k-th point, by leaving its block (at an event only) or by a cancellation."""

    how: str
    points: int


class Bodies:
    """What the tools have done, by the key of their call, and the points at which a run is stopped."""

    def __init__(self) -> None:
        self.began: Counter[str] = Counter()
        self.finished: Counter[str] = Counter()
        self.told: dict[str, str] = {}
        self._scope: anyio.CancelScope | None = None
        self._stop: Stop | None = None
        self._passed = 0
        self._released: dict[str, anyio.Event] = {}

    def again(self, stop: Stop | None) -> anyio.CancelScope:
        """The scope of the next drive."""
        self._stop, self._passed, self._released = stop, 0, {}
        self._scope = anyio.CancelScope()
        return self._scope

    def point(self) -> bool:
        """Count a point; True where the block is to be left."""
        self._passed += 1
        if self._stop is None or self._passed < self._stop.points:
            return False
        if self._stop.how == "cancel" and self._scope is not None:
            self._scope.cancel()
        return self._stop.how == "leave"

    def release(self, call_id: str) -> anyio.Event:
        """What a slow tool waits for."""
        return self._released.setdefault(call_id, anyio.Event())

    def begin(self, ctx: RunContext["Bodies"]) -> None:
        self.began[ctx.idempotency_key] += 1

    def finish(self, ctx: RunContext["Bodies"], text: str | None = None) -> str:
        """The last that a body does: what the model is told of it."""
        key = ctx.idempotency_key
        self.finished[key] += 1
        self.told[key] = text or f"{ctx.tool_name} of {key}"
        return self.told[key] + LONG


@tool(effect="read")
async def look(ctx: RunContext[Bodies], n: int) -> str:
    """Look."""
    return await _slowly(ctx)


@tool(effect="write")
async def save(ctx: RunContext[Bodies], n: int) -> str:
    """Save."""
    return await _slowly(ctx)


@tool(sequential=True)
async def alone(ctx: RunContext[Bodies], n: int) -> str:
    """Alone."""
    return await _slowly(ctx)


@tool(effect="external")
async def send(ctx: RunContext[Bodies], n: int) -> str:
    """Send; the policy lets 0 through, asks for 1 and forbids 2."""
    return await _slowly(ctx)


@tool(effect="write", approval=True)
async def pay(ctx: RunContext[Bodies], n: int) -> str:
    """Pay, once somebody has said so."""
    return await _slowly(ctx)


@tool(effect="write")
def block(ctx: RunContext[Bodies], n: int) -> str:
    """Block a thread."""
    ctx.deps.begin(ctx)
    return ctx.deps.finish(ctx)


@tool
async def slow(ctx: RunContext[Bodies], n: int) -> str:
    """Wait until somebody has seen that it has begun."""
    ctx.deps.begin(ctx)
    await ctx.deps.release(ctx.call_id).wait()
    return ctx.deps.finish(ctx)


@tool(timeout=0.002)
async def hang(ctx: RunContext[Bodies], n: int) -> str:
    """Never end."""
    ctx.deps.begin(ctx)
    await anyio.sleep_forever()
    return ctx.deps.finish(ctx)


@tool
async def again(ctx: RunContext[Bodies], n: int) -> str:
    """Ask for another try."""
    ctx.deps.begin(ctx)
    raise ToolRetry(ctx.deps.finish(ctx))


@tool
async def fail(ctx: RunContext[Bodies], n: int) -> str:
    """Fail."""
    ctx.deps.begin(ctx)
    raise ValueError(ctx.deps.finish(ctx, "fail failed with an internal error."))


@tool(on_error="raise")
async def burst(ctx: RunContext[Bodies], n: int) -> str:
    """Fail, and end the run."""
    ctx.deps.begin(ctx)
    raise ValueError(ctx.deps.finish(ctx, "burst failed with an internal error."))


@tool
async def later(ctx: RunContext[Bodies], n: int) -> str:
    """Have a result that comes from outside."""
    raise ToolDeferred("it is on its way")


TOOLS = [look, save, alone, send, pay, block, slow, hang, again, fail, burst, later]
NAMES = [each.name for each in TOOLS]


async def _slowly(ctx: RunContext[Bodies]) -> str:
    ctx.deps.begin(ctx)
    for _ in range(2):
        ctx.deps.point()
        await anyio.lowlevel.checkpoint()
    return ctx.deps.finish(ctx)


def policy(call: ToolCall, ctx: RunContext[Any], trust: str) -> Allow | Deny | NeedApproval:
    """What may be sent depends on what it is."""
    if call.name != "send" or call.arguments is None:
        return Allow()
    return (Allow(), NeedApproval("it is a 1"), Deny("not this one"))[call.arguments["n"] % 3]


def _refused(status: int, message: str, code: str) -> Raw:
    error = {"message": message, "type": code, "param": None, "code": code}
    return Raw((json.dumps({"error": error}).encode(),), status=status)


def _chunk(delta: Mapping[str, Any]) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


HALF = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "save", "arguments": '{"n": 3'}}
CUT = Raw(
    (_chunk({"role": "assistant", "content": "It"}), _chunk({"tool_calls": [HALF]})),
    headers={"content-type": "text/event-stream"},
    close=True,
)
FAULTS = st.sampled_from(
    [
        _refused(429, "slow down", "rate_limit_exceeded"),
        _refused(500, "it broke", "server_error"),
        _refused(400, "This model's maximum context length is 900 tokens.", "context_length_exceeded"),
        CUT,
    ]
)
OFTEN = ("look", "look", "save", "pay", "pay", "later", "send")
GOOD = st.builds(lambda name, n: Call(name, {"n": n}), st.sampled_from([*NAMES, *OFTEN]), st.integers(0, 2))
CALLS = st.one_of(
    GOOD,
    GOOD,
    st.builds(lambda call, given: replace(call, id=given), GOOD, st.sampled_from(["call_1", "call_2", "call_3"])),
    st.sampled_from([Call("look", '{"n": '), Call("save", {"n": "one"}), Call("send", {}), Call("unknown", {"a": 1})]),
    st.sampled_from([Call("final_output", {"city": "Oslo"}), Call("final_output", {"town": 1})]),
)
BATCHES = st.lists(CALLS, min_size=1, max_size=4, unique_by=lambda call: call.id or id(call)).map(tuple)
ENDS = st.sampled_from(
    [
        Reply(text=""),
        Reply(text="cold"),
        Reply(text=DEFAULT),
        Reply(text='{"city":'),
        Reply(refusal="no"),
        Reply(text="It is", finish_reason="length"),
        Reply(text="It is", finish_reason="content_filter"),
        Reply(text="It is", finish_reason="odd"),
    ]
)
WORK = BATCHES.map(lambda calls: Reply(calls=calls))
SCRIPTS = st.lists(
    st.one_of(
        *[WORK] * 8,  # mostly calls, so that runs get somewhere
        st.builds(lambda calls: Reply(text="So:", calls=calls), BATCHES),
        st.builds(lambda calls: Reply(calls=calls, finish_reason="length"), BATCHES),
        FAULTS,
        ENDS,
    ),
    min_size=1,
    max_size=6,
)
STOPS = st.one_of(
    st.none(),
    st.none(),
    *[st.builds(Stop, st.sampled_from(["leave", "cancel"]), st.integers(1, most)) for most in (8, 20, 40)],
)
LIMITS = st.builds(
    RunLimits,
    turns=st.sampled_from([2, 50, 50]),
    requests=st.sampled_from([3, 100, 100]),
    tool_calls=st.sampled_from([0, 3, 200, 200]),
    corrections=st.integers(0, 3),
    tokens=st.sampled_from([5_000, 2_000_000, 2_000_000]),
    on_limit=st.sampled_from(["raise", "answer"]),
)
NO_LIMITS = RunLimits(turns=None, requests=None, tool_calls=None, corrections=None, tokens=None)
OPTIONS = st.fixed_dictionaries(
    {
        "output": st.sampled_from([None, None, Report]),
        "output_mode": st.sampled_from(["json_schema", "tool", "prompt"]),
        "tool_choice": st.sampled_from(["auto", "auto", "auto", "auto", "required", "none", "look"]),
        "parallel_tools": st.sampled_from([1, 2, 100]),
        "compaction": st.sampled_from(
            [None, DropOldest(), ShortenResults(40, 0), Chain(ShortenResults(40, 1), DropOldest(0))]
        ),
    }
)
DECISIONS = st.lists(st.sampled_from(["approve", "deny", "answer", "wait"]), min_size=4, max_size=4)


class Stage:
    """A gateway whose script is set anew for each step."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._script: list[Reply | Raw] = []

    def set(self, script: Sequence[Reply | Raw]) -> None:
        with self._lock:
            self._script = list(script)

    def __call__(self, request: Mapping[str, Any]) -> Reply | Raw:
        with self._lock:
            return self._script.pop(0) if self._script else Reply(text=DEFAULT)


@dataclass
class Played:
    """A run, as far as it has come."""

    run_id: str
    agent: Agent[Bodies, Any]
    journaled: bool
    shortened: bool
    history: History = field(default_factory=History)
    ended: AgentkitError | None = None
    output: Any = None
    finished: bool = False
    paused: RunPaused | None = None


class Runs(RuleBasedStateMachine):
    """Any number of runs, started, stopped and resumed in any order."""

    runs = Bundle("runs")

    def __init__(self, gateway: Emulator, stage: Stage, backend: str) -> None:
        super().__init__()
        self._gateway, self._stage, self._backend = gateway, stage, backend
        self._journal = MemoryJournal()
        self._bodies = Bodies()
        self._all: list[Played] = []

    @rule(
        target=runs,
        script=SCRIPTS,
        options=OPTIONS,
        limits=LIMITS,
        stop=STOPS,
        retries=st.integers(0, 2),
        journaled=st.sampled_from([True, True, False]),
    )
    def start(
        self,
        script: list[Reply | Raw],
        options: dict[str, Any],
        limits: RunLimits,
        stop: Stop | None,
        retries: int,
        journaled: bool,
    ) -> Played:
        agent: Agent[Bodies, Any] = Agent(
            self._model(retries),
            tools=TOOLS,
            deps_type=Bodies,
            limits=limits,
            policy=policy,
            settings=ModelSettings(max_tokens=100),
            **options,
        )
        shortened = options["compaction"] is not None
        played = Played(f"run-{len(self._all)}", agent, journaled, shortened)
        self._all.append(played)
        kept: Any = {"journal": self._journal} if journaled else {}
        self._drive(played, script, stop, lambda: agent.stream("Go", deps=self._bodies, run_id=played.run_id, **kept))
        return played

    @rule(run=runs, script=SCRIPTS, limits=LIMITS, stop=STOPS, say=DECISIONS)
    def resume(
        self, run: Played, script: list[Reply | Raw], limits: RunLimits, stop: Stop | None, say: list[str]
    ) -> None:
        if run.journaled or run.paused is not None:
            self._resume(run, script, stop, limits, say)

    @rule(run=runs, script=SCRIPTS, stop=STOPS)
    def go_on_from_what_it_left(self, run: Played, script: list[Reply | Raw], stop: Stop | None) -> None:
        other = Played(f"run-{len(self._all)}", run.agent, journaled=False, shortened=run.shortened)
        self._all.append(other)
        self._drive(
            other,
            script,
            stop,
            lambda: run.agent.stream("Go on", deps=self._bodies, run_id=other.run_id, history=run.history),
        )

    def teardown(self) -> None:
        """What is unfinished comes to its end."""
        for run in self._all:
            for _ in range(4):
                if not run.finished and (run.journaled or run.paused is not None):
                    self._resume(run, [], None, NO_LIMITS, ["approve", "answer"])
            if run.journaled and not run.finished:
                ends = (Refused, Truncated, ContentFiltered, MalformedResponse, EmptyResponse, InvalidOutput)
                assert isinstance(run.ended, ends), (run.run_id, run.ended)
        super().teardown()

    def _model(self, retries: int) -> ChatCompletionsModel:
        profile = Profile(gateway="openai", context=1600, max_output=100)
        policy = RetryPolicy(retries=retries, waits=(0.001,), after_output=True)
        return self._gateway.model(surface="chat", retry=policy, profile=profile)

    def _resume(
        self, run: Played, script: list[Reply | Raw], stop: Stop | None, limits: RunLimits, say: Sequence[str]
    ) -> None:
        pending: Sequence[PendingCall] = () if run.paused is None else run.paused.pending
        given: Any = run.run_id if run.journaled or run.paused is None else run.paused.state
        kept: Any = {"journal": self._journal} if run.journaled else {}
        if run.journaled:
            pending = self._kept(run).pending
        decisions = [
            decision
            for place, call in enumerate(pending)
            if (decision := _decided(call, say[place % len(say)])) is not None
        ]
        self._drive(
            run,
            script,
            stop,
            lambda: run.agent.resume_stream(given, deps=self._bodies, decisions=decisions, limits=limits, **kept),
        )

    def _kept(self, run: Played) -> RunState:
        """What the journal has of a run."""

        async def load() -> RunState:
            _, records = await self._journal.load(run.run_id)
            return folded((record.kind, json.loads(record.data)) for record in records)

        return anyio.run(load)

    def _drive(
        self, run: Played, script: list[Reply | Raw], stop: Stop | None, stream: Callable[[], RunStream[Any]]
    ) -> None:
        self._stage.set(script)
        was = run.output if run.finished else None
        anyio.run(self._driven, run, stop, stream, backend=self._backend)
        if was is not None:
            assert run.output == was, "a finished run gives its recorded result"
        self._check(run)

    async def _driven(self, run: Played, stop: Stop | None, make: Callable[[], RunStream[Any]]) -> None:
        run.ended = run.paused = None
        bodies = self._bodies
        with anyio.fail_after(20), bodies.again(stop):
            stream = make()
            try:
                async with stream:
                    async for event in stream:
                        if isinstance(event, ToolStarted):
                            bodies.release(event.call.id).set()
                        if bodies.point():
                            break
                    else:
                        run.output, run.finished = stream.result.output, True
            except RunPaused as paused:
                run.ended = run.paused = paused
            except ContextOverflow as error:
                run.ended = error
            except BadRequest:
                raise  # the strict gateway refused what was sent
            except (RunEnded, GatewayError) as error:
                run.ended = error
            finally:
                run.history = stream.partial

    def _check(self, run: Played) -> None:
        """After each step: the history is valid, what has finished is in it, and nothing ran a second time."""
        assert violations(run.history) == ()
        if run.paused is not None:
            assert violations(run.paused.history) == ()
        answers = {message.call_id: message for message in run.history if isinstance(message, ToolMessage)}
        waiting: dict[str, ToolMessage] = {}
        if run.journaled:
            state = self._kept(run)
            open_calls = isinstance(state.history[-1], AssistantMessage) and state.open_calls
            assert violations(state.history[:-1] if open_calls else state.history) == ()
            waiting = {message.call_id: message for message in state.answers.values()}
        elif run.paused is not None:
            state = RunState.from_json(run.paused.state)
            waiting = {message.call_id: message for message in state.answers.values()}
        for key, text in self._bodies.told.items():
            run_id, call_id = key.split("/")
            if run_id == run.run_id:
                self._check_told(run, call_id, text, {**waiting, **answers}.get(call_id))
        bodies = self._bodies
        assert [key for key, times in bodies.finished.items() if times > 1] == []
        assert [key for key, times in bodies.began.items() if times > 1 and not _reads(key, bodies)] == []

    def _check_told(self, run: Played, call_id: str, text: str, message: ToolMessage | None) -> None:
        if message is None:
            assert run.shortened, f"the result of {run.run_id}/{call_id} is lost"
        elif message.name != "block" or not message.is_error:  # a thread may end after its call was given up
            assert message.text.startswith(text[:20]), (run.run_id, call_id, message)


def _reads(key: str, bodies: Bodies) -> bool:
    return bodies.told.get(key, "look").startswith("look")


def _decided(call: PendingCall, say: str) -> Decision | None:
    match say:
        case "wait":
            return None
        case "deny":
            return Deny(call.call_id, "no")
        case "answer":
            return Answer(call.call_id, "from outside")
        case _:
            return Answer(call.call_id, "came") if call.because == "deferred" else Approve(call.call_id, call.hash)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_whatever_happens_a_run_stays_valid_to_send_and_repeats_nothing(backend: str) -> None:
    stage = Stage()
    with Emulator(stage, gateway="openai") as gateway:

        class Here(Runs):
            def __init__(self) -> None:
                super().__init__(gateway, stage, backend)

        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=int(EXAMPLES or 35),
                stateful_step_count=6,
                deadline=None,
                phases=[Phase.generate],
                derandomize=EXAMPLES is None,
                database=None,
                print_blob=False,
                suppress_health_check=[*HealthCheck],
            ),
        )


@pytest.mark.anyio
@pytest.mark.parametrize("finish_reason", [None, "length"])
async def test_an_answer_that_says_nothing_is_not_sent_back(finish_reason: str | None) -> None:
    script = [Reply(text="", finish_reason=finish_reason), Reply(text="went on")]
    with Emulator(script, gateway="openai") as gateway:
        agent = Agent(gateway.model())
        with pytest.raises((EmptyResponse, Truncated)) as caught:
            await agent.run("Go")

        assert caught.value.history == History([UserMessage("Go")])
        assert (await agent.run("Go on", history=caught.value.history)).output == "went on"


@pytest.mark.anyio
async def test_an_answer_that_says_nothing_in_place_of_a_call_is_not_sent_back() -> None:
    script = [Reply(text=""), Reply(text="It is cold.")]
    with Emulator(script, gateway="openai") as gateway:
        result = await Agent(gateway.model(), tools=[_nothing], tool_choice="required").run("Go")

    reminder = UserMessage("Call one of the tools before you answer.", trust="system")
    assert result.messages == History([UserMessage("Go"), reminder, AssistantMessage("It is cold.")])


@tool
async def _nothing() -> None:
    """Do nothing."""
