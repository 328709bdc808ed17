"""The subset of JSON Schema that Anthropic's structured output and strict tools take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agentkit.emulator.surfaces.node import Node

_REFUSED: Mapping[str, tuple[str, ...]] = {
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength"),
    "array": ("maxItems", "uniqueItems", "contains", "prefixItems"),
    "object": ("minProperties", "maxProperties", "patternProperties", "propertyNames"),
}
_NOWHERE = ("oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "unevaluatedProperties")
_INSIDE = ("properties", "$defs", "definitions")
_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")


def refuse_loose(schema: Node) -> None:
    """Raises `Invalid` for a schema that is outside the subset."""
    for one in _walk(schema):
        _check(one)
    _refuse_recursion(schema)


def _check(schema: Node) -> None:
    given = schema.mapping()
    kind = given.get("type")
    kinds = [name for name in (kind if isinstance(kind, list) else [kind]) if isinstance(name, str)]
    for word in _NOWHERE:
        if word in given:
            raise schema.says(f"'{word}' is not supported")
    for name in kinds:
        if found := [word for word in _REFUSED.get(name, ()) if word in given]:
            raise schema.says(f"For '{name}' type, properties {', '.join(found)} are not supported")
    if "object" in kinds and given.get("additionalProperties") is not False:
        raise schema.says("For 'object' type, 'additionalProperties' must be explicitly set to false")
    if "array" in kinds and given.get("minItems", 0) not in (0, 1):
        raise schema.says("For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    if "format" in given and given["format"] not in _FORMATS:
        raise schema.says(f"String format {given['format']!r} is not supported")
    if "$ref" in given and not str(given["$ref"]).startswith("#"):
        raise schema.says("External $ref is not supported")


def _walk(schema: Node) -> Iterator[Node]:
    """Every subschema, itself first."""
    yield schema
    for word in _INSIDE:
        if inner := schema.get(word):
            for name in inner.mapping():
                yield from _walk(inner.need(name))
    for word in ("anyOf", "allOf"):
        if branches := schema.get(word):
            for branch in branches.items():
                yield from _walk(branch)
    if items := schema.get("items"):
        yield from _walk(items)


def _refuse_recursion(schema: Node) -> None:
    """Raises `Invalid` when a definition leads back to itself."""
    leads: dict[str, set[str]] = {"#": _references(schema)}
    for word in ("$defs", "definitions"):
        if inner := schema.get(word):
            leads |= {f"#/{word}/{name}": _references(inner.need(name)) for name in inner.mapping()}
    for start in leads:
        reached, left = set[str](), set(leads[start])
        while left:
            one = left.pop()
            reached.add(one)
            left |= leads.get(one, set()) - reached
        if start in reached:
            raise schema.says(f"Circular reference detected in schema definitions: {start}")


def _references(schema: Node) -> set[str]:
    return {str(one.value["$ref"]) for one in _walk(schema) if "$ref" in one.value}
