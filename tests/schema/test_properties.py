"""For generated types: what fits is accepted and comes back, what does not is refused at its place."""

from types import GenericAlias
from typing import Annotated, Any, Literal, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import Field

from agentkit.schema import InvalidValue, Validator, for_json_schema, for_type, function_schema

SCALARS: dict[Any, SearchStrategy[Any]] = {
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    int: st.integers(-(10**15), 10**15),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    Literal["c", "f"]: st.sampled_from(["c", "f"]),
    Literal["only"]: st.just("only"),
    None: st.none(),
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-100, 100)
    | st.floats(-(2.0**53), 2.0**53)
    | st.text(max_size=5)
    | st.sampled_from(["c", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def grown(inner: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.one_of(
        inner.map(lambda tp: GenericAlias(list, (tp,))),
        inner.map(lambda tp: GenericAlias(dict, (str, tp))),
        inner.map(lambda tp: Union[tp, None]),  # noqa: UP007
        st.tuples(inner, inner).map(lambda pair: Union[pair]),  # noqa: UP007
        inner.map(lambda tp: Annotated[tp, "a text"]),
    )


TYPES = st.recursive(st.sampled_from([*SCALARS, Any]), grown, max_leaves=4)


def outcome(validator: Validator[Any], value: Any) -> Any:
    try:
        return "accepted", repr(validator.validate(value))
    except InvalidValue as error:
        return "refused", error.problems.__repr__()


@given(TYPES, JSON)
def test_the_short_way_for_plain_types_is_what_pydantic_does(tp: Any, value: Any) -> None:
    short = for_type(tp)
    full = for_type(Annotated[tp, Field()])  # metadata that sends the type through pydantic
    assert short.schema == full.schema
    assert outcome(short, value) == outcome(full, value)


@given(TYPES, JSON)
def test_the_same_parameter_means_the_same_beside_plain_ones_and_beside_others(tp: Any, value: Any) -> None:
    def plain(value, other=1): ...  # type: ignore[no-untyped-def]
    def mixed(value, other=1): ...  # type: ignore[no-untyped-def]

    plain.__annotations__ = {"value": tp, "other": int}
    mixed.__annotations__ = {"value": tp, "other": Annotated[int, Field()]}
    short = function_schema(plain, is_context=lambda annotation: False)
    full = function_schema(mixed, is_context=lambda annotation: False)
    assert short.parameters == full.parameters
    outcomes = []
    for schema in (short, full):
        try:
            outcomes.append(repr(schema.bind({"value": value})))
        except InvalidValue as error:
            outcomes.append(repr(error.problems))
    assert outcomes[0] == outcomes[1]


@given(st.sampled_from(list(SCALARS)), st.data())
def test_what_fits_is_accepted_and_what_does_not_is_named(scalar: Any, data: st.DataObject) -> None:
    def take(items): ...  # type: ignore[no-untyped-def]

    take.__annotations__ = {"items": list[dict[str, scalar]]}
    schema = function_schema(take, is_context=lambda annotation: False)
    items = data.draw(st.lists(st.dictionaries(SCALARS[str], SCALARS[scalar], max_size=3), max_size=4))
    assert schema.bind({"items": items}) == ([], {"items": items})

    items.append({"wrong": {"no": "scalar"}})
    with pytest.raises(InvalidValue) as caught:
        schema.bind({"items": items})
    assert [problem.path for problem in caught.value.problems] == [("items", len(items) - 1, "wrong")]


@given(TYPES, JSON)
def test_what_the_schema_accepts_is_accepted(tp: Any, value: Any) -> None:
    validator = for_type(tp)
    written = outcome(for_json_schema(validator.schema), value)
    if written[0] == "accepted" and "inf" not in repr(value) and "nan" not in repr(value):
        assert outcome(validator, value)[0] == "accepted"
