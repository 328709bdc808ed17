"""A schema in OpenAI's strict form, where the form can be had without changing which values it accepts.

Closing objects that were left open is the one change: dataclasses, TypedDicts and pydantic models ignore unknown
fields, and strict servers want to hear that there are none. Making optional fields nullable and filling them back is
not done here.
"""

from collections.abc import Mapping
from typing import Any

_DROPPED = frozenset(
    {
        "$schema",
        "$comment",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "contentEncoding",
        "contentMediaType",
    }
)
"""Keywords that accept everything: they may go without changing what is valid."""
_KEPT = frozenset(
    {
        "title",
        "description",
        "type",
        "enum",
        "const",
        "pattern",
        "multipleOf",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minItems",
        "maxItems",
    }
)
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_ANNOTATIONS = frozenset({"title", "description"})


class _NotStrict(Exception):
    """There is no strict form."""


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The strict form of a schema whose root is an object; None where there is none.

    It accepts what the schema accepts, except for fields that the schema does not name. The schema is not changed.
    """
    if schema.get("type") != "object":
        return None
    try:
        return _strict(schema)
    except _NotStrict:
        return None


def _strict(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, Mapping):  # true or false
        raise _NotStrict
    if "$ref" in schema:
        return _reference(schema)
    result: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _DROPPED:
            continue
        result |= _keyword(keyword, value)
    return _typed(result)


def _keyword(keyword: str, value: Any) -> dict[str, Any]:
    match keyword:
        case "properties" | "$defs":
            return {keyword: {name: _strict(part) for name, part in value.items()}}
        case "items":
            return {keyword: _strict(value)}
        case "anyOf":
            return {keyword: [_strict(part) for part in value]}
        case "required":
            return {keyword: list(value)}
        case "additionalProperties" if value is False:
            return {keyword: False}
        case "format":  # an annotation in 2020-12; servers refuse those they do not know
            return {keyword: value} if value in _FORMATS else {}
        case _ if keyword in _KEPT:
            return {keyword: value}
        case _:
            raise _NotStrict


def _typed(result: dict[str, Any]) -> dict[str, Any]:
    """Checks that the form says which type it is, and closes it where that is an object."""
    if "anyOf" in result:
        if not result.keys() <= _ANNOTATIONS | {"anyOf"}:
            raise _NotStrict
        return result
    kinds = result.get("type")
    if kinds is None:
        if "enum" in result or "const" in result:
            return result
        raise _NotStrict
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind == "object":
            result = _closed(result)
        elif kind == "array" and "items" not in result:
            raise _NotStrict
    return result


def _closed(result: dict[str, Any]) -> dict[str, Any]:
    properties = result.get("properties", {})
    if set(result.get("required", ())) != set(properties):
        raise _NotStrict
    return {**result, "properties": properties, "required": list(properties), "additionalProperties": False}


def _reference(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Servers take no keyword beside a reference; descriptions may go, anything else would change the meaning."""
    if not schema.keys() <= _DROPPED | _ANNOTATIONS | {"$ref"} or not schema["$ref"].startswith(("#/$defs/", "#")):
        raise _NotStrict
    return {"$ref": schema["$ref"]}
