"""The wire samples in tests/data/wire-samples: what a server sent, and the answer that it means."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentkit.errors import (
    AuthenticationError,
    BadRequest,
    GatewayError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
    StreamTruncated,
)
from agentkit.messages import AssistantMessage
from agentkit.models import ModelResponse, Profile, ToolDefinition

FOLDER = Path(__file__).parents[2] / "data" / "wire-samples"

_ERRORS: Mapping[str, type[GatewayError]] = {
    "authentication": AuthenticationError,
    "invalid_history": BadRequest,
    "invalid_request": BadRequest,
    "invalid_schema": BadRequest,
    "overloaded": Overloaded,
    "quota": QuotaExhausted,
    "rate_limit": RateLimited,
    "server_error": ServerError,
    "stream_truncated": StreamTruncated,
    "tool_use_failed": BadRequest,
    "unsupported_combination": BadRequest,
    "unsupported_value": BadRequest,
}
# What only a loop can call an error: here it is an answer with finish reason `length`, or with text of another shape.
_OF_THE_LOOP = ("tool_arguments_truncated", "empty_output", "output_truncated", "schema_mismatch")

TOOLS = tuple(
    ToolDefinition(name, "A tool.", {"type": "object", "properties": {name: {"type": "string"} for name in parameters}})
    for name, parameters in {"get_weather": ["city"], "glob": ["pattern", "path"], "now": []}.items()
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer or an error in the words of the samples."""

    text: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    calls: tuple[tuple[str, Any], ...] = ()
    finish: str | None = None
    usage: tuple[int, int, int] | None = None
    error: type[GatewayError] | None = None
    retryable: bool | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One file."""

    name: str
    data: Mapping[str, Any]

    @property
    def streamed(self) -> bool:
        return bool(self.data["transport"] == "sse")

    @property
    def status(self) -> int:
        return int(self.data["response"]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.data["response"]["headers"])

    @property
    def chunks(self) -> tuple[bytes, ...]:
        response = self.data["response"]
        if "chunks_b64" in response:
            return tuple(base64.b64decode(chunk) for chunk in response["chunks_b64"])
        if "chunks" in response:
            return tuple(chunk.encode() for chunk in response["chunks"])
        return (json.dumps(response["body"], ensure_ascii=False).encode(),)

    @property
    def profile(self) -> Profile:
        return Profile(gateway="sample", text_tool_calls=self.data["id"] == "Q64")

    @property
    def expected(self) -> Outcome:
        expect = self.data["expect"]
        error = expect["error"]
        if error is not None and error["class"] not in _OF_THE_LOOP:
            kind = _ERRORS[error["class"]]
            return Outcome(expect["text"], expect["reasoning"], error=kind, retryable=error["retryable"])
        usage = expect["usage"]
        return Outcome(
            expect["text"],
            expect["reasoning"],
            expect["refusal"],
            tuple((call["name"], call["arguments"]) for call in expect["tool_calls"]),
            expect["finish"],
            (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]),
        )


SAMPLES = [Sample(path.stem, json.loads(path.read_bytes())) for path in sorted(FOLDER.glob("*.json"))]


def outcome_of(got: ModelResponse | GatewayError) -> Outcome:
    """What came, in the words of the samples."""
    if isinstance(got, GatewayError):
        partial = got.partial or AssistantMessage(())
        return Outcome(partial.text, partial.reasoning, error=type(got), retryable=got.retryable)
    message, usage = got.message, got.usage
    return Outcome(
        message.text,
        message.reasoning,
        message.refusal,
        tuple((call.name, call.arguments) for call in message.tool_calls),
        got.finish_reason,
        (usage.input_tokens, usage.output_tokens, usage.total_tokens),
    )
