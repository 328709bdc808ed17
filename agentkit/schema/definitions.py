"""`$defs` kept only where they are needed: several gateways and models follow references badly."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

_MAPS = ("properties", "patternProperties", "$defs", "dependentSchemas")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_PREFIX = "#/$defs/"


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema with every definition that is used once put in its place; shared and recursive ones stay.

    A reference at the root is always resolved: gateways want to see an object there.
    """
    definitions: dict[str, Any] = schema.get("$defs", {})
    if not definitions:
        return schema
    root = _merged(schema, definitions)
    uses = Counter(_references(root))

    def put_in_place(part: dict[str, Any]) -> dict[str, Any]:
        name = _name(part)
        if name is None or uses[name] != 1:
            return part
        return put_in_place(_merged(part, definitions))

    result = _rewritten(root, put_in_place)
    kept = {name: part for name, part in result.pop("$defs").items() if uses[name] > 1}
    return {**result, "$defs": kept} if kept else result


def _merged(part: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The reference's target; what stands beside the reference (description, default) wins."""
    name = _name(part)
    if name is None:
        return part
    return {**definitions[name], **{key: value for key, value in part.items() if key != "$ref"}}


def _name(part: dict[str, Any]) -> str | None:
    reference = part.get("$ref")
    return reference.removeprefix(_PREFIX) if isinstance(reference, str) and reference.startswith(_PREFIX) else None


def _references(part: Any) -> Iterator[str]:
    if not isinstance(part, dict):
        return
    if (name := _name(part)) is not None:
        yield name
    for child in _children(part):
        yield from _references(child)


def _children(part: dict[str, Any]) -> Iterator[Any]:
    for key in _MAPS:
        yield from part.get(key, {}).values()
    for key in _LISTS:
        yield from part.get(key, [])
    for key in _SINGLE:
        if key in part:
            yield part[key]


def _rewritten(part: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if not isinstance(part, dict):
        return part
    result = dict(change(part))
    for key in _MAPS:
        if key in result:
            result[key] = {name: _rewritten(child, change) for name, child in result[key].items()}
    for key in _LISTS:
        if key in result:
            result[key] = [_rewritten(child, change) for child in result[key]]
    for key in _SINGLE:
        if key in result:
            result[key] = _rewritten(result[key], change)
    return result
