"""What each gateway accepts and how it answers, as data: model ids, ranges, error bodies, accounting headers.

The facts are the vendors' pages; where a page is silent a dialect does what OpenAI does. Knows nothing of sockets or of
what a reply contains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from agentkit.errors import ConfigurationError

Kind: TypeAlias = Literal[
    "invalid_request",
    "unsupported_parameter",
    "unprocessable",
    "too_large",
    "context_overflow",
    "unauthorized",
    "payment_required",
    "rate_limited",
    "quota",
    "model_not_found",
    "not_found",
    "wrong_method",
    "server_error",
    "overloaded",
]
"""What went wrong, in the server's own terms; a dialect says which status, type and code that is."""

SurfaceName: TypeAlias = Literal["chat", "responses", "messages", "tasks"]
"""The ways in which a gateway can be asked: OpenAI's two, Anthropic's, and Runware's own."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one request, before a dialect words it. `param` is the field at fault, as a path."""

    message: str
    param: str | None = None
    kind: Kind = "invalid_request"


@dataclass(frozen=True, slots=True)
class Label:
    """How one kind of problem looks on the wire: HTTP status, `error.type`, `error.code`."""

    status: int
    type: str
    code: str | None


def _openai_error(problem: Problem, label: Label) -> dict[str, Any]:
    return {"message": problem.message, "type": label.type, "param": problem.param, "code": label.code}


def _toapis_error(problem: Problem, label: Label) -> dict[str, Any]:
    return {"code": label.code or label.type, "message": problem.message, "type": label.type}


def _modelstream_error(problem: Problem, label: Label) -> dict[str, Any]:
    return {
        "message": problem.message,
        "type": label.type,
        "param": problem.param or "",
        "code": label.code or label.type,
    }


def _no_headers(status: int, number: int, now: float) -> dict[str, str]:
    return {}


def _bytespike_headers(status: int, number: int, now: float) -> dict[str, str]:
    """Its accounting: USD left in the tightest bucket, the Unix time at which that refills, credits left."""
    broke, limited = status == 402, status == 429
    return {
        "x-ratelimit-limit": "5.00",
        "x-ratelimit-remaining": "0.00" if limited else f"{max(0.0, 4.99 - number * 0.0001):.2f}",
        "x-ratelimit-reset": str(int(now) + (1 if limited else 3600)),
        "x-quota-remaining-credits": "0" if broke else f"{max(0.0, 12.34 - number * 0.0001):.2f}",
        "x-org-quota-remaining-credits": "0" if broke else f"{max(0.0, 100 - number * 0.0001):.2f}",
    }


_OPENAI_LABELS: Mapping[Kind, Label] = MappingProxyType(
    {
        "invalid_request": Label(400, "invalid_request_error", None),
        "unsupported_parameter": Label(400, "invalid_request_error", "unsupported_parameter"),
        "unprocessable": Label(422, "invalid_request_error", "invalid_param"),
        "too_large": Label(413, "invalid_request_error", "request_too_large"),
        "context_overflow": Label(400, "invalid_request_error", "context_length_exceeded"),
        "unauthorized": Label(401, "invalid_request_error", "invalid_api_key"),
        "payment_required": Label(402, "insufficient_balance", "insufficient_balance"),
        "rate_limited": Label(429, "requests", "rate_limit_exceeded"),
        "quota": Label(429, "insufficient_quota", "insufficient_quota"),
        "model_not_found": Label(404, "invalid_request_error", "model_not_found"),
        "not_found": Label(404, "invalid_request_error", "unknown_url"),
        "wrong_method": Label(405, "invalid_request_error", "method_not_supported"),
        "server_error": Label(500, "server_error", None),
        "overloaded": Label(503, "server_error", "overloaded"),
    }
)


def _labels(**changes: Label) -> Mapping[str, Label]:
    return MappingProxyType({**_OPENAI_LABELS, **changes})


@dataclass(frozen=True, slots=True)
class Dialect:
    """One gateway as the server plays it.

    `models[0]` is the model of its seed page; `surfaces` is never empty, and an error on a path that it does not serve
    has the form of the first. `token_fields` are the names it takes for the limit on output tokens, and
    `max_output` and `context` are in tokens (None: not published, not checked).
    """

    name: str
    models: tuple[str, ...]
    key_prefix: str
    token_fields: tuple[str, ...]
    surfaces: tuple[SurfaceName, ...] = ("chat",)
    roles: tuple[str, ...] = ("system", "user", "assistant", "tool")
    tool_choices: tuple[str, ...] = ("auto", "none", "required")
    max_output: int | None = None
    context: int | None = None
    json_word: bool = True  # json_object is refused unless some message says "json"
    created: bool = True  # plain answers carry `created`
    fingerprint: bool = True  # answers carry `system_fingerprint`
    flat_form: bool = False  # chat also takes `prompt` and `system_prompt` in place of messages
    named_call_ids: bool = False  # the ids of tool calls in chat answers are functions.NAME:NUMBER
    labels: Mapping[str, Label] = field(default_factory=_labels, repr=False)
    error: Callable[[Problem, Label], dict[str, Any]] = field(default=_openai_error, repr=False)
    headers: Callable[[int, int, float], dict[str, str]] = field(default=_no_headers, repr=False)

    def knows(self, model: str) -> bool:
        """Whether it serves this model id: its own, or a fine-tuned one (`ft:...`)."""
        return model in self.models or model.startswith("ft:")

    def elsewhere(self) -> Dialect:
        """The same gateway asked on a surface other than chat: what its page says of chat does not hold there."""
        return replace(
            self,
            token_fields=("max_completion_tokens", "max_tokens"),
            roles=("system", "developer", "user", "assistant", "tool"),
            tool_choices=("auto", "none", "required"),
        )

    def render(self, problem: Problem) -> tuple[int, dict[str, Any]]:
        """The status and the whole JSON body of an error."""
        label = self.labels[problem.kind]
        return label.status, {"error": self.error(problem, label)}


_TOAPIS = Dialect(
    name="toapis",
    models=("gpt-5-4-mini-official", "gpt-5-4-nano-official"),
    key_prefix="sk-",
    token_fields=("max_tokens",),
    surfaces=("chat", "responses", "messages"),
    fingerprint=False,
    labels=_labels(
        invalid_request=Label(400, "invalid_request_error", "invalid_request_error"),
        unauthorized=Label(401, "authentication_error", "invalid_api_key"),
        payment_required=Label(402, "insufficient_balance", "insufficient_balance"),
        rate_limited=Label(429, "rate_limit_error", "rate_limit_exceeded"),
        overloaded=Label(503, "server_error", "rate_limit_unavailable"),
    ),
    error=_toapis_error,
)

_BYTESPIKE = Dialect(
    name="bytespike",
    models=("gpt-5-4-mini",),
    key_prefix="sk-byts-",
    token_fields=("max_tokens",),
    surfaces=("chat", "responses", "messages"),
    tool_choices=("auto", "none"),
    max_output=16_384,
    context=128_000,
    json_word=False,  # its page's own example asks for json_object without the word
    created=False,
    fingerprint=False,
    labels=_labels(
        invalid_request=Label(400, "invalid_request_error", "invalid_param"),
        unsupported_parameter=Label(400, "invalid_request_error", "invalid_param"),
        rate_limited=Label(429, "rate_limit_error", "rate_limit_exceeded"),
        quota=Label(402, "quota_exceeded", "quota_exceeded"),
        model_not_found=Label(400, "invalid_request_error", "model_not_found"),
        not_found=Label(404, "invalid_request_error", "not_found"),
    ),
    headers=_bytespike_headers,
)

_MODELSTREAM = Dialect(
    name="modelstream",
    models=("gpt-4o-mini",),
    key_prefix="ms-",
    token_fields=("max_completion_tokens",),
    max_output=16_384,
    context=128_000,
    flat_form=True,
    error=_modelstream_error,
)

_RUNWARE = Dialect(
    name="runware",
    models=("openai:gpt@5.4-mini",),
    key_prefix="rw-",
    token_fields=("max_completion_tokens",),
    surfaces=("chat", "responses", "messages", "tasks"),
    max_output=128_000,
    context=400_000,
    created=False,
    fingerprint=False,
    named_call_ids=True,
)

_OPENAI = Dialect(
    name="openai",
    models=("gpt-5.4-mini", "gpt-5.4-nano", "gpt-5.4", "gpt-4o-mini", "gpt-4o"),
    key_prefix="sk-proj-",
    token_fields=("max_completion_tokens", "max_tokens"),
    surfaces=("chat", "responses"),
    roles=("system", "developer", "user", "assistant", "tool"),
)

_ANTHROPIC = Dialect(
    name="anthropic",
    models=("claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5"),
    key_prefix="sk-ant-api03-",
    token_fields=("max_tokens",),
    surfaces=("messages",),
    max_output=64_000,
    context=200_000,
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {d.name: d for d in (_TOAPIS, _BYTESPIKE, _MODELSTREAM, _RUNWARE, _OPENAI, _ANTHROPIC)}
)
"""Every gateway that the server can play, by name."""


def dialect(name: str) -> Dialect:
    """The dialect of that name.

    Raises:
        ConfigurationError: there is none of that name.
    """
    try:
        return DIALECTS[name]
    except KeyError:
        known = ", ".join(DIALECTS)
        raise ConfigurationError(f"the embedded gateway does not know {name!r}; it speaks {known}") from None
