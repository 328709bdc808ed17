"""What a model sends is converted or refused: paths and reasons for the model, nothing raised but `InvalidValue`."""

from collections import OrderedDict
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator

from agentkit.schema import InvalidValue, Problem, function_schema


class Line(BaseModel):
    price: float
    currency: Literal["EUR", "USD"] = "EUR"

    @field_validator("price")
    @classmethod
    def not_free(cls, value: float) -> float:
        if value == 0:
            raise ValueError("nothing is free")
        return value


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]


@dataclass
class Point:
    x: int


def order(
    customer: str,
    items: list[Line],
    note: str | None = None,
    amount: int | list[int] = 1,
    labels: dict[str, Point] = {},  # noqa: B006
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None,
    keyed: dict[int, int] = {},  # noqa: B006
    pair: tuple[int, str] = (1, "a"),
) -> None: ...


SCHEMA = function_schema(order, is_context=lambda annotation: False)
FINE: dict[str, Any] = {"customer": "a", "items": []}
PROBLEMS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["customer: field required", "items: field required"]),
    (
        {**FINE, "items": [{"price": 1}, {"price": 1}, {"price": "abc"}]},
        ["items[2].price: input should be a valid number, unable to parse string as a number (got 'abc')"],
    ),
    ({**FINE, "items": [{}]}, ["items[0].price: field required"]),
    ({**FINE, "items": [{"price": 0}]}, ["items[0].price: value error, nothing is free (got 0)"]),
    (
        {**FINE, "items": [{"price": 1, "currency": "CHF"}]},
        ["items[0].currency: input should be 'EUR' or 'USD' (got 'CHF')"],
    ),
    ({**FINE, "customer": None}, ["customer: input should be a valid string (got null)"]),
    (
        {**FINE, "amount": "x"},
        [
            "amount: input should be a valid integer, unable to parse string as an integer, "
            "or input should be a valid array (got 'x')"
        ],
    ),
    (
        {**FINE, "amount": [1, "x"]},
        [
            "amount: input should be a valid integer (got [1, 'x'])",
            "amount[1]: input should be a valid integer, unable to parse string as an integer (got 'x')",
        ],
    ),
    ({**FINE, "labels": {"a b": {"x": None}}}, ["labels['a b'].x: input should be a valid integer (got null)"]),
    ({**FINE, "pet": {"kind": "cat"}}, ["pet.lives: field required"]),
    (
        {**FINE, "pet": {"kind": "cow"}},
        [
            "pet: input tag 'cow' found using 'kind' does not match any of the expected tags: 'cat', 'dog' "
            "(got {'kind': 'cow'})"
        ],
    ),
    (
        {**FINE, "keyed": {"k": 1}},
        ["keyed.k: input should be a valid integer, unable to parse string as an integer (got 'k')"],
    ),
    ({**FINE, "pair": [1]}, ["pair[1]: field required"]),
    (
        {"customer": "a", "itemz": [], "x": 1},
        [
            "itemz: there is no such parameter; the parameters are customer, items, note, amount, labels, pet, keyed, "
            "pair (got [])",
            "x: there is no such parameter; the parameters are customer, items, note, amount, labels, pet, keyed, "
            "pair (got 1)",
            "items: field required",
        ],
    ),
]


@pytest.mark.parametrize(("sent", "lines"), PROBLEMS)
def test_wrong_arguments_are_refused_with_path_and_reason(sent: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(InvalidValue) as caught:
        SCHEMA.bind(sent)
    assert str(caught.value).split("\n") == lines
    assert [str(problem) for problem in caught.value.problems] == lines


def test_a_problem_can_be_compared() -> None:
    with pytest.raises(InvalidValue) as caught:
        SCHEMA.bind({**FINE, "items": [{"price": "abc"}]})
    assert caught.value.problems == (
        Problem(("items", 0, "price"), "input should be a valid number, unable to parse string as a number", "abc"),
    )


def test_a_long_value_is_shortened_in_the_text_only() -> None:
    problem = Problem(("a", 0), "too long", "x" * 1_000)
    assert str(problem) == f"a[0]: too long (got '{'x' * 78}…)"
    assert len(str(Problem((), "wrong", list(range(1_000))))) < 100


def test_a_function_without_parameters_says_so() -> None:
    def now() -> None: ...

    with pytest.raises(InvalidValue) as caught:
        function_schema(now, is_context=lambda annotation: False).bind({"zone": "utc"})
    assert str(caught.value) == "zone: there are no parameters (got 'utc')"


def test_problems_of_keyword_arguments_have_the_names_that_were_sent() -> None:
    def label(name: str, **labels: int) -> None: ...

    with pytest.raises(InvalidValue) as caught:
        function_schema(label, is_context=lambda annotation: False).bind({"x": "a", "name": 1})
    assert {problem.path for problem in caught.value.problems} == {("x",), ("name",)}


def test_an_argument_that_has_the_name_behind_an_alias_is_refused() -> None:
    def label(day: Annotated[int, Field(alias="fromDay")], **labels: int) -> None: ...

    schema = function_schema(label, is_context=lambda annotation: False)
    assert schema.bind({"fromDay": 1, "other": 2}) == ([], {"day": 1, "other": 2})
    with pytest.raises(InvalidValue) as caught:
        schema.bind({"fromDay": 1, "day": 2})
    assert str(caught.value) == "day: there is no such parameter; the parameters are fromDay (got 2)"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "NaN", "Infinity"])
def test_a_number_that_json_does_not_know_is_refused(value: Any) -> None:
    def take(value: float) -> None: ...

    with pytest.raises(InvalidValue, match=r"^value: input should be a finite number"):
        function_schema(take, is_context=lambda annotation: False).bind({"value": value})


def test_every_kind_of_mapping_is_taken() -> None:
    expected: tuple[list[Any], dict[str, Any]] = ([], {"customer": "a", "items": []})
    assert SCHEMA.bind(MappingProxyType(FINE)) == expected
    assert SCHEMA.bind(OrderedDict(FINE)) == expected


def test_a_default_that_is_not_sent_stays_the_function_s_own_object() -> None:
    shared: list[int] = []

    def collect(value: int, /, into: list[int] = shared) -> list[int]:
        return into

    args, kwargs = function_schema(collect, is_context=lambda annotation: False).bind({"value": 1})
    assert collect(*args, **kwargs) is shared


def test_a_value_with_a_lone_surrogate_gets_a_replacement_character() -> None:
    def take(value: str) -> None: ...

    assert function_schema(take, is_context=lambda annotation: False).bind({"value": "a\ud800"}) == (
        [],
        {"value": "a\ufffd"},
    )


def test_a_failure_of_the_user_s_own_validator_is_not_hidden() -> None:
    class Broken(BaseModel):
        value: int

        @field_validator("value")
        @classmethod
        def fail(cls, value: int) -> int:
            raise KeyError("a bug")

    def take(broken: Broken) -> None: ...

    with pytest.raises(KeyError, match="a bug"):
        function_schema(take, is_context=lambda annotation: False).bind({"broken": {"value": 1}})
