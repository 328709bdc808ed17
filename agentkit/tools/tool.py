"""A tool: a function, what the model is told of it, and what it declares."""

import copy
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, get_origin, overload

from agentkit.context import RunContext
from agentkit.errors import OutputTypeError, ToolDefinitionError
from agentkit.messages import Trust
from agentkit.models import ToolDefinition
from agentkit.schema import FunctionSchema, Validator, for_json_schema, function_schema, strict_schema
from agentkit.tools.options import Effect, OnError, ToolOptions

P = ParamSpec("P")
P2 = ParamSpec("P2")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RESERVED = frozenset({"auto", "required", "none"})


class Tool(Generic[P, R_co]):
    """Made by `@tool` or `Tool.from_schema`. It still calls like the function, and binds like a method.

    Attributes:
        definition: what the model sees.
        options: what it declares.
        takes_context: whether the function's first parameter is the `RunContext`.
        is_async: whether calling it gives a coroutine.
    """

    def __init__(
        self,
        function: Callable[P, R_co],
        definition: ToolDefinition,
        options: ToolOptions,
        bind: Callable[[Mapping[str, Any]], tuple[list[Any], dict[str, Any]]],
        *,
        takes_context: bool,
        is_async: bool,
        unbound: bool = False,
    ) -> None:
        self.function = function
        self.definition = definition
        self.options = options
        self.bind = bind
        self.takes_context = takes_context
        self.is_async = is_async
        self.unbound = unbound
        functools.update_wrapper(self, function, assigned=("__module__", "__qualname__", "__doc__"), updated=())

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def description(self) -> str:
        return self.definition.description

    @classmethod
    def from_schema(
        cls,
        function: Callable[..., Any],
        *,
        name: str,
        description: str,
        parameters: Mapping[str, Any],
        takes_context: bool = False,
        **declared: Any,
    ) -> "Tool[..., Any]":
        """A tool from a JSON Schema of its arguments object.

        `function` gets the arguments as keywords, after the context if it takes one; `declared` are the options of
        `ToolOptions`.

        Raises:
            ToolDefinitionError: the schema is not that of an object, or wrong in itself, or an option cannot work.
        """
        if parameters.get("type") != "object":
            raise ToolDefinitionError(f"tool {name!r}: parameters must be a JSON Schema with type 'object'")
        try:
            validator = for_json_schema(parameters)
        except OutputTypeError as error:
            raise ToolDefinitionError(f"tool {name!r}: {error}") from error
        options = ToolOptions(**declared)
        definition = ToolDefinition(checked_name(name), description, parameters, _strict(options, parameters))
        return Tool(
            function,
            definition,
            options,
            functools.partial(bind_keywords, validator),
            takes_context=takes_context,
            is_async=_is_async(function),
        )

    def renamed(self, name: str) -> "Tool[..., Any]":
        """The same tool under another name."""
        return self._copy(self.function, replace(self.definition, name=checked_name(name)))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self.function(*args, **kwargs)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> "Tool[P, R_co]": ...
    @overload
    def __get__(
        self: "Tool[Concatenate[S, P2], R]",  # pyright: ignore[reportGeneralTypeIssues]
        instance: S,
        owner: type | None = None,
    ) -> "Tool[P2, R]": ...
    @overload  # a static method: its first parameter does not take the instance
    def __get__(self, instance: object, owner: type | None = None) -> "Tool[P, R_co]": ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None or not self.unbound:
            return self
        bound: Callable[..., Any] = functools.partial(self.function, instance)
        return self._copy(bound, self.definition)

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"

    def _copy(self, function: Callable[..., Any], definition: ToolDefinition) -> "Tool[..., Any]":
        return Tool(
            function,
            definition,
            self.options,
            self.bind,
            takes_context=self.takes_context,
            is_async=self.is_async,
            unbound=self.unbound and function is self.function,
        )


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    effect: Effect | None = None,
    retries: int = 1,
    timeout: float | None = None,
    idempotent: bool = False,
    approval: bool = False,
    sequential: bool = False,
    strict: bool | None = None,
    max_result: int = 50_000,
    poll: bool = False,
    trust: Trust = "tool",
    on_error: OnError = "tell",
    retry_on: tuple[type[Exception], ...] = (),
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    **declared: Any,
) -> Any:
    """Make a tool of a function or method, sync or async.

    The schema comes from the signature, the descriptions from the docstring, `Annotated` or `Field`. A first parameter
    (after self) annotated `RunContext[...]` gets the context and is not shown to the model. `ToolOptions` says what can
    be declared.

    Raises:
        ToolDefinitionError: the function cannot become a tool; the message names the parameter and says what to do.
    """
    options = ToolOptions(**declared)
    if function is None:
        return functools.partial(_make, name=name, description=description, options=options)
    return _make(function, name=name, description=description, options=options)


def _make(
    function: Callable[..., Any], *, name: str | None, description: str | None, options: ToolOptions
) -> Tool[..., Any]:
    schema: FunctionSchema = function_schema(function, is_context=_is_context, name=name, description=description)
    definition = ToolDefinition(
        checked_name(schema.name), schema.description, schema.parameters, _strict(options, schema.parameters)
    )
    return Tool(
        function.__func__ if isinstance(function, staticmethod) else function,
        definition,
        options,
        schema.bind,
        takes_context=schema.takes_context,
        is_async=schema.is_async,
        unbound=schema.is_method,
    )


def _is_context(annotation: Any) -> bool:
    return annotation is RunContext or get_origin(annotation) is RunContext


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _strict(options: ToolOptions, parameters: Mapping[str, Any]) -> bool | None:
    if options.strict and strict_schema(parameters) is None:
        raise ToolDefinitionError(
            "strict=True: the parameters have no strict form (optional fields, open objects): make each one required, "
            "or leave strict= out; arguments are validated either way"
        )
    return options.strict


def checked_name(name: str) -> str:
    """The name, when gateways take it as a tool's.

    Raises:
        ToolDefinitionError: they do not.
    """
    if not _NAME.fullmatch(name):
        raise ToolDefinitionError(
            f"{name!r} cannot be a tool's name: gateways take 1 to 64 of the letters a-z, A-Z, 0-9, _ and -; give name="
        )
    if name in _RESERVED:
        raise ToolDefinitionError(
            f"{name!r} cannot be a tool's name, because tool_choice={name!r} means something else"
        )
    return name


def bind_keywords(validator: Validator[Any], arguments: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call as the keywords of a function.

    Raises:
        InvalidValue: they do not fit.
    """
    # The function may change what it gets; the call in the history must not change with it.
    return [], copy.deepcopy(dict(validator.validate(arguments)))
