"""Everything that can be called: functions, methods, partials, objects; their context, docstrings and names."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pytest
from pydantic import BaseModel

from agentkit.errors import ToolDefinitionError
from agentkit.schema import FunctionSchema, InvalidValue, Problem, function_schema

if TYPE_CHECKING:
    from decimal import Decimal

T = TypeVar("T")


class Context(Generic[T]):
    """What `is_context` recognises in these tests."""


@dataclass
class Deps:
    key: str


def schema_of(function: Callable[..., Any], **options: Any) -> FunctionSchema:
    return function_schema(function, is_context=lambda it: getattr(it, "__origin__", it) is Context, **options)


def facts(function: Callable[..., Any]) -> tuple[str, str, list[str], bool, bool, bool]:
    schema = schema_of(function)
    names = list(schema.parameters["properties"])
    return schema.name, schema.description, names, schema.takes_context, schema.is_async, schema.is_method


def weather(ctx: Context[Deps], city: str) -> int:
    """The weather now."""
    return 1


async def later(city: str) -> None:
    """The weather later."""


class Station:
    """Measures."""

    def method(self, ctx: Context[Deps], city: str) -> None:
        """By a method."""

    @classmethod
    def of_class(cls, city: str) -> None:
        """By a class method."""

    @staticmethod
    def static(city: str) -> None:
        """By a static method."""

    async def __call__(self, city: str) -> None: ...


def test_every_kind_of_callable_tells_its_facts() -> None:
    assert facts(weather) == ("weather", "The weather now.", ["city"], True, False, False)
    assert facts(later) == ("later", "The weather later.", ["city"], False, True, False)
    assert facts(Station.method) == ("method", "By a method.", ["city"], True, False, True)
    assert facts(Station().method) == ("method", "By a method.", ["city"], True, False, False)
    assert facts(Station.of_class) == ("of_class", "By a class method.", ["city"], False, False, False)
    assert facts(Station.__dict__["static"]) == ("static", "By a static method.", ["city"], False, False, False)
    assert facts(Station()) == ("Station", "Measures.", ["city"], False, True, False)


def test_a_plain_function_under_classmethod_is_a_method() -> None:
    def build(cls: type, city: str) -> None: ...

    assert facts(build) == ("build", "", ["city"], False, False, True)


def test_a_partial_hides_what_it_has_bound_and_the_model_cannot_send_it() -> None:
    def search(key: str, query: str, /, *, region: str, **options: str) -> None:
        """Searches."""

    bound = functools.partial(functools.partial(search, "secret"), region="eu")
    assert facts(bound) == ("search", "Searches.", ["query"], False, False, False)
    assert schema_of(bound).bind({"query": "a", "size": "9"}) == (["a"], {"size": "9"})
    with pytest.raises(InvalidValue) as caught:
        schema_of(bound).bind({"query": "a", "region": "us"})
    assert caught.value.problems == (
        Problem(("region",), "there is no such parameter; the parameters are query", "us"),
    )


def test_the_context_and_self_cannot_be_sent_through_keyword_arguments() -> None:
    class Tools:
        def method(self, ctx: Context[Deps], **labels: str) -> None: ...

    with pytest.raises(InvalidValue) as caught:
        schema_of(Tools.method).bind({"self": "a", "ctx": "b", "fine": "c"})
    assert [problem.path for problem in caught.value.problems] == [("self",), ("ctx",)]


def test_a_wrapped_function_is_read_as_what_it_wraps() -> None:
    def logged(function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> None:
            await function(*args, **kwargs)

        return wrapper

    assert facts(logged(later)) == ("later", "The weather later.", ["city"], False, True, False)


def test_name_and_description_can_be_given() -> None:
    schema = schema_of(weather, name="get_weather", description="")
    assert (schema.name, schema.description) == ("get_weather", "")
    assert schema_of(lambda: 1, name="now").name == "now"


def test_the_return_annotation_is_resolved_and_stays_text_when_it_cannot_be() -> None:
    def priced() -> Decimal: ...  # type: ignore[empty-body]
    def bare(): ...  # type: ignore[no-untyped-def]

    assert schema_of(weather).returns is int
    assert schema_of(priced).returns == "Decimal"
    assert schema_of(bare).returns is inspect.Signature.empty


def test_names_of_enclosing_functions_and_classes_are_found() -> None:
    @dataclass
    class Local:
        other: Inner
        size: int

    @dataclass
    class Inner:
        depth: int

    def direct(value: Local, more: list[Inner]) -> None: ...

    class Tools:
        class Choice(BaseModel):
            text: str

        def choose(self, choice: Choice) -> None: ...

        schema = schema_of(choose)

    assert schema_of(direct).bind({"value": {"other": {"depth": 1}, "size": 2}, "more": [{"depth": 3}]}) == (
        [],
        {"value": Local(Inner(1), 2), "more": [Inner(3)]},
    )
    assert Tools.schema.bind({"choice": {"text": "a"}}) == ([], {"choice": Tools.Choice(text="a")})


def test_a_name_that_only_the_closure_holds_is_found() -> None:
    def factory(kind: type) -> Callable[..., Any]:
        def use(value: kind) -> Any:  # type: ignore[valid-type]
            return kind(value)

        return use

    assert schema_of(factory(int)).parameters["properties"] == {"value": {"type": "integer"}}


def test_two_schemas_of_one_function_are_equal() -> None:
    assert schema_of(weather) == schema_of(weather)


def test_a_name_of_a_caller_that_is_not_around_the_function_is_not_taken() -> None:
    def elsewhere() -> Callable[..., Any]:
        def take(value: Hidden) -> None: ...  # type: ignore[name-defined]  # noqa: F821

        return take

    def decorate() -> None:
        class Hidden:
            """Not visible from where `take` was written."""

        schema_of(elsewhere())

    with pytest.raises(ToolDefinitionError, match="names 'Hidden', which is not defined here"):
        decorate()


def test_a_name_that_is_assigned_after_the_decoration_is_refused() -> None:
    def take(value: Later) -> None:
        print(Later)

    with pytest.raises(ToolDefinitionError, match="names 'Later', which is not defined here"):
        schema_of(take)

    class Later:
        """Too late."""
