"""What a type checker must say of tools. Checked, never run."""

# An expected error is an ignore comment, which both checkers report where it is not needed.
# pyright: reportUnnecessaryTypeIgnoreComment=true

from typing import Any, Literal, assert_type

from agentkit import RunContext, Tool, Toolset, tool
from agentkit.models import ToolDefinition


@tool
def add(a: int, b: int = 0) -> int:
    return a + b


@tool(effect="read", timeout=10, retry_on=(OSError,))
async def weather(ctx: RunContext[float], city: str, unit: Literal["c", "f"] = "c") -> dict[str, float]:
    return {city: ctx.deps}


class Desk:
    @tool
    def sign(self, text: str) -> str:
        return text

    @tool(effect="write")
    async def send(self, ctx: RunContext[str], text: str) -> bytes:
        return text.encode()

    @staticmethod
    @tool
    def below(number: int) -> int:
        return number


async def a_tool_calls_like_the_function(ctx: RunContext[float]) -> None:
    assert_type(add(1), int)
    assert_type(add(a=1, b=2), int)
    assert_type(await weather(ctx, "Oslo", unit="f"), dict[str, float])
    add("1")  # type: ignore[arg-type]
    add()  # type: ignore[call-arg]
    await weather(ctx, "Oslo", unit="k")  # type: ignore[arg-type]


async def a_tool_binds_like_a_method(desk: Desk, ctx: RunContext[str]) -> None:
    assert_type(desk.sign("x"), str)
    assert_type(await desk.send(ctx, "x"), bytes)
    assert_type(Desk.below(1), int)
    assert_type(Desk.sign(desk, "x"), str)
    desk.sign(1)  # type: ignore[arg-type]
    desk.sign(desk, "x")  # type: ignore[call-arg, arg-type]


def a_tool_has_a_definition(desk: Desk) -> None:
    assert_type(add.definition, ToolDefinition)
    assert_type(desk.sign.definition, ToolDefinition)
    assert_type(add.name, str)
    assert_type(weather.renamed("forecast"), Tool[..., Any])


def functions_tools_methods_and_toolsets_make_a_toolset(desk: Desk) -> Toolset:
    def plain(number: int) -> int:
        return number

    return Toolset([add, weather, desk.sign, desk.send, plain, Toolset([add], prefix="x_")])


def an_option_that_does_not_exist_is_an_error() -> None:
    tool(effects="read")  # type: ignore[call-overload]
    tool(effect="reads")  # type: ignore[call-overload]
