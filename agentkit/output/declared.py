"""What the caller declared as output, and how a value of it is told from anything else."""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentkit.context import RunContext
from agentkit.errors import OutputTypeError, ToolDefinitionError
from agentkit.schema import (
    FunctionSchema,
    InvalidValue,
    Problem,
    Validator,
    for_json_schema,
    for_type,
    function_schema,
    strict_schema,
)

_WRAPPED = "value"  # the key that carries an output that is no object, since every channel wants an object at the root


@dataclass(frozen=True, slots=True)
class Declared:
    """An output type, ready to be asked for.

    `schema` is what the model is shown, always an object's; `wrapped` says that the output is its only property.
    `function` is called with the validated arguments when the caller declared a function.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    validator: Validator[Any] | None
    wrapped: bool
    function: FunctionSchema | None = None
    body: Callable[..., Any] | None = None
    strict: Mapping[str, Any] | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "strict", strict_schema(self.schema))

    def value(self, decoded: Any) -> Any:
        """The caller's value (for a function: its bound arguments) of a decoded answer.

        Raises:
            InvalidValue: it does not fit.
        """
        if self.wrapped and isinstance(decoded, Mapping) and set(decoded) == {_WRAPPED}:
            decoded = decoded[_WRAPPED]
        if self.function is not None:
            return self.function.bind(_object(decoded))
        if self.validator is None:
            raise OutputTypeError(f"{self.name} has nothing to validate with")
        return self.validator.validate(decoded)


def declare(output: Any) -> Declared | None:
    """The declared output; None for plain text.

    Raises:
        OutputTypeError: it cannot be declared to a model; the message says what to do.
    """
    if output is str or output is None:
        return None
    if isinstance(output, Mapping):
        return _declare_schema(output)
    if inspect.isroutine(output) or isinstance(output, functools.partial):
        return _declare_function(output)
    return _declare_type(output)


def _declare_schema(schema: Mapping[str, Any]) -> Declared:
    validator = for_json_schema(schema)
    name = schema.get("title")
    title = _name(name) if isinstance(name, str) else "output"
    description = schema.get("description")
    return _declared(title, description if isinstance(description, str) else "", schema, validator)


def _declare_function(function: Callable[..., Any]) -> Declared:
    try:
        schema = function_schema(function, is_context=_is_context)
    except ToolDefinitionError as error:
        raise OutputTypeError(f"output={function!r}: {error}") from error
    return Declared(schema.name, schema.description, schema.parameters, None, False, schema, function)


def _declare_type(tp: Any) -> Declared:
    validator = for_type(tp)
    description = inspect.getdoc(tp) if isinstance(tp, type) and tp.__doc__ and not _is_generic(tp) else ""
    builtin = getattr(tp, "__module__", "") in ("builtins", "typing", "types", "datetime", "decimal", "uuid")
    return _declared(_name(tp), "" if builtin or not description else description, validator.schema, validator)


def _declared(name: str, description: str, schema: Mapping[str, Any], validator: Validator[Any]) -> Declared:
    if _is_object(schema):
        return Declared(name, description, schema, validator, False)
    inner = dict(schema)
    definitions = inner.pop("$defs", None)
    wrapped: dict[str, Any] = {
        "type": "object",
        "properties": {_WRAPPED: inner},
        "required": [_WRAPPED],
        "additionalProperties": False,
    }
    if definitions:
        wrapped["$defs"] = definitions
    return Declared(name, description, wrapped, validator, True)


def _is_object(schema: Mapping[str, Any]) -> bool:
    """Whether the root is an object itself; a union at the root is wrapped too, because strict channels refuse it."""
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target = schema.get("$defs", {}).get(reference.rpartition("/")[2], {})
        return False if not target else _is_object({**target, "$defs": {}})
    return schema.get("type") == "object" and "anyOf" not in schema and "oneOf" not in schema


def _name(tp: Any) -> str:
    text = tp if isinstance(tp, str) else getattr(tp, "__name__", None) or "output"
    if isinstance(tp, types.UnionType) or typing.get_origin(tp) is not None:
        text = "output"
    kept = "".join(
        character if character.isascii() and (character.isalnum() or character in "_-") else "_" for character in text
    )
    return kept[:64] or "output"


def _is_generic(tp: Any) -> bool:
    return typing.get_origin(tp) is not None


def _is_context(annotation: Any) -> bool:
    return annotation is RunContext or typing.get_origin(annotation) is RunContext


def _object(decoded: Any) -> Mapping[str, Any]:
    if isinstance(decoded, Mapping):
        return decoded
    raise InvalidValue([Problem((), "an object was expected", decoded)])
