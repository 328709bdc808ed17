"""`run_sync` in scripts and notebooks."""

import asyncio
import contextvars
import sys
import threading
import types

import pytest

from agentkit import Agent, ServerError, UsageError, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.transport import RetryPolicy

ORIGIN = contextvars.ContextVar("origin", default="nobody")


@tool
def origin() -> str:
    """Who asks."""
    return f"{ORIGIN.get()} in {threading.current_thread().name}"


def test_run_sync_gives_the_result_and_can_be_called_again() -> None:
    with Emulator([Reply(text="one"), Reply(text="two")]) as gateway:
        agent = Agent(gateway.model())
        assert [agent.run_sync("Hi").output, agent.run_sync("Hi").output] == ["one", "two"]
        assert gateway.connections == 2  # each had a loop of its own, and closed its connections


def _as_kernel(monkeypatch: pytest.MonkeyPatch, shell: object) -> None:
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]  # a module made up for this test
    monkeypatch.setitem(sys.modules, "IPython", ipython)


def test_in_a_notebook_it_runs_in_a_thread_of_its_own_with_the_context_of_the_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _as_kernel(monkeypatch, types.SimpleNamespace(kernel=object()))

    async def cell(agent: Agent) -> str:
        ORIGIN.set("the cell")
        return agent.run_sync("Hi").messages.to_json().decode()

    with Emulator([Reply(calls=(Call("origin"),)), Reply(text="done")]) as gateway:
        text = asyncio.run(cell(Agent(gateway.model(), tools=[origin])))
    assert "the cell in agentkit-tool" in text


def test_in_a_notebook_an_error_leaves_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    _as_kernel(monkeypatch, types.SimpleNamespace(kernel=object()))

    async def cell(agent: Agent) -> None:
        agent.run_sync("Hi")

    with Emulator([]) as gateway:
        agent = Agent(gateway.model(retry=RetryPolicy(retries=0)))
        with pytest.raises(ServerError, match="the script has 0 steps"):
            asyncio.run(cell(agent))


def test_a_shell_of_ipython_without_a_kernel_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    _as_kernel(monkeypatch, types.SimpleNamespace())

    async def cell(agent: Agent) -> None:
        agent.run_sync("Hi")

    with pytest.raises(UsageError, match="an event loop is already running"):
        asyncio.run(cell(Agent("toapis")))
