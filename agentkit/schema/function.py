"""A function as a model sees it: name, description, parameters schema; and the way back, from arguments to a call."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agentkit.errors import ToolDefinitionError
from agentkit.schema.docstring import read_docstring
from agentkit.schema.parameters import read_parameters, underlying

if TYPE_CHECKING:
    from agentkit.schema.arguments import Arguments


@dataclass(frozen=True, slots=True)
class FunctionSchema:
    """What is sent about a function, and how to call it with what comes back.

    Attributes:
        parameters: JSON Schema of the arguments object; properties in the order of the signature. Do not change it.
        takes_context: the first parameter (after self) is the run's context.
        is_async: calling it gives a coroutine.
        is_method: the first parameter is a self or cls that is not bound yet.
        returns: the return annotation; `inspect.Signature.empty` without one, its text where names in it are unknown.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    takes_context: bool
    is_async: bool
    is_method: bool
    returns: Any
    _arguments: "Arguments" = field(repr=False, compare=False)

    def bind(self, arguments: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The positional and keyword arguments for a call, from decoded JSON; without self and context.

        Parameters that were not sent are left to the function's own defaults.

        Raises:
            InvalidValue: they do not fit the parameters.
        """
        return self._arguments.bind(arguments)


def function_schema(
    function: Callable[..., Any],
    *,
    is_context: Callable[[Any], bool],
    name: str | None = None,
    description: str | None = None,
) -> FunctionSchema:
    """Reads a function: signature, annotations and docstring (Google, NumPy or Sphinx).

    Args:
        function: a function, method, staticmethod, partial or object with `__call__`.
        is_context: whether a resolved annotation is that of the context parameter, which the model never sees.
        name: in place of the function's name.
        description: in place of the docstring's own text.

    Raises:
        ToolDefinitionError: it cannot become a tool; the message names the parameter and says what to do.
    """
    from agentkit.schema.arguments import Arguments

    shown = name or _name(function)
    label = f"{shown}()"
    _check_kind(function, label)
    parameters = read_parameters(function, label, is_context)
    docstring = read_docstring(_docstring(function))
    arguments = Arguments.of(parameters, docstring.parameters, label)
    return FunctionSchema(
        name=shown,
        description=docstring.description if description is None else description,
        parameters=arguments.schema,
        takes_context=parameters.takes_context,
        is_async=_is_async(function),
        is_method=parameters.is_method,
        returns=parameters.returns,
        _arguments=arguments,
    )


def _name(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    name: str = getattr(function, "__name__", None) or type(function).__name__
    if name == "<lambda>":
        raise ToolDefinitionError(
            "a lambda has no name that a model could call: give one with name=, or write a function"
        )
    return name


def _check_kind(function: Callable[..., Any], label: str) -> None:
    if isinstance(function, classmethod):
        raise ToolDefinitionError(f"{label}: put @classmethod above @tool, not below it")
    if isinstance(function, type):
        raise ToolDefinitionError(f"{label}: it is a class, not a function: write a function that returns one")
    if not callable(function):
        raise ToolDefinitionError(f"{label}: {function!r} cannot be called: write a function")
    target, _ = underlying(function)
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise ToolDefinitionError(f"{label}: it is a generator: return a list, a tool answers once")


def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _docstring(function: Callable[..., Any]) -> str | None:
    target, _ = underlying(function)
    text = target.__doc__
    if text is None and not inspect.isroutine(function) and not isinstance(function, functools.partial):
        text = type(function).__doc__  # an object with __call__: its class may say what it does
    return inspect.cleandoc(text) if text else None
