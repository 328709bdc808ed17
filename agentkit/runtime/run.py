"""One execution of an agent, with all the state that it has."""

import functools
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agentkit.context import RunContext
from agentkit.errors import ConfigurationError, LimitExceeded, RunEnded, RunPaused
from agentkit.messages import (
    AssistantMessage,
    AssistantPart,
    History,
    Message,
    ToolCall,
    ToolMessage,
    Trust,
    UserMessage,
)
from agentkit.models import Model, ModelResponse, ModelSettings, OutputMode, ToolDefinition
from agentkit.output import OUTPUT_TOOL, Declared, Plan, plan
from agentkit.runtime.approval import Decision, OnUnknown, PendingCall, Policy, lower, lowest_trust
from agentkit.runtime.guard import RepeatGuard
from agentkit.runtime.limits import Budget, LimitReached, RunLimits
from agentkit.runtime.result import RunResult
from agentkit.runtime.state import RunState, budget_counters, encoded, restore_budget
from agentkit.runtime.weight import message_tokens, weights
from agentkit.tokens import estimate
from agentkit.tools import DaemonThreads, Offered, Toolset
from agentkit.usage import Usage

if TYPE_CHECKING:
    from agentkit.runtime.compaction import Compaction
    from agentkit.runtime.ledger import Ledger

_LAST_TURN = (
    "A limit of this run is reached: no tool can be called any more. Give your final answer now, with what you have, "
    "and say what is missing."
)
_NOT_BEGUN = "Not run: the run was cancelled before it began."
UNKNOWN = "The process ended while this call ran; whether it took effect is unknown."
_GROWTH = 4  # how much larger the output limit is after an answer that it cut
_DEFAULT_OUTPUT = 4096  # tokens reserved when neither the settings nor the profile bound the output


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """What an agent hands to a run: configuration, no state."""

    model: Model
    name: str
    instructions: str | Callable[[RunContext[Any]], str] | None
    toolset: Toolset
    declared: Declared | None
    output_mode: OutputMode | None
    tool_choice: str
    limits: RunLimits
    settings: ModelSettings
    parallel_tools: int
    threads: DaemonThreads
    policy: Policy | None = None
    compaction: "Compaction | None" = None


class Run:
    """The state of one run; also the `Scope` that its tools and nested runs see."""

    def __init__(
        self,
        spec: RunSpec,
        *,
        deps: Any,
        history: History,
        prompt: Sequence[Message],
        run_id: str | None = None,
        parent: Any = None,
        ledger: "Ledger | None" = None,
    ) -> None:
        self.spec = spec
        self.ledger = ledger
        self.settings = spec.settings
        self.deps = deps
        self.run_id = run_id or uuid.uuid4().hex
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.budget = Budget(spec.limits, None if parent is None else parent.budget)
        self.earlier = len(history)
        self.history = history
        self.guard = RepeatGuard()
        self.retries = 0
        self.warnings: list[str] = []
        self.failures: dict[str, int] = {}  # consecutive corrections per tool
        self.choice_corrected = False
        self.first_turn = 1  # the one that the caller's tool_choice is for
        self.response: ModelResponse | None = None
        self.result: RunResult[Any] | None = None
        self.open_calls: tuple[ToolCall, ...] = ()
        self.answers: dict[int, ToolMessage] = {}
        self.begun: set[int] = set()  # calls whose body may have run, now or before a crash
        self.held: dict[int, tuple[PendingCall, ...]] = {}
        self.children: dict[str, Any] = {}  # states of paused nested runs, by the id of the call that runs them
        self.decisions: Mapping[str, Decision] = {}
        self.admitted: frozenset[str] = frozenset()  # calls whose nested run waits: they were let through already
        self.counted: set[int] = set()  # open calls that count for the limit of tool calls
        self.corrected: set[str] = set()  # tools whose open calls the model has to correct
        self.on_unknown: OnUnknown = "tell"
        self.changed = False  # whether it may go on with an agent that was changed since
        self.paused: RunPaused | None = None
        self.enter: Callable[[Run], Awaitable[None]] | None = None  # how it comes to its state, when that takes a wait
        self.resumed = False  # whether the open calls are those of a run that was paused or killed
        self.unjudged = False  # whether the history ends with an answer that nobody has looked at: after a resume
        self.spawn: Callable[..., object] = _no_spawn
        self.started = 0.0
        self.deadline: float | None = None
        self.plan = Plan(None)
        self._told: str | None = None
        self._reported: tuple[int, int] | None = None  # history length, and the tokens that the server counted for it
        self._definitions: tuple[ToolDefinition, ...] = ()
        self._fixed_tokens = 0
        self._used_ids: set[str] | None = None
        self._noted: set[int] = set()  # answers that are in the journal
        self._cut_off: set[int] = set()  # calls that were under way when the process of before ended
        self._failures_noted: dict[str, int] = {}
        self._trust: Trust = "system"
        self._trusted = 0  # messages that `_trust` counts
        if prompt:
            self.append(prompt, earlier=self.earlier, before=history)

    # Before the first request

    @property
    def in_turn(self) -> bool:
        """Whether the calls of the last answer were taken on already, before the run was paused or killed."""
        return bool(self.answers or self.begun or self.held)

    def begin(self, now: float) -> float:
        """Start the clock, and say when the run must have ended; both on the event loop's clock."""
        self.started = time.monotonic()
        seconds = self.spec.limits.seconds
        if seconds is None:
            return math.inf
        self.deadline = self.started + seconds
        return now + seconds

    def prepare(self) -> None:
        """Fix what does not change from turn to turn, so that prompt prefixes stay the same.

        Raises:
            ConfigurationError: a money limit without a known price, or an output mode that the model does not take.
        """
        spec = self.spec
        profile = spec.model.profile
        most = self.budget.cost_limit
        if most is not None and profile.price is None and not profile.reports_cost:
            raise ConfigurationError(
                f"limits.cost_usd={most:g} needs the price of {spec.model.name}, which is "
                "not known: give it with profile=Profile(price=Price(input=..., output=...)) in USD per million "
                "tokens, or leave cost_usd out"
            )
        self.plan = plan(spec.declared, profile, spec.output_mode, beside_tools=bool(spec.toolset.tools))
        if self.plan.tool is not None and any(tool.name == OUTPUT_TOOL for tool in spec.toolset.tools):
            raise ConfigurationError(
                f"a tool is called {OUTPUT_TOOL!r}, as is the one that takes the output: rename it"
            )
        told = spec.instructions
        self._told = told(self.context()) if callable(told) else told

    def replan(self) -> bool:
        """Ask for the output in the way that the model's profile names by now; False when that is the way in use."""
        if self.spec.output_mode is not None:
            return False
        planned = plan(self.spec.declared, self.spec.model.profile, beside_tools=bool(self.spec.toolset.tools))
        if planned == self.plan:
            return False
        self.plan, self._fixed_tokens, self._reported = planned, 0, None
        return True

    @property
    def instructions(self) -> str | None:
        """What is sent first: the agent's own instructions, and how to give the output where the model is told so."""
        return "\n\n".join(filter(None, (self._told, self.plan.instructions))) or None

    def context(self, call: ToolCall | None = None) -> RunContext[Any]:
        """The context of the run, or of one of its calls."""
        if call is None:
            return RunContext(self.deps, self)
        return RunContext(self.deps, self, call.name, call.id, self.failures.get(call.name, 0) + 1)

    # Each turn

    def begin_turn(self) -> None:
        """Count a turn.

        Raises:
            LimitExceeded: it would be one too many.
        """
        self.resumed = False
        try:
            self.budget.begin_turn()
        except LimitReached as reached:
            self.last_turn(reached)

    def last_turn(self, reached: LimitReached) -> None:
        """Make the next turn the last one, without tools.

        Raises:
            LimitExceeded: none was asked for, it has been, or it is of no use.
        """
        if not self.budget.begin_last(reached):
            raise self.limit(reached) from reached
        self.append([UserMessage(_LAST_TURN, trust="system")])
        self.warnings.append(f"limit {reached.limit}: {reached}; the output is the answer of one last turn")

    def offered(self) -> dict[str, Offered]:
        """The tools of this turn, by name."""
        context = self.context()
        return {
            entry.tool.name: entry
            for entry in self.spec.toolset.offered()
            if all(wanted(context, entry.tool) for wanted in entry.filters)
        }

    def definitions(self, offered: Mapping[str, Offered], choice: str | None) -> tuple[ToolDefinition, ...]:
        """What the model is told of them: the same tuple as long as nothing changes, which adapters encode once.

        In a turn in which some tool must be called, the tool that takes the output is not one of them.
        """
        current = tuple(entry.tool.definition for entry in offered.values())
        if self.plan.tool is not None and not (current and choice == "required"):
            current = (*current, self.plan.tool)
        if current != self._definitions:
            self._definitions = current
            self._fixed_tokens = 0
        return self._definitions

    def append(self, messages: Sequence[Message], **begin: Any) -> None:
        self.history = self.history.extended(messages)
        if self.ledger is not None:
            self._failures_noted = dict(self.failures)
            before = begin.pop("before", ())
            self.note("messages", drop=0, add=encoded([*before, *messages]), counters=self.counters(), **begin)

    def take(self, response: ModelResponse) -> None:
        """Record an answer: its message, its calls, which are open now, and what the server counted."""
        message = self._with_fresh_ids(response.message)
        self.response = response
        self._open(message.tool_calls)
        self.warnings.extend(response.warnings)
        self.append([message], finish=response.finish_reason)
        if response.usage.reported:
            self._reported = (len(self.history), response.usage.total_tokens)

    def replace(self, history: History) -> None:
        """Go on with another history that stands for the one there is."""
        new = {id(message) for message in self.history[self.earlier :]}
        trust, dropped = self.trust, len(self.history)
        self.history, self._reported = history, None
        self.earlier = next((i for i, message in enumerate(history) if id(message) in new), len(history))
        self._trust, self._trusted = trust, len(history)
        if self.ledger is not None:
            added = encoded(history)
            self.note("messages", drop=dropped, add=added, counters=self.counters(), earlier=self.earlier, whole=True)

    def begin_call(self, index: int, *, repeatable: bool) -> None:
        """Note that the body of a call is about to run."""
        self.begun.add(index)
        self.held.pop(index, None)
        if not repeatable:
            self.note("started", call=index)

    def answer(self, index: int, message: ToolMessage) -> None:
        """Record what became of an open call."""
        self.answers[index] = message
        self.held.pop(index, None)
        if self.ledger is not None:
            self._noted.add(index)
            skipped = {} if index in self.counted else {"skipped": True}
            self.note("answer", call=index, message=encoded([message])[0], **skipped, **self._learned())

    def close_calls(self, text: str = _NOT_BEGUN, *, concludes: bool = False) -> None:
        """Answer every open call, in call order, with what is known of it, or with `text` where nothing is.

        Where that `concludes` the run, the journal has it with the result: a run that is killed before looks at the
        same answer again. The calls of a run that has only been loaded, or can be kept no longer, stay open there.
        """
        if not self.open_calls:
            return
        answers = [
            self.answers.get(index)
            or ToolMessage(call.id, call.name, self._unanswered(index, text), is_error=True, trust="system")
            for index, call in enumerate(self.open_calls)
        ]
        rest = [index for index in range(len(answers)) if index not in self._noted]
        self.history = self.history.extended(answers)
        self._open(())
        if self.ledger is not None and not self.unjudged and self.ledger.stopped is None:
            note = self.ledger.note_last if concludes else self.ledger.note
            messages = encoded([answers[index] for index in rest])
            note("closed", rest=dict(zip(map(str, rest), messages, strict=True)), counters=self.counters())

    def _unanswered(self, index: int, text: str) -> str:
        """What is said of an open call that has no answer."""
        return UNKNOWN if index in self._cut_off else text

    def _learned(self) -> dict[str, Any]:
        """What the calls have changed in the counters since they were last noted, as JSON."""
        if not self.corrected and self.failures == self._failures_noted:
            return {}
        self._failures_noted = dict(self.failures)
        return {"failures": self._failures_noted, "corrected": sorted(self.corrected)}

    def _open(self, calls: tuple[ToolCall, ...]) -> None:
        self.open_calls, self.answers, self.begun, self.held, self._noted = calls, {}, set(), {}, set()
        self.counted, self.corrected, self._cut_off = set(), set(), set()

    # What a journal keeps

    def note(self, kind: str, **data: Any) -> None:
        """Write a line into the journal, if there is one."""
        if self.ledger is not None:
            self.ledger.note(kind, **data)

    async def saved(self) -> None:
        """Return when the journal has everything, if there is one.

        Raises:
            StorageError, RunConflict: see `Ledger.saved`.
        """
        if self.ledger is not None:
            await self.ledger.saved()

    def counters(self) -> dict[str, Any]:
        """All that a resumed run has to know besides its messages, as JSON."""
        return {
            "budget": budget_counters(self.budget),
            "guard": self.guard.state(),
            "failures": dict(self.failures),
            "corrected": sorted(self.corrected),
            "max_tokens": None if self.settings is self.spec.settings else self.settings.max_tokens,
            "retries": self.retries,
            "warnings": list(self.warnings),
            "choice_corrected": self.choice_corrected,
            "first_turn": self.first_turn,
            "trust": self.trust,
        }

    def state(self) -> RunState:
        """Where the run stands, with its open calls, which its counters do not count: `restore` does."""
        counters = self.counters()
        counters["budget"]["tool_calls"] -= len(self.counted)
        return RunState(
            history=list(self.history),
            earlier=self.earlier,
            counters=counters,
            finish=None if self.response is None else self.response.finish_reason,
            answers=dict(self.answers),
            started=set(self.begun),
            held=dict(self.held),
            skipped=set(self.answers) - self.counted,
            children=dict(self.children),
        )

    def rebase(self, before: History) -> None:
        """Put messages before those that there are: the turns of a session."""
        self.history, self.earlier = before.extended(self.history), len(before) + self.earlier
        self._trusted = 0

    def restore(self, state: RunState) -> None:
        """Stand where a run stood; nothing of it is noted again."""
        counters = state.counters
        self.history, self.earlier = History(state.history), state.earlier
        restore_budget(self.budget, counters["budget"])
        self.guard.restore(counters["guard"])
        self.failures, self.retries = dict(counters["failures"]), counters["retries"]
        self._failures_noted = dict(self.failures)
        if counters["max_tokens"] is not None:
            self.settings = replace(self.settings, max_tokens=counters["max_tokens"])
        self.warnings = list(counters["warnings"])
        self.choice_corrected, self.first_turn = counters["choice_corrected"], counters["first_turn"]
        self._trust, self._trusted = lower(self._trust, counters["trust"]), 0
        last = state.history[-1] if state.history else None
        if isinstance(last, AssistantMessage):
            self.unjudged = self.resumed = True
            self.response = ModelResponse(last, state.finish or "stop", Usage())
            self._open(state.open_calls)
            self.answers, self.held = dict(state.answers), dict(state.held)
            self.begun, self._noted = set(state.started), set(state.answers)
            self._cut_off = self.begun - set(self.answers) - set(self.held)
            self.corrected = set(counters["corrected"])
            self.children = dict(state.children)
            self.admitted = frozenset(
                call.id
                for index, call in enumerate(self.open_calls)
                if any(pending.call_id != call.id for pending in self.held.get(index, ()))
            )
            self.counted = {*self.begun, *self.answers, *self.held} - state.skipped
            self.budget.tool_calls += len(self.counted)

    # What the model has seen

    @property
    def trust(self) -> Trust:
        """The lowest trust of all that the model has seen, nested runs included."""
        unseen = self.history[self._trusted :]
        self._trust = lowest_trust(unseen, self._trust)
        self._trusted = len(self.history)
        return self._trust

    def lower_trust(self, trust: Trust) -> None:
        """Count what a nested run has seen."""
        self._trust = lower(self._trust, trust)

    def input_tokens(self) -> int:
        """Estimated tokens of the next request; what the server has counted already is taken from it."""
        if self._reported is not None:
            length, tokens = self._reported
            return tokens + sum(message_tokens(self.history, index) for index in range(length, len(self.history)))
        return self.fixed_tokens() + sum(weights(self.history))

    def fixed_tokens(self) -> int:
        """Estimated tokens of what goes with each request: the instructions and the tools."""
        if not self._fixed_tokens:
            self._fixed_tokens = _estimate_once(self.instructions or "") + sum(
                map(_definition_tokens, self._definitions)
            )
        return self._fixed_tokens

    def output_tokens(self, asked: int | None) -> int:
        """How much the next answer may have, when `asked` is the request's own bound."""
        most = self.spec.model.profile.max_output
        bounds = [bound for bound in (asked, most) if bound is not None]
        return min(bounds) if bounds else _DEFAULT_OUTPUT

    def larger_output(self) -> int | None:
        """A larger limit than the caller's, which cut an answer; None where none was set or larger ones are refused."""
        asked, profile = self.settings.max_tokens, self.spec.model.profile
        if asked is None or self.settings is not self.spec.settings:
            return None
        allowed = [
            int(most) for most in (profile.max_output, profile.ranges.get("max_tokens", (None, None))[1]) if most
        ]
        larger = min([asked * _GROWTH, *allowed])
        return larger if larger > asked else None

    def take_back(self, settings: ModelSettings) -> None:
        """Forget the last answer, as if it had not come, and go on with other settings."""
        self.settings = settings
        if self.budget.turns == self.first_turn:
            self.first_turn += 1
        self.forget_answer()

    def forget_answer(self) -> None:
        """Take the last answer out of the history."""
        self.history, self._reported = self.history.prefix(len(self.history) - 1), None
        self._open(())
        if self.ledger is not None:
            self.note("messages", drop=1, add=[], counters=self.counters())

    # The end

    async def finish(self, output: Any) -> None:
        """Set the result; it is in the journal then, if there is one."""
        budget = self.budget
        self.history.mark_sound()
        result = RunResult(
            output,
            self.history,
            budget.usage,
            budget.cost,
            self.run_id,
            budget.turns,
            budget.tool_calls,
            self.retries,
            budget.corrections,
            tuple(self.warnings),
            self.earlier,
        )
        if self.ledger is not None:
            await self.ledger.close("finished", result)
        self.result = result

    def ended(self, kind: type[RunEnded], text: str, **details: Any) -> RunEnded:
        """The error that ends the run, with everything done so far."""
        partial = None if self.response is None else self.response.message.text
        return kind(text, history=self.history, usage=self.budget.usage, run_id=self.run_id, partial=partial, **details)

    def out_of_time(self) -> LimitReached:
        return LimitReached("seconds", f"the run has had its {self.spec.limits.seconds:g} s")

    def limit(self, reached: LimitReached) -> RunEnded:
        return self.ended(
            LimitExceeded,
            f"limit {reached.limit}: {reached}; raise it in limits=, or go on from error.history",
            limit=reached.limit,
        )

    def _with_fresh_ids(self, message: AssistantMessage) -> AssistantMessage:
        """Some servers number calls anew in each answer; an id that the history has already is replaced."""
        calls = message.tool_calls
        if not calls:
            return message
        if self._used_ids is None:
            self._used_ids = {
                call.id for seen in self.history if isinstance(seen, AssistantMessage) for call in seen.tool_calls
            }
        used = self._used_ids
        parts: list[AssistantPart] = []
        for part in message.parts:
            if isinstance(part, ToolCall):
                if part.id in used:
                    part = replace(part, id=f"call_{uuid.uuid4().hex[:16]}")
                used.add(part.id)
            parts.append(part)
        return AssistantMessage(parts, extra=message.extra) if tuple(parts) != message.parts else message


@functools.lru_cache(maxsize=512)
def _estimate_once(text: str) -> int:
    """Instructions and tools are the same from run to run."""
    return estimate(text)


def _definition_tokens(definition: ToolDefinition) -> int:
    return 8 + _estimate_once(f"{definition.name} {definition.description} {definition.parameters}")


def _no_spawn(*_: Any) -> None:
    raise AssertionError("the owner of the run gives it a spawn")
