"""Toolsets: names, filters and hooks around tools."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from agentkit import Agent, RunContext, ToolDefinitionError, ToolRetry, Toolset, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.tools import AnyTool


@tool
def add(a: int, b: int) -> int:
    return a + b


def double(number: int) -> int:
    return 2 * number


def _names(toolset: Toolset) -> list[str]:
    return [made.name for made in toolset.tools]


def test_functions_tools_and_toolsets_come_in_order_under_prefixed_names() -> None:
    inner = Toolset([double], prefix="math_")
    assert _names(Toolset([add, inner])) == ["add", "math_double"]
    assert _names(Toolset([add, inner], prefix="x-")) == ["x-add", "x-math_double"]
    assert _names(inner.prefixed("y_")) == ["y_math_double"]
    assert repr(inner) == "Toolset(['math_double'])"
    assert _names(Toolset([])) == []


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ToolDefinitionError, match=re.escape("two tools are called 'add': rename one with name=")):
        Toolset([add, Toolset([add])])
    assert _names(Toolset([add, Toolset([add], prefix="other_")])) == ["add", "other_add"]


def test_a_prefix_that_makes_a_name_too_long_is_refused() -> None:
    with pytest.raises(ToolDefinitionError, match="gateways take 1 to 64"):
        Toolset([add], prefix="x" * 62)


def test_a_method_without_its_instance_is_refused_with_what_to_write() -> None:
    class Desk:
        @tool
        def sign(self, text: str) -> str:
            return text

    with pytest.raises(
        ToolDefinitionError,
        match=re.escape("sign() is a method: give the tool of an instance, as in tools=[instance.sign]"),
    ):
        Toolset([Desk.sign])
    with pytest.raises(ToolDefinitionError, match="tools="):
        Agent("openai:any", tools=[Desk.sign])
    assert _names(Toolset([Desk().sign])) == ["sign"]


def test_something_that_is_no_tool_is_refused_when_the_toolset_is_made() -> None:
    def untyped(value):  # type: ignore[no-untyped-def]  # the mistake that is tested
        return value

    with pytest.raises(ToolDefinitionError, match="parameter value has no type"):
        Toolset([untyped])


@pytest.mark.anyio
async def test_before_and_after_see_each_call_outermost_first(call_tool: Callable[..., Any]) -> None:
    seen: list[Any] = []

    def before(label: str) -> Any:
        def hook(ctx: RunContext[Any], called: AnyTool, arguments: Mapping[str, Any]) -> None:
            seen.append((f"before {label}", ctx.deps, called.name, dict(arguments)))

        return hook

    def after(label: str) -> Any:
        async def hook(ctx: RunContext[Any], called: AnyTool, value: Any) -> Any:
            seen.append((f"after {label}", value))
            return value * 10

        return hook

    inner = Toolset([add], before=before("inner"), after=after("inner"))
    outer = Toolset([inner], prefix="x_", before=before("outer"), after=after("outer"))
    outcome = await call_tool(outer, {"a": 1, "b": 2}, deps="d")
    assert seen == [
        ("before outer", "d", "x_add", {"a": 1, "b": 2}),
        ("before inner", "d", "x_add", {"a": 1, "b": 2}),
        ("after inner", 3),
        ("after outer", 30),
    ]
    assert outcome.message.text == "300"


@pytest.mark.anyio
async def test_before_may_answer_the_model_in_place_of_the_body(call_tool: Callable[..., Any]) -> None:
    ran: list[int] = []

    @tool
    def count(number: int) -> int:
        ran.append(number)
        return number

    async def refuse(ctx: RunContext[Any], called: AnyTool, arguments: Mapping[str, Any]) -> None:
        raise ToolRetry("ask for less")

    outcome = await call_tool(Toolset([count], before=refuse), {"number": 9})
    assert (outcome.outcome, outcome.message.text, ran) == ("retry", "ask for less", [])


@pytest.mark.anyio
async def test_a_hook_that_raises_fails_the_call_and_not_the_run(call_tool: Callable[..., Any]) -> None:
    def broken(ctx: RunContext[Any], called: AnyTool, value: Any) -> Any:
        raise KeyError("secret")

    outcome = await call_tool(Toolset([add], after=broken), {"a": 1, "b": 2})
    assert (outcome.outcome, outcome.message.text) == ("error", "add failed with an internal error.")
    assert isinstance(outcome.error, KeyError)


@pytest.mark.anyio
async def test_filters_are_asked_each_turn_and_all_of_them_have_to_agree() -> None:
    asked: list[str] = []

    def only_add(ctx: RunContext[Any], offered: AnyTool) -> bool:
        asked.append(offered.name)
        return offered.name == "add"

    toolset = Toolset([add, double]).filtered(only_add).filtered(lambda ctx, offered: ctx.deps is None)
    with Emulator([Reply(calls=(Call("add", {"a": 1, "b": 2}),)), Reply(text="3")]) as gateway:
        await Agent(gateway.model(), tools=[toolset]).run("go")
        bodies = [request.body for request in gateway.requests]
    assert [[sent["function"]["name"] for sent in body["tools"]] for body in bodies] == [["add"], ["add"]]
    assert asked == ["add", "double", "add", "double"]
