"""Agent: what to tell a model, which tools it may call, what it is to return.

Configuration only; each run has its own state.
"""

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypedDict, Unpack, overload

from typing_extensions import TypeForm, TypeVar

from agentkit.agent.prompt import as_messages
from agentkit.agent.sync import run_sync
from agentkit.context import RunContext
from agentkit.errors import ConfigurationError, UsageError
from agentkit.messages import History, Message, UserPart
from agentkit.models import Model, ModelSettings, OutputMode, ToolChoice
from agentkit.output import declare
from agentkit.providers import Registry, default_registry
from agentkit.runtime import Run, RunLimits, RunResult, RunSpec, RunStream, run_to_end
from agentkit.tools import AnyTool, Tool, ToolLike, Toolset

Deps = TypeVar("Deps", contravariant=True, default=None)
Output = TypeVar("Output", covariant=True, default=str)
D = TypeVar("D")
T = TypeVar("T")

Prompt: TypeAlias = str | Sequence[str | UserPart]


class RunOptions(TypedDict, total=False):
    """What a run may have of its own.

    `history` goes before the prompt. `model`, `settings` (merged over the agent's), `tools` and `limits` stand in for
    the agent's. `run_id` names the run.
    """

    history: Iterable[Message] | None
    model: Model | str
    settings: ModelSettings
    tools: Iterable[ToolLike]
    limits: RunLimits
    run_id: str


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
        instructions: str | Callable[[RunContext[D]], str] | None = None,
        tools: Iterable[ToolLike] = (),
        output_mode: OutputMode | None = None,
        tool_choice: ToolChoice = "auto",
        limits: RunLimits | None = None,
        settings: ModelSettings | None = None,
        parallel_tools: int = 100,
        name: str = "agent",
        registry: Registry | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[None, T]",
        model: Model | str,
        *,
        output: TypeForm[T],
        deps_type: None = None,
        instructions: str | Callable[[RunContext[None]], str] | None = None,
        tools: Iterable[ToolLike] = (),
        output_mode: OutputMode | None = None,
        tool_choice: ToolChoice = "auto",
        limits: RunLimits | None = None,
        settings: ModelSettings | None = None,
        parallel_tools: int = 100,
        name: str = "agent",
        registry: Registry | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[D, str]",
        model: Model | str,
        *,
        output: None = None,
        deps_type: type[D],
        instructions: str | Callable[[RunContext[D]], str] | None = None,
        tools: Iterable[ToolLike] = (),
        output_mode: OutputMode | None = None,
        tool_choice: ToolChoice = "auto",
        limits: RunLimits | None = None,
        settings: ModelSettings | None = None,
        parallel_tools: int = 100,
        name: str = "agent",
        registry: Registry | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[None, str]",
        model: Model | str,
        *,
        output: None = None,
        deps_type: None = None,
        instructions: str | Callable[[RunContext[None]], str] | None = None,
        tools: Iterable[ToolLike] = (),
        output_mode: OutputMode | None = None,
        tool_choice: ToolChoice = "auto",
        limits: RunLimits | None = None,
        settings: ModelSettings | None = None,
        parallel_tools: int = 100,
        name: str = "agent",
        registry: Registry | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[D, T]",
        model: Model | str,
        *,
        output: Callable[..., Awaitable[T]],
        deps_type: type[D],
        instructions: str | Callable[[RunContext[D]], str] | None = None,
        tools: Iterable[ToolLike] = (),
        output_mode: OutputMode | None = None,
        tool_choice: ToolChoice = "auto",
        limits: RunLimits | None = None,
        settings: ModelSettings | None = None,
        parallel_tools: int = 100,
        name: str = "agent",
        registry: Registry | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[D, T]",
        model: Model | str,
        *,
        output: Callable[..., T],
        deps_type: type[D],
        instructions: str | Callable[[RunContext[D]], str] | None = None,
        tools: Iterable[ToolLike] = (),
        output_mode: OutputMode | None = None,
        tool_choice: ToolChoice = "auto",
        limits: RunLimits | None = None,
        settings: ModelSettings | None = None,
        parallel_tools: int = 100,
        name: str = "agent",
        registry: Registry | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[None, T]",
        model: Model | str,
        *,
        output: Callable[..., Awaitable[T]],
        deps_type: None = None,
        instructions: str | Callable[[RunContext[None]], str] | None = None,
        tools: Iterable[ToolLike] = (),
        output_mode: OutputMode | None = None,
        tool_choice: ToolChoice = "auto",
        limits: RunLimits | None = None,
        settings: ModelSettings | None = None,
        parallel_tools: int = 100,
        name: str = "agent",
        registry: Registry | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[None, T]",
        model: Model | str,
        *,
        output: Callable[..., T],
        deps_type: None = None,
        instructions: str | Callable[[RunContext[None]], str] | None = None,
        tools: Iterable[ToolLike] = (),
        output_mode: OutputMode | None = None,
        tool_choice: ToolChoice = "auto",
        limits: RunLimits | None = None,
        settings: ModelSettings | None = None,
        parallel_tools: int = 100,
        name: str = "agent",
        registry: Registry | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[D, Any]",
        model: Model | str,
        *,
        output: Mapping[str, Any],
        deps_type: type[D],
        instructions: str | Callable[[RunContext[D]], str] | None = None,
        tools: Iterable[ToolLike] = (),
        output_mode: OutputMode | None = None,
        tool_choice: ToolChoice = "auto",
        limits: RunLimits | None = None,
        settings: ModelSettings | None = None,
        parallel_tools: int = 100,
        name: str = "agent",
        registry: Registry | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: "Agent[None, Any]",
        model: Model | str,
        *,
        output: Mapping[str, Any],
        deps_type: None = None,
        instructions: str | Callable[[RunContext[None]], str] | None = None,
        tools: Iterable[ToolLike] = (),
        output_mode: OutputMode | None = None,
        tool_choice: ToolChoice = "auto",
        limits: RunLimits | None = None,
        settings: ModelSettings | None = None,
        parallel_tools: int = 100,
        name: str = "agent",
        registry: Registry | None = None,
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
        result = await run_to_end(self._start(prompt, context.deps, {}, parent=context.scope))
        return result.output

    def _start(self, prompt: Prompt, deps: Any, options: RunOptions, *, parent: Any = None) -> Run:
        if deps is None and self._deps_type not in (None, type(None)):
            raise ConfigurationError(f"agent {self._name!r} wants deps= of type {self._deps_type.__name__}")
        history = options.get("history")
        toolset = Toolset(options["tools"]) if "tools" in options else self._toolset
        registry = self._registry or default_registry()
        model = options.get("model", self._model)
        _check_choice(self._tool_choice, toolset)
        spec = RunSpec(
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
        )
        given = history if isinstance(history, History) else History(history or ())
        return Run(
            spec, deps=deps, history=given, prompt=as_messages(prompt), run_id=options.get("run_id"), parent=parent
        )

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
