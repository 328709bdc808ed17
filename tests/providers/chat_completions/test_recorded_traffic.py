"""Recorded traffic of real servers, compared with a second, simple reading that shares no code with the first.

Where the two differ, the cause lies in the body and has a row in `CAUSES`.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentkit.errors import GatewayError
from agentkit.models import ModelResponse, Profile
from agentkit.providers.chat_completions.decode import Decoder
from agentkit.providers.errors import error_from_response
from agentkit.transport import ServerSentEvents

REFERENCE = Path(__file__).parents[4] / "shared" / "reference"
TRAFFIC = REFERENCE / "traffic" / "chat_public.jsonl.gz"
RECORDINGS = REFERENCE / "openai-recordings"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one of the two made of a body."""

    text: str
    calls: tuple[tuple[str, Any], ...]
    finish: str
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """A record of the traffic."""

    id: str
    status: int
    streamed: bool
    tools: tuple[str, ...]
    headers: Mapping[str, str]
    body: str


def decoded(exchange: Exchange) -> Reading | GatewayError:
    """agentkit's reading."""
    body = exchange.body.encode()
    try:
        if exchange.status >= 300:
            return error_from_response(exchange.status, exchange.headers, body, gateway="recorded")
        response = _decode(exchange, body)
    except GatewayError as error:
        return error
    calls = tuple((call.name, call.arguments) for call in response.message.tool_calls)
    usage = response.usage
    text = response.message.text or ""
    return Reading(text, calls, response.finish_reason, usage.input_tokens, usage.output_tokens)


def _decode(exchange: Exchange, body: bytes) -> ModelResponse:
    decoder = Decoder(Profile(gateway="recorded"), exchange.tools, {})
    if not exchange.streamed:
        return decoder.plain(body)
    parser = ServerSentEvents()
    for start in range(0, len(body), 1009):  # a prime, so that cuts fall everywhere
        for event in parser.feed(body[start : start + 1009]):
            decoder.feed(event)
    for event in parser.close():
        decoder.feed(event)
    return decoder.close()


def simple(exchange: Exchange) -> Reading | None:
    """The simple reading: OpenAI's documentation taken at its word. None for what it calls an error."""
    if exchange.status >= 300:
        return None
    text, finish, usage = "", "", dict[str, Any]()
    calls: dict[int, list[str]] = {}
    for chunk in _chunks(exchange):
        if chunk.get("error"):
            return None
        usage = chunk.get("usage") or usage
        for choice in (chunk.get("choices") or [])[:1] if not exchange.streamed else chunk.get("choices") or []:
            if choice.get("index", 0) != 0:
                continue
            message = choice.get("delta" if exchange.streamed else "message") or {}
            finish = choice.get("finish_reason") or finish
            content = message.get("content")
            text += content if isinstance(content, str) else ""
            for position, call in enumerate(message.get("tool_calls") or []):
                entry = calls.setdefault(call.get("index", position), ["", ""])
                entry[0] += call["function"].get("name") or ""
                entry[1] += call["function"].get("arguments") or ""
    read = tuple((name, _arguments(arguments)) for name, arguments in calls.values())
    return Reading(text, read, finish, usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0))


def _chunks(exchange: Exchange) -> Iterator[dict[str, Any]]:
    if not exchange.streamed:
        value = json.loads(exchange.body)
        if isinstance(value, dict):
            yield value
        return
    for line in exchange.body.replace("\r\n", "\n").split("\n"):
        if line.startswith("data:") and line[5:].strip() != "[DONE]":
            yield json.loads(line[5:])


def _arguments(text: str) -> Any:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the two readings differ: a sentence, the fields that may differ then, and how to see it in the body."""

    why: str
    fields: frozenset[str]
    seen: Callable[[Exchange, Reading, Reading], bool]


CAUSES = (
    Cause(
        "the model refused in the refusal field, and the server says stop",
        frozenset({"finish"}),
        lambda exchange, ours, _: ours.finish == "refusal" and _has(exchange, "refusal"),
    ),
    Cause(
        "there are calls, and the server says stop",
        frozenset({"finish"}),
        lambda _, ours, other: (bool(ours.calls), ours.finish, other.finish) == (True, "tool_calls", "stop"),
    ),
    Cause(
        "the server's word for stop is its own, or it says nothing",
        frozenset({"finish"}),
        lambda _, ours, other: ours.finish == "stop" and other.finish in ("eos", ""),
    ),
    Cause(
        "calls that the output limit cut are left out",
        frozenset({"calls"}),
        lambda _, ours, other: ours.finish == "length" and list(ours.calls) == [c for c in other.calls if c[1]],
    ),
    Cause(
        "the call came in the old function_call field",
        frozenset({"calls", "finish"}),
        lambda exchange, ours, other: _has(exchange, "function_call") and bool(ours.calls) and not other.calls,
    ),
    Cause(
        "the arguments are null, which means none",
        frozenset({"calls"}),
        lambda _, ours, other: (
            [(name, {}) for name, _ in ours.calls] == list(ours.calls)
            and [(name, None) for name, _ in ours.calls] == list(other.calls)
        ),
    ),
    Cause(
        "the content is a list of parts",
        frozenset({"text"}),
        lambda exchange, _, other: bool(re.search(r'"content":\s*\[', exchange.body)) and len(other.text) < 3,
    ),
    Cause(
        "the text is an open <think> tag, cut at the output limit",
        frozenset({"text"}),
        lambda _, ours, other: (ours.text, other.text, ours.finish) == ("", "<think>", "length"),
    ),
    Cause(
        "the total counts reasoning beside the output",
        frozenset({"output_tokens"}),
        lambda exchange, ours, other: (
            f'"reasoning_tokens":{ours.output_tokens - other.output_tokens}' in exchange.body.replace(" ", "")
        ),
    ),
)


def _has(exchange: Exchange, field: str) -> bool:
    return re.search(rf'"{field}":\s*["{{]', exchange.body) is not None


def unexplained(exchange: Exchange, ours: Reading, other: Reading) -> set[str]:
    """The fields that differ without a cause in the body."""
    different = {name for name in Reading.__slots__ if getattr(ours, name) != getattr(other, name)}
    for cause in CAUSES:
        if different & cause.fields and cause.seen(exchange, ours, other):
            different -= cause.fields
    return different


def exchanges() -> Iterator[Exchange]:
    with gzip.open(TRAFFIC, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            tools = tuple(
                tool["function"]["name"]
                for tool in (record["request"] or {}).get("tools") or []
                if isinstance(tool, dict) and "function" in tool
            )
            headers = {name.lower(): value for name, value in (record["response_headers"] or {}).items()}
            yield Exchange(record["id"], record["status"], bool(record["stream"]), tools, headers, record["body"])


@pytest.mark.skipif(not TRAFFIC.exists(), reason="the recorded traffic is not beside this checkout")
def test_recorded_traffic_is_read_as_a_second_reading_reads_it_but_for_known_causes() -> None:
    left: dict[str, set[str]] = {}
    total = errors = 0
    for exchange in exchanges():
        total += 1
        ours, other = decoded(exchange), simple(exchange)
        if isinstance(ours, GatewayError) or other is None:
            errors += 1
            assert isinstance(ours, GatewayError), exchange.id
            assert other is None, exchange.id
        elif fields := unexplained(exchange, ours, other):
            left[exchange.id] = fields

    assert left == {}
    assert (total, errors) == (4165, 64)


@pytest.mark.skipif(not TRAFFIC.exists(), reason="the recorded traffic is not beside this checkout")
@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.why)
def test_each_cause_is_met_in_the_traffic(cause: Cause) -> None:
    for exchange in exchanges():
        ours, other = decoded(exchange), simple(exchange)
        if isinstance(ours, Reading) and other is not None and ours != other and cause.seen(exchange, ours, other):
            return
    pytest.fail("no recorded exchange shows it: take the row out")


@pytest.mark.skipif(not RECORDINGS.exists(), reason="the OpenAI recordings are not beside this checkout")
def test_the_recordings_of_openai_are_read_as_the_simple_reading_reads_them() -> None:
    read = 0
    for path in sorted(RECORDINGS.glob("*.sse")):
        exchange = Exchange(path.stem, 200, True, (), {}, path.read_text(encoding="utf-8"))
        ours, other = decoded(exchange), simple(exchange)
        assert isinstance(ours, Reading), path.stem
        assert other is not None, path.stem
        assert unexplained(exchange, ours, other) == set(), path.stem
        read += 1

    assert read == 12
