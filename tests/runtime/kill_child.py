"""The processes of the kill matrix: a server that forks one for each line of JSON that it reads.

What it forks is fresh: it has imported agentkit and done nothing else. The answer to a line is how the process ended.
"""

import json
import os
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import httpcore  # noqa: F401  # so that each process need not
import trio  # noqa: F401

import agentkit.runtime.ledger
import agentkit.transport.httpx_client  # noqa: F401
from agentkit import Agent, RunContext, tool
from agentkit.errors import AgentkitError
from agentkit.journal import NewRun, Record, RunRow, RunStatus, SqliteJournal
from agentkit.messages.codec import encode_message
from agentkit.providers import ChatCompletionsModel
from agentkit.runtime import Allow


class Killed(SqliteJournal):
    """A journal whose process ends before or after its `place`-th operation; `count` is how many there were."""

    def __init__(self, path: Path, order: dict[str, Any]) -> None:
        super().__init__(path, timeout=0.2, clock=lambda: time.time() + order.get("clock", 0.0))
        self._place, self._after = order.get("place"), order.get("after", False)
        self.count = 0

    def _before(self) -> int:
        self.count += 1
        if self.count == self._place and not self._after:
            die()
        return self.count

    def _behind(self, place: int) -> None:
        if place == self._place and self._after:
            die()

    async def begin(self, row: NewRun, records: Sequence[Record], owner: str) -> RunRow | None:
        place = self._before()
        found = await super().begin(row, records, owner)
        self._behind(place)
        return found

    async def take(self, run_id: str, owner: str) -> RunRow:
        place = self._before()
        row = await super().take(run_id, owner)
        self._behind(place)
        return row

    def append(self, run_id: str, owner: str, records: Sequence[Record]) -> None:
        place = self._before()
        super().append(run_id, owner, records)
        self._behind(place)

    async def durable(self, run_id: str) -> None:
        place = self._before()
        await super().durable(run_id)
        self._behind(place)

    async def close(
        self, run_id: str, owner: str, status: RunStatus, records: Sequence[Record], result: bytes | None
    ) -> None:
        place = self._before()
        await super().close(run_id, owner, status, records, result)
        self._behind(place)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Effects:
    """What the tools have done: a file with a line for each body that began, and for each effect that it had."""

    def __init__(self, folder: Path, order: dict[str, Any]) -> None:
        self._folder, self._order = folder, order
        self._lock: sqlite3.Connection | None = None

    def write(self, what: str, call: str, key: str) -> None:
        file = os.open(self._folder / "effects", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(file, f"{what} {call} {key}\n".encode())
        os.close(file)
        now = f"{what} {call}"
        if self._order.get("kill") == now:
            die()
        if self._order.get("lock") == now:  # until the process ends
            self._lock = sqlite3.connect(self._folder / "runs.db", isolation_level=None, check_same_thread=False)
            self._lock.execute("BEGIN IMMEDIATE")
        while self._order.get("hold") == now and not (self._folder / "go").exists():
            time.sleep(0.01)


def agent(order: dict[str, Any], effects: Effects, *, nested: bool = False) -> Agent[None, str]:
    """An agent with a tool of each kind, and one agent with the same tools as another tool."""

    def done(name: str, n: int, ctx: RunContext[None]) -> str:
        call = f"{name}({n})"
        effects.write("began", call, ctx.idempotency_key)
        effects.write("did", call, ctx.idempotency_key)
        return f"{call} is done"

    @tool(effect="read")
    async def look(ctx: RunContext[None], n: int) -> str:
        """Look."""
        return done("look", n, ctx)

    @tool
    def note(ctx: RunContext[None], n: int) -> str:
        """Note."""
        return done("note", n, ctx)

    @tool(effect="write")
    async def save(ctx: RunContext[None], n: int) -> str:
        """Save."""
        return done("save", n, ctx)

    @tool(effect="external")
    async def send(ctx: RunContext[None], n: int) -> str:
        """Send."""
        return done("send", n, ctx)

    @tool(idempotent=True, sequential=True)
    async def charge(ctx: RunContext[None], n: int) -> str:
        """Charge."""
        return done("charge", n, ctx)

    tools: list[Any] = [look, note, save, send, charge]
    if not nested:
        tools.append(agent(order, effects, nested=True).as_tool(name="helper"))
    model = ChatCompletionsModel("gpt-5-4-mini-official", base_url=order["url"], api_key=order["key"])
    return Agent(model, tools=tools, policy=lambda call, context, trust: Allow())


async def run(order: dict[str, Any]) -> dict[str, Any]:
    folder = Path(order["folder"])
    journal = Killed(folder / "runs.db", order)
    made = agent(order, Effects(folder, order))
    if order["do"] == "run":
        result = await made.run(order["prompt"], journal=journal, run_id="r")
    else:
        result = await made.resume("r", journal=journal)
    await journal.aclose()
    return {
        "output": result.output,
        "messages": [encode_message(message) for message in result.messages],
        "usage": [result.usage.input_tokens, result.usage.output_tokens, result.usage.requests],
        "turns": result.turns,
        "tool_calls": result.tool_calls,
        "operations": journal.count,
    }


def told(order: dict[str, Any]) -> dict[str, Any]:
    """What one process has to say of its run."""
    if "room" in order:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["room"], order["room"]))
    try:
        return anyio.run(run, order, backend=order.get("backend", "asyncio"))
    except AgentkitError as error:
        return {"error": type(error).__name__, "text": str(error)}


def main() -> None:
    agent({"url": "http://127.0.0.1:1/v1", "key": "none"}, Effects(Path(), {}))  # imports what an agent needs
    print(json.dumps({"ready": True}), flush=True)
    children: dict[int, int] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] != "wait":
            read, write = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(read)
                os.write(write, json.dumps(told(order)).encode())
                os._exit(0)
            os.close(write)
            children[child] = read
            if order.get("meanwhile"):
                print(json.dumps({"child": child}), flush=True)
                continue
        else:
            child = order["child"]
        with os.fdopen(children.pop(child), "rb") as said:
            text = said.read()
        _, status = os.waitpid(child, 0)
        print(json.dumps({"killed": os.WIFSIGNALED(status), **json.loads(text or b"{}")}), flush=True)


if __name__ == "__main__":
    main()
