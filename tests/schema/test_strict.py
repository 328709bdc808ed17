"""OpenAI's strict form: had where it says the same, refused where it would not."""

import copy
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit.schema import for_type, strict_schema


class Item(BaseModel):
    name: str
    amount: int | None


@dataclass
class Order:
    items: list[Item]
    first: Item


class Node(BaseModel):
    value: int
    next: "Node | None"


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


TEXT = {"type": "string"}
ITEM = closed(name=TEXT, amount={"anyOf": [{"type": "integer"}, {"type": "null"}]})
STRICT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "object"}, closed()),
    ({"type": "object", "properties": {"a": TEXT}, "required": ["a"]}, closed(a=TEXT)),
    (
        for_type(Order).schema,
        {
            **closed(items={"type": "array", "items": {"$ref": "#/$defs/Item"}}, first={"$ref": "#/$defs/Item"}),
            "$defs": {"Item": ITEM},
        },
    ),
    (
        for_type(Node).schema,
        {
            **closed(value={"type": "integer"}, next={"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}),
            "$defs": {
                "Node": closed(value={"type": "integer"}, next={"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]})
            },
        },
    ),
    (
        closed(a={"type": "string", "format": "binary", "contentEncoding": "base64", "examples": ["a"]}),
        closed(a=TEXT),
    ),
    (closed(a={"type": "string", "format": "date"}), closed(a={"type": "string", "format": "date"})),
    (closed(a={"$ref": "#/$defs/X", "description": "x"}), closed(a={"$ref": "#/$defs/X"})),
    (closed(a={"type": ["string", "null"], "default": None}), closed(a={"type": ["string", "null"]})),
    (closed(a={"enum": [1, "a"]}), closed(a={"enum": [1, "a"]})),
    (closed(a={"const": "x"}), closed(a={"const": "x"})),
    (
        closed(a={"type": "integer", "minimum": 1}, default={"type": "array", "items": TEXT, "maxItems": 3}),
        closed(a={"type": "integer", "minimum": 1}, default={"type": "array", "items": TEXT, "maxItems": 3}),
    ),
    (closed(a={"type": "object", "properties": {"b": TEXT}, "required": ["b"]}), closed(a=closed(b=TEXT))),
]
NOT_STRICT: list[dict[str, Any]] = [
    TEXT,
    {"anyOf": [closed(a=TEXT)]},
    {"type": "object", "properties": {"a": TEXT}},
    {"type": "object", "additionalProperties": True},
    {"type": "object", "additionalProperties": TEXT},
    closed(a={}),
    closed(a=True),
    closed(a={"type": "array"}),
    closed(a={"type": "array", "items": {}}),
    closed(a={"type": "array", "items": TEXT, "uniqueItems": True}),
    closed(a={"type": "array", "prefixItems": [TEXT]}),
    closed(a={"oneOf": [TEXT, {"type": "integer"}]}),
    closed(a={"allOf": [TEXT]}),
    closed(a={"anyOf": [TEXT], "minLength": 1}),
    closed(a={"type": "string", "minLength": 1}),
    closed(a={"type": "object", "properties": {"b": TEXT}}),
    closed(a={"type": "object", "additionalProperties": TEXT}),
    closed(a={"$ref": "#/$defs/X", "minimum": 1}),
    closed(a={"$ref": "other.json"}),
    closed(a={"type": "string", "x-own": 1}),
    {**closed(a=TEXT), "minProperties": 1},
    {**closed(a=TEXT), "patternProperties": {"^x": TEXT}},
    {**closed(a=TEXT), "required": ["a", "b"]},
]


@pytest.mark.parametrize(("schema", "expected"), STRICT)
def test_a_schema_that_has_a_strict_form_gets_it(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    before = copy.deepcopy(schema)
    assert strict_schema(schema) == expected
    assert schema == before
    assert strict_schema(expected) == expected


@pytest.mark.parametrize("schema", NOT_STRICT)
def test_a_schema_that_would_change_its_meaning_has_no_strict_form(schema: dict[str, Any]) -> None:
    assert strict_schema(schema) is None
