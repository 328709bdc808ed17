"""Python types through pydantic: a validator and a schema for one type or for the parameters of a function.

Everything is validated as JSON text, also values that are decoded already: pydantic's Python mode has other rules (a
strict model would refuse a date that is a string), and writing the text again costs less than a microsecond.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NewType, NotRequired, Self

import typing_extensions
from pydantic import ConfigDict, TypeAdapter
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import CoreConfig, SchemaError, SchemaValidator, ValidationError, core_schema, to_json

from agentkit import _json
from agentkit.schema.definitions import inlined
from agentkit.schema.expressible import NotExpressible, refusal, type_name
from agentkit.schema.normal import normal
from agentkit.schema.plain import Plain, plain
from agentkit.schema.problem import InvalidValue, Problem
from agentkit.schema.reasons import problems_of
from agentkit.schema.writer import SchemaWriter

_CONFIG = ConfigDict(allow_inf_nan=False, val_json_bytes="base64")
"""JSON has no NaN and no bytes. Dataclasses and TypedDicts without a config take this; models keep their own."""
_CORE_CONFIG = CoreConfig(allow_inf_nan=False, val_json_bytes="base64")


@dataclass(frozen=True, slots=True)
class TypeValidator:
    """The `Validator` of one Python type."""

    schema: dict[str, Any]
    parse: Callable[[str | bytes], Any]  # pydantic-core's validate_json

    @classmethod
    def of(cls, tp: Any, names: Mapping[str, Any] | None = None) -> Self:
        """The validator of a type; `names` resolves forward references that the type's own module does not.

        Raises:
            NotExpressible: JSON cannot carry it.
        """
        if (simple := plain(tp)) is not None:
            return cls(simple.json, SchemaValidator(simple.core, _CORE_CONFIG).validate_json)
        adapter = _adapter(normal(tp, names or {}), names or {}, shown=tp)
        return cls(inlined(_written(adapter, shown=tp)), adapter.validator.validate_json)

    def validate(self, value: Any) -> Any:
        """See `Validator.validate`."""
        return self.validate_json(_text(value))

    def validate_json(self, text: str | bytes) -> Any:
        """See `Validator.validate_json`."""
        try:
            return self.parse(text)
        except ValidationError as error:
            raise InvalidValue(problems_of(error, text)) from None


@dataclass(frozen=True, slots=True)
class Field:
    """A named value in an object: its type, and whether it may be left out."""

    annotation: Any
    required: bool


def object_validator(fields: Mapping[str, Field], names: Mapping[str, Any]) -> TypeValidator:
    """The validator of an object with these fields, in this order; absent ones stay absent, unknown ones are dropped.

    The schema's definitions are not inlined yet: the caller may still add to the properties.

    Raises:
        NotExpressible: JSON cannot carry one of the types.
    """
    shapes: dict[str, Plain] = {}
    for name, field in fields.items():
        if (shape := plain(field.annotation)) is None:
            return _object(fields, names)
        shapes[name] = shape
    return _plain_object(fields, shapes)


def _plain_object(fields: Mapping[str, Field], shapes: Mapping[str, Plain]) -> TypeValidator:
    core = core_schema.typed_dict_schema(
        {
            name: core_schema.typed_dict_field(shapes[name].core, required=field.required)
            for name, field in fields.items()
        },
        config=_CORE_CONFIG,  # an object without its own config does not pass the validator's on to its fields
    )
    schema: dict[str, Any] = {"type": "object", "properties": {name: shape.json for name, shape in shapes.items()}}
    if required := [name for name, field in fields.items() if field.required]:
        schema["required"] = required
    return TypeValidator(schema, SchemaValidator(core, _CORE_CONFIG).validate_json)


def _object(fields: Mapping[str, Field], names: Mapping[str, Any]) -> TypeValidator:
    annotations: dict[str, Any] = {}
    for name, field in fields.items():
        tp = normal(field.annotation, names)
        annotations[name] = tp if field.required else NotRequired[tp]
    make: Any = typing_extensions.TypedDict
    adapter = _adapter(make("Fields", annotations), names, shown=dict)
    return TypeValidator(_written(adapter, shown=dict), adapter.validator.validate_json)


def _adapter(tp: Any, names: Mapping[str, Any], *, shown: Any) -> TypeAdapter[Any]:
    # A new type of the type: beside a bare dataclass or TypedDict pydantic refuses a config, inside it passes it on.
    new_type: Any = NewType
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(new_type("Value", tp), config=_CONFIG)
        if not adapter.pydantic_complete:
            adapter.rebuild(_types_namespace=dict(names))
    except PydanticUndefinedAnnotation as error:
        raise NotExpressible(
            f"the type {type_name(shown)} names {error.name!r}, which is not defined: define it before it is used here"
        ) from error
    except (PydanticUserError, SchemaError, TypeError) as error:
        raise NotExpressible(refusal(shown, error)) from error
    return adapter


def _written(adapter: TypeAdapter[Any], *, shown: Any) -> dict[str, Any]:
    try:
        return adapter.json_schema(schema_generator=SchemaWriter)
    except PydanticUserError as error:
        raise NotExpressible(refusal(shown, error)) from error


def _text(value: Any) -> bytes:
    try:
        return to_json(value, inf_nan_mode="constants")
    except (ValueError, RecursionError):  # a lone surrogate among others: the slower encoder replaces it
        pass
    try:
        return _json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValue([Problem((), f"input should be a JSON value: {error}")]) from None
