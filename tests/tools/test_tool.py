"""`@tool`: what a decorated function still is, and what the model sees of it."""

import functools
import sys
from collections.abc import Callable
from types import MethodType
from typing import Any

import pytest

from agentkit import RunContext, Tool, ToolDefinitionError, Toolset, tool
from agentkit.models import ToolDefinition
from agentkit.tools import ToolOptions

_CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "where"}},
    "required": ["city"],
    "additionalProperties": False,
}


@tool(effect="read", timeout=10)
async def weather(ctx: RunContext[int], city: str) -> str:
    """Tell the weather.

    Args:
        city: where
    """
    return f"{city}: {ctx.deps}"


class Desk:
    def __init__(self, name: str) -> None:
        self.name = name

    @tool
    def sign(self, text: str) -> str:
        """Sign a text."""
        return f"{text} ({self.name})"

    @tool
    async def greet(self, ctx: RunContext[str], who: str) -> str:
        return f"{who}: {self.name} {ctx.deps}"

    @tool
    @staticmethod
    def below(number: int) -> int:
        return number + 1

    @staticmethod
    @tool
    def above(number: int) -> int:
        return number + 2

    @classmethod
    @tool
    def made(cls, number: int) -> str:
        return f"{cls.__name__} {number}"


def test_the_definition_is_what_the_model_sees_and_the_context_is_not_in_it() -> None:
    assert weather.definition == ToolDefinition("weather", "Tell the weather.", _CITY)
    assert (weather.name, weather.description) == ("weather", "Tell the weather.")
    assert weather.options == ToolOptions(effect="read", timeout=10)
    assert repr(weather) == "Tool('weather')"


@pytest.mark.anyio
async def test_a_tool_still_calls_like_the_function() -> None:
    @tool
    def add(a: int, b: int = 2) -> int:
        return a + b

    assert (add(1), add(1, 5), add(a=1, b=7)) == (3, 6, 8)
    assert await weather(RunContext(3, _NoScope()), "Oslo") == "Oslo: 3"
    assert (weather.is_async, add.is_async) == (True, False)
    assert weather.__doc__ is not None
    assert weather.__doc__.startswith("Tell the weather.")


@pytest.mark.anyio
async def test_a_method_binds_to_its_instance(call_tool: Callable[..., Any]) -> None:
    desk = Desk("Ada")
    assert desk.sign("yes") == "yes (Ada)"
    assert isinstance(desk.sign, Tool)
    assert (await call_tool(desk.sign, {"text": "yes"})).message.text == "yes (Ada)"
    assert (await call_tool(desk.greet, {"who": "Bo"}, deps="ok")).message.text == "Bo: Ada ok"
    assert list(desk.greet.definition.parameters["properties"]) == ["who"]


@pytest.mark.anyio
async def test_static_and_class_methods_are_tools_in_either_order(call_tool: Callable[..., Any]) -> None:
    desk = Desk("Ada")
    assert (Desk.below(1), Desk.above(1)) == (2, 3)
    assert desk.below(1) == 2  # type: ignore[call-arg]  # mypy takes it for a method
    assert desk.above(1) == 3  # type: ignore[call-arg]  # mypy takes it for a method
    assert (await call_tool(desk.below, {"number": 1})).message.text == "2"
    assert (await call_tool(Desk.above, {"number": 1})).message.text == "3"
    assert (await call_tool(Desk.made, {"number": 1})).message.text == "Desk 1"


@pytest.mark.anyio
async def test_a_python_method_around_a_tool_keeps_what_the_tool_declares(call_tool: Callable[..., Any]) -> None:
    # What `@classmethod` around `@tool` gives from Python 3.13 on.
    wrapped = MethodType(vars(Desk)["sign"], Desk("Bo"))
    assert (await call_tool(wrapped, {"text": "no"})).message.text == "no (Bo)"
    assert Toolset([wrapped]).tools[0].description == "Sign a text."


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="from 3.13 on classmethod gives a plain method")
def test_a_class_method_is_a_tool_when_it_is_taken_from_its_class() -> None:
    assert isinstance(Desk.made, Tool)


def test_name_and_description_can_be_given() -> None:
    @tool(name="find-it", description="Finds.")
    def search(query: str) -> str:
        return query

    assert (search.name, search.description) == ("find-it", "Finds.")


def test_partials_and_callable_objects_become_tools() -> None:
    def scaled(factor: int, number: int) -> int:
        return factor * number

    class Counter:
        """Counts."""

        def __call__(self, number: int) -> int:
            return number

    assert list(tool(functools.partial(scaled, 2)).definition.parameters["properties"]) == ["number"]
    assert tool(Counter()).name == "Counter"


@pytest.mark.parametrize("name", ["two words", "a" * 65, "größe", "a.b", "line\n"])
def test_a_name_that_gateways_refuse_is_refused(name: str) -> None:
    with pytest.raises(ToolDefinitionError, match="gateways take 1 to 64 of the letters"):
        tool(name=name)(lambda: None)


@pytest.mark.parametrize("name", ["auto", "required", "none"])
def test_a_name_that_means_something_to_tool_choice_is_refused(name: str) -> None:
    with pytest.raises(ToolDefinitionError, match=f"tool_choice={name!r} means something else"):
        tool(name=name)(lambda: None)


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"retries": -1}, "retries=-1"),
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"max_result": 0}, "max_result=0"),
        ({"retry_on": (OSError,)}, "only effect='read' allows"),
        ({"retry_on": (OSError,), "effect": "write"}, "only effect='read' allows"),
    ],
)
def test_an_option_that_cannot_work_is_refused_when_it_is_declared(declared: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ToolDefinitionError, match=sentence):
        tool(**declared)(lambda: None)
    with pytest.raises(ToolDefinitionError, match=sentence):
        Tool.from_schema(print, name="p", description="", parameters={"type": "object"}, **declared)


def test_strict_is_refused_for_parameters_without_a_strict_form() -> None:
    @tool(strict=True)
    def fits(city: str) -> str:
        return city

    assert fits.definition.strict is True

    def open_ended(**fields: int) -> int:
        return len(fields)

    with pytest.raises(ToolDefinitionError, match="no strict form"):
        tool(strict=True)(open_ended)


@pytest.mark.anyio
async def test_a_tool_from_a_json_schema_validates_with_it(call_tool: Callable[..., Any]) -> None:
    def look(**fields: Any) -> Any:
        return fields

    made = Tool.from_schema(
        look,
        name="look",
        description="Looks.",
        parameters={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    )
    assert (await call_tool(made, {"n": 1, "more": [2]})).message.text == '{"n":1,"more":[2]}'
    wrong = await call_tool(made, {"n": "one"})
    assert (wrong.outcome, "'n'" in wrong.message.text or "n:" in wrong.message.text) == ("invalid", True)
    assert wrong.message.text.startswith("The arguments of look do not fit:\n")


@pytest.mark.anyio
async def test_a_tool_from_a_json_schema_may_be_async_and_take_the_context(call_tool: Callable[..., Any]) -> None:
    async def look(ctx: RunContext[str], *, n: int) -> str:
        return f"{ctx.deps} {n} {ctx.idempotency_key} {ctx.run_id}"

    made = Tool.from_schema(look, name="look", description="", parameters={"type": "object"}, takes_context=True)
    assert (await call_tool(made, {"n": 1}, deps="d")).message.text == "d 1 run-1/call-1 run-1"


@pytest.mark.anyio
async def test_what_a_function_does_to_its_arguments_does_not_reach_the_call(call_tool: Callable[..., Any]) -> None:
    def drain(**fields: Any) -> str:
        fields["items"].clear()
        return "done"

    made = Tool.from_schema(drain, name="drain", description="", parameters={"type": "object"})
    outcome = await call_tool(made, {"items": [1, 2]})
    assert outcome.call.arguments == {"items": [1, 2]}


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"type": "array"}, "with type 'object'"),
        ({}, "with type 'object'"),
        ({"type": "object", "properties": {"n": {"type": "integr"}}}, "tool 'p': "),
    ],
)
def test_a_schema_that_is_wrong_is_refused(parameters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ToolDefinitionError, match=sentence):
        Tool.from_schema(print, name="p", description="", parameters=parameters)


def test_a_renamed_tool_differs_in_its_name_only() -> None:
    renamed = weather.renamed("forecast")
    assert renamed.definition == ToolDefinition("forecast", "Tell the weather.", _CITY)
    assert (renamed.options, renamed.takes_context, renamed.is_async) == (weather.options, True, True)


class _NoScope:
    run_id = ""
    depth = 0
    budget = None
