"""A function's signature, read: its parameters with resolved types, or a sentence why it cannot become a tool."""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, Required, Unpack, get_args, get_origin, get_type_hints

from agentkit.errors import ToolDefinitionError
from agentkit.schema.expressible import type_name
from agentkit.schema.scope import Scope

EMPTY = inspect.Signature.empty


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that the model fills.

    `positional` means positional-only. `default` is EMPTY where the signature has none; a pydantic `Field(...)` that
    stood in its place is in the annotation, and pydantic knows then whether the parameter may be left out.
    """

    name: str
    annotation: Any
    required: bool = True
    positional: bool = False
    default: Any = EMPTY


@dataclass(frozen=True, slots=True)
class Parameters:
    """Everything the signature says.

    Attributes:
        named: what the model sends, in the order of the signature.
        extra: `**kwargs`, where each value has the annotation; None without.
        reserved: names that must not arrive through `**kwargs`: self, the context, what a partial has bound.
        returns: the return annotation; EMPTY without, the text as it stands where its names cannot be resolved.
    """

    named: tuple[Parameter, ...]
    extra: Parameter | None
    reserved: frozenset[str]
    takes_context: bool
    is_method: bool
    returns: Any
    scope: Scope


def read_parameters(function: Callable[..., Any], label: str, is_context: Callable[[Any], bool]) -> Parameters:
    """Reads the signature; `label` names the function in error messages.

    Raises:
        ToolDefinitionError: it cannot become a tool.
    """
    target, bound = underlying(function)
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError, NameError) as error:
        raise ToolDefinitionError(
            f"{label}: its signature cannot be read ({error}): wrap it in a function with annotated parameters"
        ) from error
    reader = _Reader(label, Scope.of(target), is_context)
    parameters = [parameter for name, parameter in signature.parameters.items() if name not in bound]
    return reader.read(parameters, signature.return_annotation, bound)


def underlying(function: Callable[..., Any]) -> tuple[Callable[..., Any], frozenset[str]]:
    """The function that was written (for docstring and scope), and the keywords that partials around it have bound."""
    bound: frozenset[str] = frozenset()
    while isinstance(function, functools.partial):
        bound |= function.keywords.keys()
        function = function.func
    if not inspect.isroutine(function) and not isinstance(function, type):
        function = type(function).__call__
    return inspect.unwrap(inspect.unwrap(getattr(function, "__func__", function))), bound


@dataclass(frozen=True, slots=True)
class _Reader:
    label: str
    scope: Scope
    is_context: Callable[[Any], bool]

    def read(self, parameters: Sequence[inspect.Parameter], returns: Any, bound: frozenset[str]) -> Parameters:
        is_method = bool(parameters) and parameters[0].name in ("self", "cls") and _by_position(parameters[0])
        reserved = set(bound)
        if is_method:
            reserved.add(parameters[0].name)
            parameters = parameters[1:]
        takes_context = False
        named: list[Parameter] = []
        extra: Parameter | None = None
        for index, parameter in enumerate(parameters):
            annotation = self._annotation(parameter)
            if self.is_context(annotation):
                self._check_context(parameter, index)
                takes_context = True
                reserved.add(parameter.name)
            elif parameter.kind is parameter.VAR_KEYWORD:
                unpacked = unpacked_parameters(annotation)
                named.extend(unpacked or ())
                extra = Parameter(parameter.name, annotation) if unpacked is None else None
            else:
                named.append(self._named(parameter, annotation))
        return Parameters(
            tuple(named), extra, frozenset(reserved), takes_context, is_method, self._returns(returns), self.scope
        )

    def _annotation(self, parameter: inspect.Parameter) -> Any:
        name = parameter.name
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise ToolDefinitionError(
                f"{self.label}: *{name} has no names that a model could send: "
                f"take a list, for example `{name}: list[str]`"
            )
        stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        if parameter.annotation is EMPTY:
            raise ToolDefinitionError(
                f"{self.label}: parameter {stars}{name} has no type: annotate it, for example `{stars}{name}: str`"
            )
        try:
            return self.scope.resolve(parameter.annotation)
        except NameError as error:
            raise ToolDefinitionError(
                f"{self.label}: the annotation {_shown(parameter.annotation)} of parameter {stars}{name} names "
                f"{error.name!r}, which is not defined here: define or import it above the function, "
                "and not only under TYPE_CHECKING"
            ) from error
        except (SyntaxError, TypeError, AttributeError) as error:
            raise ToolDefinitionError(
                f"{self.label}: the annotation {_shown(parameter.annotation)} of parameter {stars}{name} is not a type "
                f"({error}): write a type there"
            ) from error

    def _check_context(self, parameter: inspect.Parameter, index: int) -> None:
        if index != 0 or not _by_position(parameter):
            raise ToolDefinitionError(
                f"{self.label}: the context parameter {parameter.name} must be the first parameter (after self), "
                "and not keyword-only: move it to the front"
            )

    def _named(self, parameter: inspect.Parameter, annotation: Any) -> Parameter:
        name, default = parameter.name, parameter.default
        positional = parameter.kind is parameter.POSITIONAL_ONLY
        if default is EMPTY:
            return Parameter(name, annotation, positional=positional)
        if is_field(default):
            return Parameter(name, Annotated[annotation, default], positional=positional)
        if any(is_field(item) and not item.is_required() for item in getattr(annotation, "__metadata__", ())):
            raise ToolDefinitionError(
                f"{self.label}: parameter {name} has two defaults: "
                f"keep `= {default!r}` and take the one out of Field(...)"
            )
        return Parameter(name, annotation, required=False, positional=positional, default=default)

    def _returns(self, annotation: Any) -> Any:
        try:
            return self.scope.resolve(annotation)
        except (NameError, SyntaxError, TypeError, AttributeError):
            return annotation


def is_field(value: Any) -> bool:
    """Whether it is what pydantic's `Field(...)` gives."""
    if type(value).__module__ == "builtins":  # most defaults; saves the import where pydantic is not loaded yet
        return False
    from pydantic.fields import FieldInfo

    return isinstance(value, FieldInfo)


def unpacked_parameters(annotation: Any) -> list[Parameter] | None:
    """The parameters of `**kwargs: Unpack[SomeTypedDict]`; None for another annotation."""
    if get_origin(annotation) is not Unpack:
        return None
    (fields,) = get_args(annotation)
    parameters: list[Parameter] = []
    for name, hint in get_type_hints(fields, include_extras=True).items():
        required, marked = name in fields.__required_keys__, get_origin(hint)
        if marked in (Required, NotRequired):
            required, hint = marked is Required, get_args(hint)[0]
        parameters.append(Parameter(name, hint, required))
    return parameters


def _by_position(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)


def _shown(annotation: Any) -> str:
    return repr(annotation) if isinstance(annotation, str) else type_name(annotation)
