"""OpenAI's strict subset of JSON Schema: what `strict: true` asks of a schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentkit.emulator.dialects import Problem

_REFUSED = (
    "oneOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "patternProperties",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
    "dependentRequired",
    "dependentSchemas",
    "uniqueItems",
    "contains",
    "minProperties",
    "maxProperties",
)
_MAX_DEPTH = 10
_MAX_PROPERTIES = 5000


def check_strict(schema: Mapping[str, Any], path: str, owner: str) -> Iterator[Problem]:
    """What puts `schema` outside the strict subset. `owner` is whose schema it is, for the message."""
    for context, complaint in _complaints(schema):
        at = ", ".join(repr(step) for step in context)
        yield Problem(f"Invalid schema for {owner}: In context=({at}), {complaint}", path)


def _complaints(schema: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    if schema.get("type") != "object" or "anyOf" in schema:
        yield (), f"the root of a strict schema must be of type 'object' and not an anyOf, got {schema.get('type')!r}"
    properties = 0
    for context, part, depth in _walk(schema, (), 0):
        properties += len(_mapping(part, "properties"))
        if depth > _MAX_DEPTH:
            yield context, f"the schema is nested more than {_MAX_DEPTH} levels deep"
            return
        yield from ((context, complaint) for complaint in _of_one(part))
    if properties > _MAX_PROPERTIES:
        yield (), f"the schema has {properties} properties; {_MAX_PROPERTIES} are allowed"


def _of_one(part: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{word!r} is not permitted" for word in _REFUSED if word in part)
    if "$ref" in part and len(part) > 1:
        others = ", ".join(sorted(set(part) - {"$ref"}))
        yield f"'$ref' cannot have other keywords beside it: {others}"
    if not ("properties" in part or _is_object(part.get("type"))):
        return
    if part.get("additionalProperties") is not False:
        yield "'additionalProperties' is required to be supplied and to be false."
    if not isinstance(part.get("properties", {}), Mapping):
        yield "'properties' must be an object."
    names, required = set(_mapping(part, "properties")), part.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield "'required' must be an array of strings."
        return
    if missing := sorted(names.difference(required)):
        text = "'required' is required to be supplied and to be an array including every key in properties."
        yield f"{text} Missing {missing[0]!r}."
    if extra := sorted(set(required) - names):
        yield f"'required' names {extra[0]!r}, which is not among the properties."


def _mapping(schema: Mapping[str, Any], word: str) -> Mapping[str, Any]:
    value = schema.get(word)
    return value if isinstance(value, Mapping) else {}


def _is_object(kind: object) -> bool:
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def _walk(
    schema: object, context: tuple[str, ...], depth: int
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any], int]]:
    """Every subschema with its place and how many objects it lies in."""
    if not isinstance(schema, Mapping):
        return
    yield context, schema, depth
    for word in ("properties", "$defs", "definitions"):
        for name, inner in _mapping(schema, word).items():
            yield from _walk(inner, (*context, word, name), depth + (word == "properties"))
    branches = schema.get("anyOf")
    for index, inner in enumerate(branches if isinstance(branches, list) else ()):
        yield from _walk(inner, (*context, "anyOf", str(index)), depth)
    yield from _walk(schema.get("items"), (*context, "items"), depth)
