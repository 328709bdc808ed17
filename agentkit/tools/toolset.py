"""A collection of tools that can be filtered, prefixed and watched."""

from collections.abc import Callable, Iterable, Mapping
from types import MethodType
from typing import Any, TypeAlias

from agentkit.context import RunContext
from agentkit.errors import ToolDefinitionError
from agentkit.tools.tool import Tool, tool

AnyTool: TypeAlias = Tool[..., Any]
Filter: TypeAlias = Callable[[RunContext[Any], AnyTool], bool]
Before: TypeAlias = Callable[[RunContext[Any], AnyTool, Mapping[str, Any]], Any]
After: TypeAlias = Callable[[RunContext[Any], AnyTool, Any], Any]
ToolLike: TypeAlias = "AnyTool | Toolset | Callable[..., Any]"


class Offered:
    """A tool with the hooks of the toolsets around it, outermost first."""

    __slots__ = ("after", "before", "filters", "tool")

    def __init__(
        self,
        tool: AnyTool,
        before: tuple[Before, ...] = (),
        after: tuple[After, ...] = (),
        filters: tuple[Filter, ...] = (),
    ) -> None:
        self.tool = tool
        self.before = before
        self.after = after
        self.filters = filters


class Toolset:
    """Tools, functions and other toolsets, in order.

    Args:
        tools: what is in it; a plain function becomes a tool.
        prefix: put before each name.
        filter: asked for each turn whether a tool is offered in it.
        before: sees each call (context, tool, validated keyword arguments) before the body; it may be async, and may
            raise `ToolRetry` to answer the model instead.
        after: sees each returned value, and returns what takes its place; it may be async.

    Raises:
        ToolDefinitionError: two tools of one name, or a method that is not bound to an instance.
    """

    def __init__(
        self,
        tools: "Iterable[ToolLike]",
        *,
        prefix: str = "",
        filter: Filter | None = None,
        before: Before | None = None,
        after: After | None = None,
    ) -> None:
        self._offered: dict[str, Offered] = {}
        for entry in tools:
            for offered in _flattened(entry):
                self._add(offered, prefix, filter, before, after)

    @property
    def tools(self) -> tuple[AnyTool, ...]:
        """All tools, whether a filter would offer them or not."""
        return tuple(offered.tool for offered in self._offered.values())

    def offered(self) -> tuple[Offered, ...]:
        """The tools with the hooks around them."""
        return tuple(self._offered.values())

    def prefixed(self, prefix: str) -> "Toolset":
        """This toolset with `prefix` before each name."""
        return Toolset([self], prefix=prefix)

    def filtered(self, filter: Filter) -> "Toolset":
        """This toolset with `filter` asked for each turn."""
        return Toolset([self], filter=filter)

    def __repr__(self) -> str:
        return f"Toolset({list(self._offered)!r})"

    def _add(
        self, offered: Offered, prefix: str, filter: Filter | None, before: Before | None, after: After | None
    ) -> None:
        made = offered.tool.renamed(prefix + offered.tool.name) if prefix else offered.tool
        if made.unbound:
            raise ToolDefinitionError(
                f"{made.name}() is a method: give the tool of an instance, as in tools=[instance.{made.name}]"
            )
        if made.name in self._offered:
            raise ToolDefinitionError(f"two tools are called {made.name!r}: rename one with name=, or use a prefix")
        self._offered[made.name] = Offered(
            made,
            offered.before if before is None else (before, *offered.before),
            offered.after if after is None else (*offered.after, after),
            offered.filters if filter is None else (filter, *offered.filters),
        )


def _flattened(entry: "ToolLike") -> Iterable[Offered]:
    if isinstance(entry, Toolset):
        return entry.offered()
    # From Python 3.13 on, @classmethod around @tool gives a method of the tool instead of a bound tool.
    if isinstance(entry, MethodType) and isinstance(inner := entry.__func__, Tool):
        entry = inner.__get__(entry.__self__)
    return (Offered(entry if isinstance(entry, Tool) else tool(entry)),)
