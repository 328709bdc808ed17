"""One call of one tool, without a model."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import pytest

from agentkit import RunContext, Toolset
from agentkit.messages import ToolCall
from agentkit.tools import CallOutcome, DaemonThreads, ToolLike, run_call

CallTool: TypeAlias = Callable[..., Awaitable[CallOutcome]]


class _Scope:
    run_id = "run-1"
    depth = 0
    budget = None


@pytest.fixture
def threads() -> DaemonThreads:
    return DaemonThreads(4)


@pytest.fixture
def call_tool(threads: DaemonThreads) -> CallTool:
    """Calls the first tool (or `name`) of what it gets, as the loop would."""

    async def call(
        tool: ToolLike,
        arguments: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        deps: Any = None,
        problem: str | None = None,
    ) -> CallOutcome:
        offered = {entry.tool.name: entry for entry in Toolset([tool]).offered()}
        called = next(iter(offered)) if name is None else name
        made = ToolCall("call-1", called, None if problem else dict(arguments or {}), "", problem)
        return await run_call(made, offered, RunContext(deps, _Scope(), called, "call-1"), threads)

    return call
