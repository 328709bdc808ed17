"""One row per parameter shape: the function, the whole schema that a model is shown, a call and what the body gets."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict, Union, Unpack
from uuid import UUID

import pytest
from annotated_types import Ge
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict as ExtendedTypedDict

from agentkit.schema import FunctionSchema, function_schema


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: float
    y: Annotated[float, "metres to the north"] = 0.0


@dataclass
class Basket:
    items: list[Point]
    tags: set[str] = dataclass_field(default_factory=set)


class Address(TypedDict):
    """Where someone lives."""

    street: Annotated[str, "with the number"]
    city: NotRequired[str]


class Extended(ExtendedTypedDict):
    street: str
    city: NotRequired[Annotated[str, "the town"]]


class Item(BaseModel):
    name: str
    price: Decimal = Field(gt=0, description="in euros")
    title: Annotated[str, "how it is shown"] = "none"


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    day: date
    count: int


class Node(BaseModel):
    """A node of a tree."""

    value: int
    children: list["Node"] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]


class Options(TypedDict, total=False):
    depth: int
    color: Annotated[str, "its color"]


def schema_of(function: Callable[..., Any]) -> FunctionSchema:
    return function_schema(function, is_context=lambda annotation: False)


def one(shape: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """The schema of a function with the one parameter `value`."""
    names = {"required": ["value"]} if required else {}
    return {"type": "object", "properties": {"value": shape}, **names, "additionalProperties": False}


def text(value: str) -> None: ...
def number(value: float) -> None: ...
def flag(value: bool) -> None: ...
def anything(value: Any) -> None: ...
def nothing(value: None) -> None: ...
def default_text(value: str = "x") -> None: ...
def default_enum(value: Color = Color.BLUE) -> None: ...
def default_set(value: set[str] = {"c", "a", "b"}) -> None: ...  # noqa: B006
def default_object(value: Any = object()) -> None: ...  # noqa: B008
def default_nan(value: float = float("nan")) -> None: ...
def default_date(value: date = date(2024, 2, 29)) -> None: ...
def literal(value: Literal["c", "f"]) -> None: ...
def one_literal(value: Literal["c"]) -> None: ...
def mixed_literal(value: Literal[1, "a"]) -> None: ...
def enumeration(value: Color) -> None: ...
def optional(value: Optional[int] = None) -> None: ...  # noqa: UP045
def union(value: Union[int, str, None]) -> None: ...  # noqa: UP007
def new_union(value: int | list[str]) -> None: ...
def texts(value: list[str]) -> None: ...
def bare_list(value: list) -> None: ...  # type: ignore[type-arg]
def sequence(value: Sequence[int]) -> None: ...
def mapping(value: dict[str, list[int]]) -> None: ...
def keyed_by_number(value: dict[int, str]) -> None: ...
def unique(value: set[int]) -> None: ...
def frozen(value: frozenset[str]) -> None: ...
def pair(value: tuple[int, str]) -> None: ...
def row(value: tuple[int, ...]) -> None: ...
def point(value: Point) -> None: ...
def basket(value: Basket) -> None: ...
def address(value: Address) -> None: ...
def addresses(value: list[Address]) -> None: ...
def extended(value: Extended) -> None: ...
def model(value: Item) -> None: ...
def models(value: list[Item]) -> None: ...
def strict_model(value: Strict) -> None: ...
def recursive(value: Node) -> None: ...
def tagged(value: Annotated[Cat | Dog, Field(discriminator="kind")]) -> None: ...
def moment(value: datetime) -> None: ...
def day(value: date) -> None: ...
def span(value: timedelta) -> None: ...
def uuid(value: UUID) -> None: ...
def decimal(value: Decimal) -> None: ...
def data(value: bytes) -> None: ...
def described(value: Annotated[int, "how many"]) -> None: ...
def described_inside(value: list[Annotated[int, "one of them"]]) -> None: ...
def described_model(value: Annotated[Point, "the start"]) -> None: ...
def described_optional(value: Annotated[int | None, "how many"] = None) -> None: ...
def field(value: Annotated[int, Field(ge=1, le=9, description="a digit")]) -> None: ...
def annotated_types(value: Annotated[int, Ge(1), "at least one"]) -> None: ...
def field_default(value: int = Field(3, ge=1, description="how many")) -> None: ...
def field_factory(value: list[int] = Field(default_factory=lambda: [7])) -> None: ...  # noqa: B008
def field_required(value: str = Field(min_length=2)) -> None: ...
def alias(value: Annotated[int, Field(alias="fromDay")] = 1) -> None: ...
def keyword(*, value: int) -> None: ...


START = datetime(2024, 2, 29, 12, 30, tzinfo=timezone.utc)  # noqa: UP017
IDENTITY = UUID("12345678-1234-5678-1234-567812345678")
POINT = {
    "type": "object",
    "properties": {
        "x": {"type": "number"},
        "y": {"type": "number", "default": 0.0, "description": "metres to the north"},
    },
    "required": ["x"],
}
ITEM = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "price": {
            "anyOf": [{"type": "number", "exclusiveMinimum": 0.0}, {"type": "string"}],
            "description": "in euros",
        },
        "title": {"type": "string", "default": "none", "description": "how it is shown"},
    },
    "required": ["name", "price"],
}
ADDRESS = {
    "type": "object",
    "description": "Where someone lives.",
    "properties": {"street": {"type": "string", "description": "with the number"}, "city": {"type": "string"}},
    "required": ["street"],
}
NODE = {
    "type": "object",
    "description": "A node of a tree.",
    "properties": {
        "value": {"type": "integer"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}, "default": []},
    },
    "required": ["value"],
}
SHAPES: list[tuple[Callable[..., Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (text, one({"type": "string"}), {"value": "a"}, {"value": "a"}),
    (number, one({"type": "number"}), {"value": 1}, {"value": 1.0}),
    (flag, one({"type": "boolean"}), {"value": True}, {"value": True}),
    (anything, one({}), {"value": [1, None]}, {"value": [1, None]}),
    (nothing, one({"type": "null"}), {"value": None}, {"value": None}),
    (default_text, one({"type": "string", "default": "x"}, required=False), {}, {}),
    (
        default_enum,
        one({"type": "string", "enum": ["red", "blue"], "default": "blue"}, required=False),
        {"value": "red"},
        {"value": Color.RED},
    ),
    (
        default_set,
        one(
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "default": ["a", "b", "c"]},
            required=False,
        ),
        {},
        {},
    ),
    (default_object, one({}, required=False), {}, {}),
    (default_nan, one({"type": "number"}, required=False), {}, {}),
    (
        default_date,
        one({"type": "string", "format": "date", "default": "2024-02-29"}, required=False),
        {"value": "2025-01-01"},
        {"value": date(2025, 1, 1)},
    ),
    (literal, one({"type": "string", "enum": ["c", "f"]}), {"value": "f"}, {"value": "f"}),
    (one_literal, one({"type": "string", "const": "c"}), {"value": "c"}, {"value": "c"}),
    (mixed_literal, one({"enum": [1, "a"]}), {"value": 1}, {"value": 1}),
    (enumeration, one({"type": "string", "enum": ["red", "blue"]}), {"value": "blue"}, {"value": Color.BLUE}),
    (
        optional,
        one({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}, required=False),
        {"value": None},
        {"value": None},
    ),
    (
        union,
        one({"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}),
        {"value": "7"},
        {"value": "7"},
    ),
    (
        new_union,
        one({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "string"}}]}),
        {"value": ["a"]},
        {"value": ["a"]},
    ),
    (texts, one({"type": "array", "items": {"type": "string"}}), {"value": ["a"]}, {"value": ["a"]}),
    (bare_list, one({"type": "array", "items": {}}), {"value": ["a", 1]}, {"value": ["a", 1]}),
    (sequence, one({"type": "array", "items": {"type": "integer"}}), {"value": [1]}, {"value": [1]}),
    (
        mapping,
        one({"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}}),
        {"value": {"a": [1]}},
        {"value": {"a": [1]}},
    ),
    (
        keyed_by_number,
        one({"type": "object", "additionalProperties": {"type": "string"}}),
        {"value": {"1": "a"}},
        {"value": {1: "a"}},
    ),
    (
        unique,
        one({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        {"value": [2, 1]},
        {"value": {1, 2}},
    ),
    (
        frozen,
        one({"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        {"value": ["a"]},
        {"value": frozenset({"a"})},
    ),
    (
        pair,
        one({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2}),
        {"value": [1, "a"]},
        {"value": (1, "a")},
    ),
    (row, one({"type": "array", "items": {"type": "integer"}}), {"value": [1, 2]}, {"value": (1, 2)}),
    (point, one(POINT), {"value": {"x": 1}}, {"value": Point(1.0)}),
    (
        basket,
        one(
            {
                "type": "object",
                "properties": {
                    "items": {"type": "array", "items": POINT},
                    "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
                },
                "required": ["items"],
            }
        ),
        {"value": {"items": [{"x": 1, "y": 2}], "tags": ["a"]}},
        {"value": Basket([Point(1.0, 2.0)], {"a"})},
    ),
    (address, one(ADDRESS), {"value": {"street": "A 1"}}, {"value": {"street": "A 1"}}),
    (
        addresses,
        one({"type": "array", "items": ADDRESS}),
        {"value": [{"street": "A 1", "city": "B"}]},
        {"value": [{"street": "A 1", "city": "B"}]},
    ),
    (
        extended,
        one(
            {
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string", "description": "the town"}},
                "required": ["street"],
            }
        ),
        {"value": {"street": "A 1"}},
        {"value": {"street": "A 1"}},
    ),
    (model, one(ITEM), {"value": {"name": "a", "price": "1.5"}}, {"value": Item(name="a", price=Decimal("1.5"))}),
    (
        models,
        one({"type": "array", "items": ITEM}),
        {"value": [{"name": "a", "price": 2}]},
        {"value": [Item(name="a", price=Decimal(2))]},
    ),
    (
        strict_model,
        one(
            {
                "type": "object",
                "properties": {"day": {"type": "string", "format": "date"}, "count": {"type": "integer"}},
                "required": ["day", "count"],
                "additionalProperties": False,
            }
        ),
        {"value": {"day": "2024-02-29", "count": 1}},
        {"value": Strict(day=date(2024, 2, 29), count=1)},
    ),
    (
        recursive,
        {**one({"$ref": "#/$defs/Node"}), "$defs": {"Node": NODE}},
        {"value": {"value": 1, "children": [{"value": 2}]}},
        {"value": Node(value=1, children=[Node(value=2)])},
    ),
    (
        tagged,
        one(
            {
                "oneOf": [
                    {
                        "type": "object",
                        "properties": {"kind": {"type": "string", "const": "cat"}, "lives": {"type": "integer"}},
                        "required": ["kind", "lives"],
                    },
                    {
                        "type": "object",
                        "properties": {"kind": {"type": "string", "const": "dog"}},
                        "required": ["kind"],
                    },
                ]
            }
        ),
        {"value": {"kind": "cat", "lives": 9}},
        {"value": Cat(kind="cat", lives=9)},
    ),
    (moment, one({"type": "string", "format": "date-time"}), {"value": "2024-02-29T12:30:00Z"}, {"value": START}),
    (day, one({"type": "string", "format": "date"}), {"value": "2024-02-29"}, {"value": date(2024, 2, 29)}),
    (span, one({"type": "string", "format": "duration"}), {"value": "PT1H"}, {"value": timedelta(hours=1)}),
    (uuid, one({"type": "string", "format": "uuid"}), {"value": str(IDENTITY)}, {"value": IDENTITY}),
    (
        decimal,
        one({"anyOf": [{"type": "number"}, {"type": "string"}]}),
        {"value": "0.10"},
        {"value": Decimal("0.10")},
    ),
    (data, one({"type": "string", "contentEncoding": "base64"}), {"value": "+/8="}, {"value": b"\xfb\xff"}),
    (described, one({"type": "integer", "description": "how many"}), {"value": 1}, {"value": 1}),
    (
        described_inside,
        one({"type": "array", "items": {"type": "integer", "description": "one of them"}}),
        {"value": [1]},
        {"value": [1]},
    ),
    (described_model, one({**POINT, "description": "the start"}), {"value": {"x": 1}}, {"value": Point(1.0)}),
    (
        described_optional,
        one(
            {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "how many", "default": None},
            required=False,
        ),
        {"value": 1},
        {"value": 1},
    ),
    (
        field,
        one({"type": "integer", "minimum": 1, "maximum": 9, "description": "a digit"}),
        {"value": 9},
        {"value": 9},
    ),
    (
        annotated_types,
        one({"type": "integer", "minimum": 1, "description": "at least one"}),
        {"value": 1},
        {"value": 1},
    ),
    (
        field_default,
        one({"type": "integer", "minimum": 1, "description": "how many", "default": 3}, required=False),
        {},
        {"value": 3},
    ),
    (field_factory, one({"type": "array", "items": {"type": "integer"}}, required=False), {}, {"value": [7]}),
    (field_required, one({"type": "string", "minLength": 2}), {"value": "ab"}, {"value": "ab"}),
    (
        alias,
        {
            "type": "object",
            "properties": {"fromDay": {"type": "integer", "default": 1}},
            "additionalProperties": False,
        },
        {"fromDay": 2},
        {"value": 2},
    ),
    (keyword, one({"type": "integer"}), {"value": 1}, {"value": 1}),
]


@pytest.mark.parametrize(("function", "schema", "sent", "passed"), SHAPES, ids=[row[0].__name__ for row in SHAPES])
def test_a_parameter_has_its_schema_and_its_value(
    function: Callable[..., Any], schema: dict[str, Any], sent: dict[str, Any], passed: dict[str, Any]
) -> None:
    definition = schema_of(function)
    assert definition.parameters == schema
    assert definition.bind(sent) == ([], passed)


def test_the_properties_stand_in_the_order_of_the_signature_also_when_pydantic_builds_them() -> None:
    def plain(zebra: int, apple: str = "", mango: bool = False) -> None: ...
    def mixed(zebra: int, apple: Color, mango: bool = False) -> None: ...

    for function in (plain, mixed):
        assert list(schema_of(function).parameters["properties"]) == ["zebra", "apple", "mango"]


def test_a_type_used_twice_stays_a_definition_and_one_used_once_is_put_in_its_place() -> None:
    def route(start: Point, end: Annotated[Point, "the goal"], color: Color) -> None: ...

    assert schema_of(route).parameters == {
        "type": "object",
        "properties": {
            "start": {"$ref": "#/$defs/Point"},
            "end": {"$ref": "#/$defs/Point", "description": "the goal"},
            "color": {"type": "string", "enum": ["red", "blue"]},
        },
        "required": ["start", "end", "color"],
        "additionalProperties": False,
        "$defs": {"Point": POINT},
    }


def test_typed_keyword_arguments_become_additional_properties() -> None:
    def label(name: str, **labels: int) -> None: ...

    definition = schema_of(label)
    assert definition.parameters == {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": {"type": "integer"},
    }
    assert definition.bind({"name": "a", "x": 1, "y": 2}) == ([], {"name": "a", "x": 1, "y": 2})


def test_keyword_arguments_of_a_model_type_are_validated_as_that_model() -> None:
    def label(**points: Point) -> None: ...

    assert schema_of(label).parameters == {"type": "object", "properties": {}, "additionalProperties": POINT}
    assert schema_of(label).bind({"a": {"x": 1}}) == ([], {"a": Point(1.0)})


def test_unpacked_keyword_arguments_become_parameters() -> None:
    def draw(size: int, **options: Unpack[Options]) -> None: ...

    definition = schema_of(draw)
    assert definition.parameters == {
        "type": "object",
        "properties": {
            "size": {"type": "integer"},
            "depth": {"type": "integer"},
            "color": {"type": "string", "description": "its color"},
        },
        "required": ["size"],
        "additionalProperties": False,
    }
    assert definition.bind({"size": 1, "color": "red"}) == ([], {"size": 1, "color": "red"})


def test_positional_only_parameters_are_passed_by_position_with_their_defaults() -> None:
    def power(base: int, exponent: int = 2, /, *, modulus: int | None = None) -> None: ...

    definition = schema_of(power)
    assert definition.parameters == {
        "type": "object",
        "properties": {
            "base": {"type": "integer"},
            "exponent": {"type": "integer", "default": 2},
            "modulus": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        },
        "required": ["base"],
        "additionalProperties": False,
    }
    assert definition.bind({"base": 3}) == ([3, 2], {})
    assert definition.bind({"base": 3, "exponent": 4, "modulus": 5}) == ([3, 4], {"modulus": 5})


def test_a_function_without_parameters_takes_an_empty_object() -> None:
    def now() -> None: ...

    definition = schema_of(now)
    assert definition.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert definition.bind({}) == ([], {})


def test_a_pydantic_model_keeps_its_own_rules_for_bytes_and_defaults_that_json_cannot_say() -> None:
    class Blob(BaseModel):
        model_config = ConfigDict(title="Blob of bytes")
        data: bytes
        marker: Any = object()

    def store(blob: Blob) -> None: ...

    definition = schema_of(store)
    assert definition.parameters["properties"]["blob"] == {
        "type": "object",
        "title": "Blob of bytes",
        "properties": {"data": {"type": "string", "format": "binary"}, "marker": {}},
        "required": ["data"],
    }
    assert definition.bind({"blob": {"data": "abc"}})[1]["blob"].data == b"abc"


def test_a_shared_enum_is_a_definition_without_the_name_of_its_class() -> None:
    def paint(wall: Color, door: Color) -> None: ...

    assert schema_of(paint).parameters["$defs"] == {"Color": {"type": "string", "enum": ["red", "blue"]}}
