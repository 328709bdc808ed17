"""A scripted Chat Completions server for benchmarks: it parses next to nothing, so the client is what is measured.

`POST /<contestant>/<job>/v1/chat/completions` answers what the job says; `GET /seen` tells what was asked and forgets
it. Prints its port, listens on loopback, and ends when its standard input does.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from typing import Any

DELTAS = 2000
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
USAGE = {"prompt_tokens": 40, "completion_tokens": 20, "total_tokens": 60}
INVOICE = {
    "number": "INV-2041", "date": "2026-05-02", "currency": "EUR", "paid": False, "note": "thank you",
    "seller": {"name": "Acme", "tax_id": "DE1", "address": {"street": "Main 1", "city": "Bonn", "country": "DE"}},
    "buyer": {"name": "Byte", "tax_id": "FR2", "address": {"street": "Rue 2", "city": "Lyon", "country": "FR"}},
    "totals": {"net": 100.0, "tax": 19.0, "gross": 119.0},
    "lines": [{"sku": "A-1", "text": "paper", "quantity": 2, "price": 50.0}],
}  # fmt: skip


def completion(message: dict[str, Any], finish: str) -> bytes:
    """A whole plain answer, head and body."""
    body = json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1777777777,
            "model": "bench",
            "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
            "usage": USAGE,
        }
    ).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def calls(names: list[str]) -> bytes:
    """An answer that calls the tool once for each name."""
    tool_calls = [
        {
            "id": f"call_{name}",
            "type": "function",
            "function": {"name": "get_weather", "arguments": json.dumps({"city": name, "unit": "c"})},
        }
        for name in names
    ]
    return completion({"content": None, "tool_calls": tool_calls}, "tool_calls")


def stream() -> bytes:
    """A streamed answer: each event is an HTTP chunk of its own, as gateways send them."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": f"word{number} "} for number in range(DELTAS)]
    events = [
        json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1777777777,
                "model": "bench",
                "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
            }
        )
        for delta in deltas
    ]
    events.append(json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
    events.append(json.dumps({"choices": [], "usage": USAGE}))
    events.append("[DONE]")
    pieces = [f"data: {event}\n\n".encode() for event in events]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + chunks + b"0\r\n\r\n"


FINAL = completion({"content": "It is cold there."}, "stop")
FIXED = {
    "turn": FINAL,
    "history": FINAL,
    "stream": stream(),
    "structured": completion({"content": json.dumps(INVOICE)}, "stop"),
}
STEPS = {
    "steps": [calls([f"city-{step}"]) for step in range(10)] + [FINAL],
    "long": [calls([f"city-{step}"]) for step in range(100)] + [FINAL],
}
PARALLEL = calls([f"city-{number}" for number in range(100)])


class Server(asyncio.Protocol):
    """One connection. Requests on it come one after the other."""

    def __init__(self, seen: Counter[str]) -> None:
        self.seen = seen
        self.received = bytearray()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0 or self.transport is None:
            return
        length = LENGTH.search(self.received, 0, end)
        total = end + 4 + (int(length[1]) if length else 0)
        if len(self.received) < total:
            return
        path = bytes(self.received[: self.received.index(b"\r\n")]).split(b" ")[1].decode()
        body = bytes(self.received[end + 4 : total])
        del self.received[:total]
        self.transport.write(self.reported() if path == "/seen" else self.answer(path, body))

    def reported(self) -> bytes:
        """What has been asked since the last time, as JSON."""
        body = json.dumps(self.seen).encode()
        self.seen.clear()
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)

    def answer(self, path: str, body: bytes) -> bytes:
        _, contestant, job, *_ = path.split("/")
        tools = body.count(b'"role":"tool"')
        key = f"{contestant}/{job}"
        self.seen[f"{key}/requests"] += 1
        self.seen[f"{key}/messages"] += body.count(b'"role":"')
        self.seen[f"{key}/tool messages"] += tools
        if job in STEPS:
            return STEPS[job][tools]
        if job == "parallel":
            return FINAL if tools else PARALLEL
        return FIXED[job]


async def main() -> None:
    loop = asyncio.get_running_loop()
    seen = Counter[str]()
    server = await loop.create_server(lambda: Server(seen), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
