"""A model's arguments for a function: the JSON Schema that is sent, and the way from decoded JSON to a Python call."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import GenericAlias
from typing import Any, Self

from pydantic_core import to_jsonable_python

from agentkit import _json
from agentkit.errors import ToolDefinitionError
from agentkit.schema.definitions import inlined
from agentkit.schema.expressible import NotExpressible
from agentkit.schema.parameters import EMPTY, Parameter, Parameters
from agentkit.schema.problem import InvalidValue, Problem
from agentkit.schema.typed import Field, TypeValidator, object_validator

_EXTRA = "**"
"""Where the arguments for `**kwargs` stand while they are validated; no parameter can have this name."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Validates the arguments of one function and brings them into the form of a call.

    Attributes:
        known: the names that the model may send (an alias in place of the parameter's name where there is one).
        positional: the positional-only parameters, which are always passed.
        reserved: names that must not arrive through `**kwargs`, None for a function without.
    """

    schema: dict[str, Any]
    validator: TypeValidator
    known: frozenset[str]
    positional: tuple[Parameter, ...]
    reserved: frozenset[str] | None

    @classmethod
    def of(cls, parameters: Parameters, texts: Mapping[str, str], label: str) -> Self:
        """The arguments of a function with these parameters, described by `texts` where they say nothing themselves.

        Raises:
            ToolDefinitionError: a type that JSON cannot carry; `label` names the function.
        """
        validator = _validator(parameters, label)
        properties: dict[str, dict[str, Any]] = dict(validator.schema["properties"])
        extra = properties.pop(_EXTRA, None)
        if len(properties) != len(parameters.named):
            raise ToolDefinitionError(f"{label}: two parameters have the same alias: give each its own")
        for parameter, shown in zip(parameters.named, properties.values(), strict=True):
            _describe(shown, parameter, texts)
        schema = {
            **validator.schema,
            "properties": properties,
            "additionalProperties": False if extra is None else extra["additionalProperties"],
        }
        if "$defs" in schema:  # last, where a reader expects it
            schema["$defs"] = schema.pop("$defs")
        renamed = {parameter.name for parameter in parameters.named if not parameter.positional} - properties.keys()
        return cls(
            inlined(schema),
            validator,
            frozenset(properties),
            tuple(parameter for parameter in parameters.named if parameter.positional),
            None if extra is None else parameters.reserved | renamed,
        )

    def bind(self, arguments: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The positional and keyword arguments of the call, without self and context.

        Raises:
            InvalidValue: they do not fit.
        """
        unknown = [name for name in arguments if name not in self.known]
        values = self._validated(arguments, unknown) if unknown else self.validator.validate(dict(arguments))
        args = [values.pop(parameter.name, parameter.default) for parameter in self.positional]
        return args, values

    def _validated(self, arguments: Mapping[str, Any], unknown: list[str]) -> dict[str, Any]:
        """The values where some names are not the function's: they are for `**kwargs`, or wrong."""
        refused = [name for name in unknown if self.reserved is None or name in self.reserved]
        problems = [Problem((name,), self._no_such_parameter(), arguments[name]) for name in refused]
        sent = {name: value for name, value in arguments.items() if name in self.known}
        sent[_EXTRA] = {name: arguments[name] for name in unknown if name not in refused}
        try:
            values: dict[str, Any] = self.validator.validate(sent)
        except InvalidValue as error:
            problems += [_outside(problem) for problem in error.problems]
        else:
            if not problems:
                extra: dict[str, Any] = values.pop(_EXTRA)
                return values | extra
        raise InvalidValue(problems)

    def _no_such_parameter(self) -> str:
        names = ", ".join(self.schema["properties"])
        return f"there is no such parameter; the parameters are {names}" if names else "there are no parameters"


def _validator(parameters: Parameters, label: str) -> TypeValidator:
    fields = {parameter.name: Field(parameter.annotation, parameter.required) for parameter in parameters.named}
    if parameters.extra is not None:
        of_all: Any = GenericAlias(dict, (str, parameters.extra.annotation))
        fields[_EXTRA] = Field(of_all, required=False)
    names = parameters.scope.around
    try:
        return object_validator(fields, names)
    except NotExpressible as error:
        culprit = _culprit(parameters, names)
        raise ToolDefinitionError(f"{label}: {culprit or error}") from error


def _culprit(parameters: Parameters, names: Mapping[str, Any]) -> str | None:
    """The sentence for the first parameter whose type is to blame."""
    annotations = {parameter.name: parameter.annotation for parameter in parameters.named}
    if parameters.extra is not None:
        annotations[f"**{parameters.extra.name}"] = parameters.extra.annotation
    for name, annotation in annotations.items():
        try:
            TypeValidator.of(annotation, names)
        except NotExpressible as error:
            return f"parameter {name}: {error}"
    return None


def _describe(shown: dict[str, Any], parameter: Parameter, texts: Mapping[str, str]) -> None:
    """Adds the docstring's text and the default to a property; what the annotation says itself wins."""
    if parameter.name in texts:
        shown.setdefault("description", texts[parameter.name])
    if parameter.default is EMPTY:
        return
    if parameter.default is None or type(parameter.default) in (str, int, bool):
        shown["default"] = parameter.default
        return
    try:
        default = to_jsonable_python(_in_order(parameter.default), bytes_mode="base64")
        _json.dumps(default)
    except ValueError:  # it stays a default of the function, only the model is not told its value
        return
    shown["default"] = default


def _in_order(value: Any) -> Any:
    """Sets sorted: the schema has to be the same in every process, or prompt caches miss."""
    return sorted(value, key=repr) if isinstance(value, set | frozenset) else value


def _outside(problem: Problem) -> Problem:
    inside = problem.path[:1] == (_EXTRA,)
    return Problem(problem.path[1:], problem.message, problem.value) if inside else problem
