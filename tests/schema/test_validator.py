"""Validators of single types and of JSON Schemas, driven with values and with texts."""

import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel, Field

from agentkit.schema import InvalidValue, Problem, for_json_schema, for_type


class Node(BaseModel):
    value: int
    next: "Node | None" = None


@dataclass
class Measured:
    when: date
    data: bytes
    size: float = 0.0


class Named(TypedDict):
    name: str


TYPES: list[tuple[Any, dict[str, Any], Any, Any]] = [
    (str, {"type": "string"}, "a", "a"),
    (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}, None, None),
    (Annotated[list[int], "some"], {"type": "array", "items": {"type": "integer"}, "description": "some"}, [1], [1]),
    (
        Measured,
        {
            "type": "object",
            "properties": {
                "when": {"type": "string", "format": "date"},
                "data": {"type": "string", "contentEncoding": "base64"},
                "size": {"type": "number", "default": 0.0},
            },
            "required": ["when", "data"],
        },
        {"when": "2024-02-29", "data": "YQ=="},
        Measured(date(2024, 2, 29), b"a"),
    ),
    (
        Named,
        {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        {"name": "a"},
        {"name": "a"},
    ),
    (
        Node,
        {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}], "default": None},
            },
            "required": ["value"],
            "$defs": {
                "Node": {
                    "type": "object",
                    "properties": {
                        "value": {"type": "integer"},
                        "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}], "default": None},
                    },
                    "required": ["value"],
                }
            },
        },
        {"value": 1, "next": {"value": 2}},
        Node(value=1, next=Node(value=2)),
    ),
    (
        dict[str, Node],
        {
            "type": "object",
            "additionalProperties": {"$ref": "#/$defs/Node"},
            "$defs": {
                "Node": {
                    "type": "object",
                    "properties": {
                        "value": {"type": "integer"},
                        "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}], "default": None},
                    },
                    "required": ["value"],
                }
            },
        },
        {"a": {"value": 1}},
        {"a": Node(value=1)},
    ),
]


@pytest.mark.parametrize(("tp", "schema", "sent", "value"), TYPES, ids=[str(row[0]) for row in TYPES])
def test_a_type_has_its_schema_and_its_value(tp: Any, schema: dict[str, Any], sent: Any, value: Any) -> None:
    validator = for_type(tp)
    assert validator.schema == schema
    assert validator.validate(sent) == value


def test_a_text_gives_what_the_decoded_value_gives() -> None:
    validator = for_type(Measured)
    expected = Measured(date(2024, 2, 29), b"a", 1.5)
    assert validator.validate_json('{"when":"2024-02-29","data":"YQ==","size":1.5}') == expected
    assert validator.validate_json(b'{"when":"2024-02-29","data":"YQ==","size":1.5}') == expected
    assert validator.validate({"when": "2024-02-29", "data": "YQ==", "size": 1.5}) == expected


@pytest.mark.parametrize("schema_first", [False, True], ids=["type", "json schema"])
@pytest.mark.parametrize(
    "text", ["", "{", "{'a': 1}", '{"a": 1} x', b'"\xff"', "[" * 5_000 + "]" * 5_000, "9" * 5_000, b"\xff\xfe"]
)
def test_a_text_that_is_not_json_is_an_invalid_value(text: str | bytes, schema_first: bool) -> None:
    validator = for_json_schema({"type": "object"}) if schema_first else for_type(dict[str, int])
    with pytest.raises(InvalidValue) as caught:
        validator.validate_json(text)
    assert [problem.path for problem in caught.value.problems] == [()]


def test_a_value_that_json_cannot_carry_is_an_invalid_value() -> None:
    circular: list[Any] = []
    circular.append(circular)
    for value in (object(), {"a": {1, object()}}, circular):
        with pytest.raises(InvalidValue):
            for_type(Any).validate(value)


def test_a_model_that_is_used_directly_ignores_unknown_fields_as_its_schema_says() -> None:
    assert "additionalProperties" not in for_type(Node).schema
    assert for_type(Node).validate({"value": 1, "other": 2}) == Node(value=1)


def test_a_json_schema_returns_the_value_as_it_came_and_tells_problems_with_paths() -> None:
    schema = {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": {"type": "object", "properties": {"price": {"type": "number"}}}},
            "size": {"type": "string", "maxLength": 2},
            "unit": {"enum": ["c", "f"]},
            "either": {"anyOf": [{"type": "integer"}, {"type": "object", "properties": {"x": {"type": "integer"}}}]},
            "nothing": {"type": "string"},
        },
        "required": ["items", "name", "date"],
        "additionalProperties": False,
    }
    validator = for_json_schema(schema)
    value = {"items": [], "name": 1, "date": 2}
    with pytest.raises(InvalidValue) as caught:
        validator.validate(value)
    assert [str(problem) for problem in caught.value.problems] == [
        "additional properties are not allowed ('date', 'name' were unexpected)"
    ]
    with pytest.raises(InvalidValue) as caught:
        validator.validate(
            {"items": [{}, {"price": "abc"}], "size": "xyz", "unit": "k", "either": {"x": "a"}, "nothing": None}
        )
    assert [str(problem) for problem in caught.value.problems] == [
        "items[1].price: input is not of type 'number' (got 'abc')",
        "size: input is too long (got 'xyz')",
        "unit: input is not one of ['c', 'f'] (got 'k')",
        "either.x: input is not of type 'integer' (got 'a')",
        "nothing: input is not of type 'string' (got null)",
        "name: field required",
        "date: field required",
    ]
    fine = {"a": [1, {"b": None}]}
    assert for_json_schema({}).validate(fine) is fine
    assert for_json_schema({"type": "integer"}).validate_json("7") == 7


def test_the_messages_of_a_json_schema_stay_short() -> None:
    with pytest.raises(InvalidValue) as caught:
        for_json_schema({"type": "integer"}).validate("x" * 100_000)
    assert caught.value.problems == (Problem((), "input is not of type 'integer'", "x" * 100_000),)
    with pytest.raises(InvalidValue) as caught:
        for_json_schema({"enum": [str(number) for number in range(10_000)]}).validate("x")
    assert len(str(caught.value)) < 400


def test_a_json_schema_that_never_ends_is_an_invalid_value() -> None:
    with pytest.raises(InvalidValue, match="nested too deeply"):
        for_json_schema({"$ref": "#"}).validate(1)


def test_a_json_schema_is_copied() -> None:
    schema: dict[str, Any] = {"type": "integer"}
    validator = for_json_schema(schema)
    schema["type"] = "string"
    assert validator.schema == {"type": "integer"}
    assert validator.validate(1) == 1


def test_the_draft_is_the_one_that_the_schema_names() -> None:
    def accepts(schema: dict[str, Any], value: Any) -> bool:
        try:
            for_json_schema(schema).validate(value)
        except InvalidValue:
            return False
        return True

    tuples = {"items": [{"type": "integer"}]}
    assert not accepts({"$schema": "http://json-schema.org/draft-07/schema#", **tuples}, ["a"])
    assert not accepts({"prefixItems": [{"type": "integer"}]}, ["a"])
    assert accepts({"format": "date"}, "no date")


def test_importing_the_room_loads_neither_pydantic_nor_jsonschema_nor_docstring_parser() -> None:
    program = (
        "import sys, agentkit.schema\n"
        "print([name for name in ('pydantic', 'jsonschema', 'docstring_parser', 'httpx') if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout == "[]\n"


def test_a_field_description_survives_beside_a_text() -> None:
    tp = Annotated[int, Field(ge=1), "how many"]
    assert for_type(tp).schema == {"type": "integer", "minimum": 1, "description": "how many"}
