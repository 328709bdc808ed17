"""Agent: what to tell a model, which tools it may call, what it is to return.

Configuration only; each run has its own state.
"""

import functools
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypedDict, Unpack, overload

from typing_extensions import TypeForm, TypeVar

from agentkit.agent.durable import (
    JournalLike,
    OnUnfinished,
    begin_nested,
    begin_session,
    check_options,
    go_on,
    ledger_for,
    opened,
    stop,
)
from agentkit.agent.prompt import as_messages
from agentkit.agent.sound import sound
from agentkit.agent.sync import run_sync
from agentkit.context import RunContext
from agentkit.errors import ConfigurationError, RunConflict, StorageError, UsageError
from agentkit.messages import Message, UserPart
from agentkit.models import Model, ModelSettings, OutputMode, ToolChoice
from agentkit.output import declare
from agentkit.providers import Registry, default_registry
from agentkit.runtime import (
    Compaction,
    Decision,
    OnUnknown,
    Policy,
    Run,
    RunLimits,
    RunResult,
    RunSpec,
    RunStream,
    entry,
    run_to_end,
    with_models,
)
from agentkit.tools import AnyTool, Tool, ToolLike, Toolset, result_parts

if TYPE_CHECKING:
    from agentkit.journal import Journal

Deps = TypeVar("Deps", contravariant=True, default=None)
Output = TypeVar("Output", covariant=True, default=str)
D = TypeVar("D")
T = TypeVar("T")

Prompt: TypeAlias = str | Sequence[str | UserPart]


class RunOptions(TypedDict, total=False):
    """What a run may have of its own.

    `history` goes before the prompt. `model`, `settings` (merged over the agent's), `tools` and `limits` stand in for
    the agent's. `run_id` names the run. `journal` (a file's name, or a `Journal`) keeps each step, so that the run can
    go on after a crash, and a finished run of the same id and input is not run again. `session` names a conversation in
    the journal: the finished runs of that name are the history. When its last run has not finished, `on_unfinished`
    says what to do first: nothing is (an error), that run is resumed, or it is discarded.
    """

    journal: JournalLike
    session: str
    on_unfinished: OnUnfinished
    history: Iterable[Message] | None
    model: Model | str
    settings: ModelSettings
    tools: Iterable[ToolLike]
    limits: RunLimits
    run_id: str


class ResumeOptions(TypedDict, total=False):
    """How a run goes on.

    `decisions` are about its pending calls; those without one go on waiting. `changed` lets an agent that was changed
    since (instructions, tools, output) go on all the same. `on_unknown` says what becomes of a call that a crash
    interrupted and that may not be run again: the model is told (`"tell"`), or the run pauses until somebody says
    (`"ask"`). The rest is as in `RunOptions`.
    """

    journal: JournalLike
    decisions: Iterable[Decision]
    changed: bool
    on_unknown: OnUnknown
    model: Model | str
    settings: ModelSettings
    tools: Iterable[ToolLike]
    limits: RunLimits


class AgentOptions(TypedDict, Generic[D], total=False):
    """What an agent may have besides its model and its output; see `Agent`."""

    instructions: str | Callable[[RunContext[D]], str] | None
    tools: Iterable[ToolLike]
    output_mode: OutputMode | None
    tool_choice: ToolChoice
    limits: RunLimits | None
    settings: ModelSettings | None
    parallel_tools: int
    policy: Policy | None
    compaction: Compaction | None
    name: str
    registry: Registry | None


class Agent(Generic[Deps, Output]):
    """An agent, ready to run as often and as concurrently as you like.

    Args:
        model: `"gateway:model"`, or a model object. Nothing is looked up or connected before the first run.
        instructions: sent first; a function is called once a run, with its context.
        tools: functions, tools and toolsets.
        output: `str`, a pydantic model, dataclass, TypedDict, list, union, primitive or JSON Schema; or a function,
            which is called with what the model gives as its arguments and whose return value is the output.
        output_mode: how the output is asked for, in place of the model's best way.
        deps_type: type of what tools get as `ctx.deps`; `run` then wants `deps=`.
        tool_choice: `auto`, `required` or a tool's name (for the first turn), or `none` (for all).
        limits: when a run ends without an answer.
        settings: sampling and limits of each request.
        parallel_tools: how many calls of one turn run at once; sync tools share the registry's threads as well.
        policy: `policy(call, context, trust)` says of each validated call whether it may take effect: `Allow()`,
            `Deny(why)` or `NeedApproval(reason)`. Without one, a call that cannot be taken back (`effect="external"`)
            needs approval once the model has read text of a tool or of the open world.
        compaction: how the history is made shorter when it no longer fits into the model's context: `DropOldest()`,
            `ShortenResults()`, `Summarise()` or a `Chain` of them. Without one a history that does not fit is an error.
        name: for logs and `as_tool`.
        registry: where model names are looked up; the process's own by default.

    Raises:
        OutputTypeError: the output cannot be declared to a model.
        ToolDefinitionError: a function cannot become a tool, or two tools have one name.
        ConfigurationError: tool_choice names no tool.
    """

    @overload
    def __init__(
        self: "Agent[D, T]",
        model: Model | str,
        *,
        output: TypeForm[T],
        deps_type: type[D],
        **options: Unpack[AgentOptions[D]],
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[None, T]",
        model: Model | str,
        *,
        output: TypeForm[T],
        deps_type: None = None,
        **options: Unpack[AgentOptions[None]],
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[D, str]",
        model: Model | str,
        *,
        output: None = None,
        deps_type: type[D],
        **options: Unpack[AgentOptions[D]],
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[None, str]",
        model: Model | str,
        *,
        output: None = None,
        deps_type: None = None,
        **options: Unpack[AgentOptions[None]],
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[D, T]",
        model: Model | str,
        *,
        output: Callable[..., Awaitable[T]],
        deps_type: type[D],
        **options: Unpack[AgentOptions[D]],
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[D, T]",
        model: Model | str,
        *,
        output: Callable[..., T],
        deps_type: type[D],
        **options: Unpack[AgentOptions[D]],
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[None, T]",
        model: Model | str,
        *,
        output: Callable[..., Awaitable[T]],
        deps_type: None = None,
        **options: Unpack[AgentOptions[None]],
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[None, T]",
        model: Model | str,
        *,
        output: Callable[..., T],
        deps_type: None = None,
        **options: Unpack[AgentOptions[None]],
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[D, Any]",
        model: Model | str,
        *,
        output: Mapping[str, Any],
        deps_type: type[D],
        **options: Unpack[AgentOptions[D]],
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[None, Any]",
        model: Model | str,
        *,
        output: Mapping[str, Any],
        deps_type: None = None,
        **options: Unpack[AgentOptions[None]],
    ) -> None: ...
    def __init__(
        self,
        model: Model | str,
        *,
        output: Any = None,
        deps_type: Any = None,
        instructions: str | Callable[[RunContext[Any]], str] | None = None,
        tools: Iterable[ToolLike] = (),
        output_mode: OutputMode | None = None,
        tool_choice: ToolChoice = "auto",
        limits: RunLimits | None = None,
        settings: ModelSettings | None = None,
        parallel_tools: int = 100,
        policy: Policy | None = None,
        compaction: Compaction | None = None,
        name: str = "agent",
        registry: Registry | None = None,
    ) -> None:
        self._model = model
        self._deps_type = deps_type
        self._instructions = instructions
        self._toolset = Toolset(tools)
        self._declared = declare(output)
        self._output_mode: OutputMode | None = output_mode
        self._tool_choice = tool_choice
        self._limits = limits or RunLimits()
        self._settings = settings or ModelSettings()
        self._parallel_tools = parallel_tools
        self._policy = policy
        self._compaction = compaction
        self._name = name
        self._registry = registry
        _check_choice(tool_choice, self._toolset)

    @property
    def name(self) -> str:
        return self._name

    @property
    def tools(self) -> tuple[AnyTool, ...]:
        """All tools, in order."""
        return self._toolset.tools

    @overload
    async def run(
        self: "Agent[None, T]", prompt: Prompt, *, deps: None = None, **options: Unpack[RunOptions]
    ) -> RunResult[T]: ...
    @overload
    async def run(self: "Agent[D, T]", prompt: Prompt, *, deps: D, **options: Unpack[RunOptions]) -> RunResult[T]: ...
    async def run(self, prompt: Prompt, *, deps: Any = None, **options: Unpack[RunOptions]) -> RunResult[Any]:
        """Run to the end.

        Raises:
            RunEnded: there is no answer; the error has the history and the usage.
            GatewayError: the gateway failed, and no retry helped.
            UsageError: something is wrong before anything was sent.
        """
        return await self._run_any(prompt, deps, options)

    @overload
    def run_sync(
        self: "Agent[None, T]", prompt: Prompt, *, deps: None = None, **options: Unpack[RunOptions]
    ) -> RunResult[T]: ...
    @overload
    def run_sync(self: "Agent[D, T]", prompt: Prompt, *, deps: D, **options: Unpack[RunOptions]) -> RunResult[T]: ...
    def run_sync(self, prompt: Prompt, *, deps: Any = None, **options: Unpack[RunOptions]) -> RunResult[Any]:
        """Run to the end, for scripts and notebooks: opens an event loop of its own.

        Raises:
            UsageError: an event loop is running in this thread already, and it is no notebook's.
            RunEnded, GatewayError: see `run`.
        """
        return run_sync(functools.partial(self._run_any, prompt, deps, options))

    @overload
    def stream(
        self: "Agent[None, T]", prompt: Prompt, *, deps: None = None, **options: Unpack[RunOptions]
    ) -> RunStream[T]: ...
    @overload
    def stream(self: "Agent[D, T]", prompt: Prompt, *, deps: D, **options: Unpack[RunOptions]) -> RunStream[T]: ...
    def stream(self, prompt: Prompt, *, deps: Any = None, **options: Unpack[RunOptions]) -> RunStream[Any]:
        """Run and watch: `async with agent.stream(...) as run: async for event in run: ...`, then `run.result`."""
        return RunStream(self._start(prompt, deps, options))

    @overload
    async def resume(
        self: "Agent[None, T]", run: str | Mapping[str, Any], *, deps: None = None, **options: Unpack[ResumeOptions]
    ) -> RunResult[T]: ...
    @overload
    async def resume(
        self: "Agent[D, T]", run: str | Mapping[str, Any], *, deps: D, **options: Unpack[ResumeOptions]
    ) -> RunResult[T]: ...
    async def resume(
        self, run: str | Mapping[str, Any], *, deps: Any = None, **options: Unpack[ResumeOptions]
    ) -> RunResult[Any]:
        """Go on with a run that was paused, killed, cancelled or failed, to its end: the id of a run in `journal=`, or
        the `state` of a `RunPaused`. A run that has finished gives its recorded result.

        Finished calls are not run again. One that was under way is, if its tool only reads or is idempotent; else see
        `on_unknown`.

        Raises:
            RunPaused: calls wait for a decision still, or again.
            RunConflict: another process is at it, or the agent has changed since.
            RunEnded, GatewayError, UsageError: see `run`.
        """
        return await self._resume_any(run, deps, options)

    @overload
    def resume_sync(
        self: "Agent[None, T]", run: str | Mapping[str, Any], *, deps: None = None, **options: Unpack[ResumeOptions]
    ) -> RunResult[T]: ...
    @overload
    def resume_sync(
        self: "Agent[D, T]", run: str | Mapping[str, Any], *, deps: D, **options: Unpack[ResumeOptions]
    ) -> RunResult[T]: ...
    def resume_sync(
        self, run: str | Mapping[str, Any], *, deps: Any = None, **options: Unpack[ResumeOptions]
    ) -> RunResult[Any]:
        """`resume` for scripts and notebooks, as `run_sync` is for `run`."""
        return run_sync(functools.partial(self._resume_any, run, deps, options))

    @overload
    def resume_stream(
        self: "Agent[None, T]", run: str | Mapping[str, Any], *, deps: None = None, **options: Unpack[ResumeOptions]
    ) -> RunStream[T]: ...
    @overload
    def resume_stream(
        self: "Agent[D, T]", run: str | Mapping[str, Any], *, deps: D, **options: Unpack[ResumeOptions]
    ) -> RunStream[T]: ...
    def resume_stream(
        self, run: str | Mapping[str, Any], *, deps: Any = None, **options: Unpack[ResumeOptions]
    ) -> RunStream[Any]:
        """`resume`, watched as with `stream`."""
        return RunStream(self._resumed(run, deps, options))

    def as_tool(self, *, name: str | None = None, description: str | None = None) -> Tool[..., Any]:
        """This agent as another's tool: the model gives it a prompt and gets its output.

        It gets the deps of the run that calls it, and spends from that run's limits.
        """
        tool_name = name or self._name
        return Tool.from_schema(
            self._run_nested,
            name=tool_name,
            description=description or f"Ask {tool_name}. It does not see this conversation: tell it all it needs.",
            parameters={
                "type": "object",
                "properties": {"prompt": {"type": "string", "description": "what it is to do"}},
                "required": ["prompt"],
                "additionalProperties": False,
            },
            takes_context=True,
            idempotent=True,  # run again, it goes on where the journal says that it stood
        )

    async def __aenter__(self) -> Self:
        await _enter(self._resolved(self._model))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        leave = getattr(self._resolved(self._model), "__aexit__", None)
        if leave is not None:
            await leave(kind, error, traceback)

    def __repr__(self) -> str:
        return f"Agent({self._model!r}, name={self._name!r}, tools={[tool.name for tool in self.tools]!r})"

    async def _run_any(self, prompt: Prompt, deps: Any, options: RunOptions) -> RunResult[Any]:
        return await run_to_end(self._start(prompt, deps, options))

    async def _run_nested(self, context: RunContext[Any], prompt: str) -> Any:
        """One run as a tool's body. It goes on where it stood when its parent is resumed."""
        parent: Run = context.scope  # type: ignore[assignment]  # the runtime's own scope is a run
        run = self._start(prompt, context.deps, {}, parent=parent, run_id=f"{parent.run_id}/{context.call_id}")
        run.lower_trust(parent.trust)  # its prompt was written by a model that has read that
        begin_nested(run, parent, context.call_id)
        try:
            output = (await run_to_end(run)).output
        except (StorageError, RunConflict) as error:
            stop(parent, error)
            raise
        finally:
            parent.lower_trust(run.trust)
        # The answer says itself that it is from the open world, so that a later turn or run that reads it knows.
        return result_parts(output, trust="web", limit=sys.maxsize) if run.trust == "web" else output

    def _start(
        self,
        prompt: Prompt | None,
        deps: Any,
        options: RunOptions,
        *,
        parent: Run | None = None,
        run_id: str | None = None,
    ) -> Run:
        if deps is None and self._deps_type not in (None, type(None)):
            raise ConfigurationError(f"agent {self._name!r} wants deps= of type {self._deps_type.__name__}")
        check_options(options)
        registry = self._registry or default_registry()
        spec = self._spec(options, registry)
        history = options.get("history")
        given, changes = sound(history)
        asked = () if prompt is None else as_messages(prompt)
        run_id = run_id or options.get("run_id") or uuid.uuid4().hex
        journal, session = self._journal(options, parent, registry), options.get("session")
        ledger = None
        if journal is not None:
            above = None if parent is None else parent.run_id
            ledger = ledger_for(spec, run_id, asked, given, journal, session=session, parent=above)
        run = Run(spec, deps=deps, history=given, prompt=asked, run_id=run_id, parent=parent, ledger=ledger)
        run.warnings.extend(changes)
        if journal is not None:
            run.enter = entry.begin
        if journal is not None and session is not None:
            own = ("journal", "model", "settings", "tools", "limits")
            of_this_turn: Any = {name: value for name, value in options.items() if name in own}
            resume = functools.partial(self._resume_any, deps=deps, options=of_this_turn)
            run.enter = begin_session(journal, options.get("on_unfinished"), resume)
        return run

    def _spec(self, options: RunOptions, registry: Registry) -> RunSpec:
        toolset = Toolset(options["tools"]) if "tools" in options else self._toolset
        model = options.get("model", self._model)
        _check_choice(self._tool_choice, toolset)
        return RunSpec(
            model=registry.model(model) if isinstance(model, str) else model,
            name=self._name,
            instructions=self._instructions,
            toolset=toolset,
            declared=self._declared,
            output_mode=self._output_mode,
            tool_choice=self._tool_choice,
            limits=options.get("limits", self._limits),
            settings=self._settings.merged(options.get("settings")),
            parallel_tools=self._parallel_tools,
            threads=registry.threads,
            policy=self._policy,
            compaction=with_models(self._compaction, registry.model) if self._compaction is not None else None,
        )

    def _journal(self, options: RunOptions, parent: Run | None, registry: Registry) -> "Journal | None":
        if parent is not None:
            return None if parent.ledger is None else parent.ledger.journal
        given = options.get("journal")
        return None if given is None else opened(given, registry.journals)

    async def _resume_any(self, run: str | Mapping[str, Any], deps: Any, options: ResumeOptions) -> RunResult[Any]:
        return await run_to_end(self._resumed(run, deps, options))

    def _resumed(self, run: str | Mapping[str, Any], deps: Any, options: ResumeOptions) -> Run:
        decisions, changed = options.pop("decisions", ()), options.pop("changed", False)
        on_unknown = options.pop("on_unknown", "tell")
        given: RunOptions = options  # type: ignore[assignment]  # what is left is of both
        if given.get("journal") is not None:
            resumed = self._start(None, deps, given, run_id=run if isinstance(run, str) else run.get("run_id"))
            go_on(resumed, decisions, changed=changed)
        elif isinstance(run, str):
            raise ConfigurationError(f"resume({run!r}) needs journal=; without one, give the state of RunPaused")
        else:
            resumed = self._start(None, deps, given, run_id=run.get("run_id"))
            entry.stand_where_paused(resumed, run, decisions, changed=changed)
        resumed.on_unknown, resumed.changed = on_unknown, changed
        return resumed

    def _resolved(self, model: Model | str) -> Model:
        registry = self._registry or default_registry()
        return registry.model(model) if isinstance(model, str) else model


def _check_choice(choice: str, toolset: Toolset) -> None:
    if choice in ("auto", "none"):
        return
    names = [tool.name for tool in toolset.tools]
    if not names or (choice != "required" and choice not in names):
        raise ConfigurationError(
            f"tool_choice={choice!r} asks for a tool that is not there; the tools are: {', '.join(names) or 'none'}"
        )


async def _enter(model: Any) -> None:
    enter = getattr(model, "__aenter__", None)
    if enter is not None:
        await enter()
    elif not hasattr(model, "events"):
        raise UsageError(f"{model!r} is not a model")
