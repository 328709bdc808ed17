"""CPU time per delta of putting a streamed answer together, at two lengths: it must not grow with what came before.

Run `python benchmarks/assemble.py [rounds]`; it prints a Markdown table; README.md beside this file explains it.
"""

import gc
import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from agentkit.models import ModelResponse, Profile
from agentkit.providers.chat_completions.decode import Decoder
from agentkit.transport import ServerSentEvents

LENGTHS = (2_000, 20_000)
READ = 16  # events in one read from the socket

Delta = dict[str, Any]


def call(index: int, *, arguments: str = "", name: str = "", id: str = "") -> Delta:
    entry: Delta = {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}
    return {"tool_calls": [entry]}


def piece(number: int, total: int) -> str:
    """A piece of one argument object that has the look of a whole one at each of its ends."""
    return '{"text":"' if number == 0 else '"}' if number == total - 1 else r"{\"word\":1}"


SHAPES: dict[str, Callable[[int, int], Delta]] = {
    "one text": lambda number, total: {"content": f"word{number} "},
    "reasoning in a field": lambda number, total: {"reasoning_content": f"word{number} "},
    "reasoning in think tags": lambda number, total: {"content": f"a < {number} " if number else "<think>"},
    "reasoning_details": lambda number, total: {
        "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": f"word{number} "}]
    },
    "blank lines before the text": lambda number, total: {"content": "\n" if number < total - 1 else "text"},
    "arguments of one call": lambda number, total: call(
        0, arguments=piece(number, total), name="" if number else "write", id="" if number else "call_0"
    ),
    "arguments, the name with each piece": lambda number, total: call(0, arguments=piece(number, total), name="write"),
    "arguments, an id with each piece": lambda number, total: call(
        0, arguments=piece(number, total), name="" if number else "write", id=f"call_{number}"
    ),
    "arguments as objects": lambda number, total: {
        "tool_calls": [{"index": 0, "function": {"name": "write", "arguments": {f"key{number}": number}}}]
    },
    "many calls, one after the other": lambda number, total: call(
        number, arguments='{"city":"Oslo"}', name="get_weather", id=f"call_{number}"
    ),
    "a quarter as many calls, interleaved": lambda number, total: call(
        number % (total // 4),
        arguments=('{"city"', ":", '"Oslo"', "}")[number // (total // 4)],
        name="get_weather" if number < total // 4 else "",
    ),
    "many calls glued into one": lambda number, total: call(0, arguments=f'{{"city":{number}}}', name="get_weather"),
}


def stream(shape: Callable[[int, int], Delta], total: int) -> list[bytes]:
    """The bytes of an answer of `total` deltas, as they are read."""
    choices: list[Delta] = [
        {"index": 0, "delta": shape(number, total), "finish_reason": None} for number in range(total)
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1777777777, "model": "bench"}
    events = [b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n" for choice in choices]
    return [b"".join(events[start : start + READ]) for start in range(0, len(events), READ)]


def assembled(pieces: list[bytes]) -> ModelResponse:
    parser, decoder = ServerSentEvents(), Decoder(Profile(), ["write", "get_weather"], {})
    for data in pieces:
        for event in parser.feed(data):
            decoder.feed(event)
    return decoder.close()


def measured(pieces: list[bytes], total: int) -> float:
    """CPU microseconds per delta."""
    gc.collect()
    started = time.process_time()
    response = assembled(pieces)
    taken = time.process_time() - started
    if not response.message.parts and not response.message.extra:
        raise SystemExit("the answer is empty")
    return taken / total * 1e6


def main(rounds: int) -> None:
    print("| stream | 2,000 deltas, us per delta | 20,000 deltas, us per delta | growth |")
    print("|---|---|---|---|")
    for title, shape in SHAPES.items():
        streams = [stream(shape, total) for total in LENGTHS]
        taken = [
            [measured(pieces, total) for pieces, total in zip(streams, LENGTHS, strict=True)] for _ in range(rounds)
        ]
        short, long = (median(column) for column in zip(*taken, strict=True))
        print(f"| {title} | {short:.2f} | {long:.2f} | **{long / short:.2f}** |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
