"""Error answers, in all their envelopes, to one typed error. Pure.

What decides, in this order: the code or type the gateway names where it is telling (a used-up quota may come as 400,
402, 403 or 429), then the status, then the words.
"""

import datetime
import email.utils
import re
from collections.abc import Iterator, Mapping
from typing import Any

from agentkit import _json
from agentkit.errors import (
    AuthenticationError,
    BadRequest,
    ContentFiltered,
    ContextOverflow,
    GatewayError,
    GatewayTimeout,
    Overloaded,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from agentkit.telemetry import redact

_KEPT_HEADERS = re.compile(r"^([a-z]+-)?ratelimit|^x-(org-)?quota|^retry-after|request-id$|^x-should-retry$|^cf-ray$")

_STATUS_TEXT = re.compile(r"[0-9]{3}")

# What the gateways' own pages say of trigger, fix and retry (seed pages of ToAPIs and ByteSpike).
_ADVICE: Mapping[type[GatewayError], str] = {
    AuthenticationError: "the key is missing or wrong: verify the Authorization header's format and the key's "
    "validity; it is not retried",
    PermissionDenied: "this key may not use that model or endpoint; it is not retried",
    QuotaExhausted: "the balance or quota is used up: top it up or use another key; waiting does not help, and it is "
    "not retried",
    RateLimited: "request rate, concurrency or the current quota is at its limit: it is retried after 1 s, 2 s and 4 s "
    "with jitter; if it persists, send less at a time",
    Overloaded: "the server has too much to do; it is retried",
    ServerError: "the fault is upstream; it is retried",
    GatewayTimeout: "the gateway waited too long for the model; it is retried",
    ContextOverflow: "the conversation is longer than the model takes: shorten it or use a model with a larger context",
    ContentFiltered: "the gateway's content policy stopped it: change the request",
    BadRequest: "validate model, messages and parameter types, and send it again only when the payload is fixed",
}

_NOT_FOUND = "check the base URL (most end in /v1) and the model's id; it is not retried"

_QUOTA = re.compile(
    r"insufficient.?(quota|balance|credit|fund)|quota.?(exceeded|exhausted)|billing|(no|out_of).?credits|balance"
    r"|payment_required|perday|spend.?limit",
    re.I,
)
_OVERFLOW = re.compile(
    r"context.?length|context.?window|maximum context|string_above_max|too many (input )?tokens|prompt is too long"
    r"|exceeds the (available )?context|reduce the length",
    re.I,
)
_FILTER = re.compile(
    r"content.?filter|content.?policy|responsible.?ai|moderation|safety.?violation|sensitive_words",
    re.I,
)
_AUTH = re.compile(
    r"invalid.?(api.?)?key|authentication|unauthori[sz]ed|invalid.?token|missing.?api.?key|incorrect api key",
    re.I,
)
_PERMISSION = re.compile(r"permission|forbidden|not_in_group|access_denied", re.I)
_RATE = re.compile(r"rate.?limit|too.?many.?requests|resource.?exhausted|throttl|concurrency", re.I)
_OVERLOADED = re.compile(r"overload|unavailable|capacity", re.I)
_TIMEOUT = re.compile(r"timeout|timed.?out|deadline", re.I)
_SERVER = re.compile(r"server.?error|internal|upstream|provider|bad_gateway", re.I)
_NOT_SUPPORTED = re.compile(r"\b(is|are) not supported\b|\bunsupported\b", re.I)
_INVALID = re.compile(r"invalid|bad.?request|unsupported|missing|not.?found|unprocessable|validation|too.?large", re.I)


def error_from_response(
    status: int, headers: Mapping[str, str], body: bytes, *, gateway: str, secret: str = ""
) -> GatewayError:
    """The error that an answer of status 400 and up means. `secret` is the key, which is taken out of all texts."""
    try:
        value = _json.loads(body)
    except ValueError:
        value = _words(body)
    return error_from_object(value, gateway=gateway, headers=headers, status=status, secret=secret)


def error_from_object(
    value: Any, *, gateway: str, headers: Mapping[str, str], status: int | None = None, secret: str = ""
) -> GatewayError:
    """The error that a decoded error object means; `status` is None when it came inside a 200."""
    found = _Envelope(_redacted(value, secret))
    if status is None:
        status = found.status
    kind = _kind(status, found)
    words = found.message
    code = found.code or found.type
    named = " ".join(filter(None, (str(status) if status else "an error", f"({code})" if code else "")))
    retry_after = _retry_after(headers, found, limited=kind is RateLimited) if kind.retryable_by_default else None
    advice = _advice(kind, status)
    return kind(
        f"{gateway} answered {named}: {_sentence(words)} {advice[0].upper()}{advice[1:]}.",
        status=status,
        code=code or None,
        param=found.param or None,
        request_id=headers.get("x-request-id") or headers.get("request-id") or found.request_id or None,
        retryable=_retryable(code, headers),
        retry_after=retry_after,
        headers=kept_headers(headers),
        provider_message=words or None,
        body=found.value,
    )


def _advice(kind: type[GatewayError], status: int | None) -> str:
    """What to do about it."""
    if kind is BadRequest and status in (404, 405):
        return _NOT_FOUND
    return _ADVICE[kind if kind in _ADVICE else BadRequest]


def _redacted(value: Any, secret: str) -> Any:
    """`value` with `redact` done to each text in it."""
    if isinstance(value, str):
        return redact(value, secret)
    if isinstance(value, list):
        return [_redacted(item, secret) for item in value]
    if isinstance(value, dict):
        return {key: _redacted(item, secret) for key, item in value.items()}
    return value


def _retryable(code: str, headers: Mapping[str, str]) -> bool | None:
    """What the server says of it; None leaves it to the class."""
    if headers.get("x-should-retry") == "false":
        return False
    return True if code == "tool_use_failed" else None  # Groq: the model wrote a call that cannot be read


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The rate-limit, quota, retry and request-id headers, lower-case."""
    return {name: value for name, value in headers.items() if _KEPT_HEADERS.search(name)}


class _Envelope:
    """The fields of an error, wherever its envelope keeps them."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.message = self.code = self.type = self.param = self.request_id = ""
        self.status: int | None = None
        self.retry_delay: float | None = None
        for layer in _layers(value):
            self._read(layer)

    @property
    def names(self) -> str:
        return f"{self.code} {self.type}"

    def _read(self, layer: Any) -> None:
        """Inner layers win: they are nearer to who failed."""
        if isinstance(layer, str):
            self.message = layer or self.message
            return
        code = layer.get("code")
        for key in ("status", "status_code", "code"):
            number = layer.get(key)
            if isinstance(number, str) and _STATUS_TEXT.fullmatch(number):
                number = int(number)
            if isinstance(number, int) and 400 <= number < 600:
                self.status = number
                break
        if isinstance(code, str) and code and not code.isdigit():
            self.code = code
        status = layer.get("status")
        if isinstance(status, str) and not self.code:
            self.code = status
        self.type = _text(layer.get("type")) if _text(layer.get("type")) not in ("", "error") else self.type
        self.message = _text(layer.get("message")) or _text(layer.get("msg")) or self.message
        param = layer.get("param", layer.get("parameter"))
        self.param = ", ".join(map(str, param)) if isinstance(param, list) else _text(param) or self.param
        self.request_id = _text(layer.get("request_id")) or self.request_id
        self._read_details(layer.get("details"))

    def _read_details(self, details: Any) -> None:
        """Google's: how long to wait, and which quota it was. Anthropic's: the cause."""
        if isinstance(details, Mapping):
            self.code = _text(details.get("error_code")) or self.code
        for detail in details if isinstance(details, list) else ():
            if not isinstance(detail, Mapping):
                continue
            if isinstance(detail.get("retryDelay"), str):
                self.retry_delay = _duration(detail["retryDelay"])
            violations = detail.get("violations")
            for violation in violations if isinstance(violations, list) else ():
                quota = _text(violation.get("quotaId")) if isinstance(violation, Mapping) else ""
                if "PerDay" in quota:
                    self.code = quota


def _layers(value: Any) -> Iterator[Any]:
    """The error's objects from the outside in."""
    for _ in range(5):
        if isinstance(value, list):
            value = value[0] if value else {}
        if isinstance(value, str):
            yield value
            return
        if not isinstance(value, Mapping):
            return
        yield value
        metadata = value.get("metadata")
        inner = value.get("error") or value.get("errors") or value.get("detail")
        if inner is None and isinstance(metadata, Mapping) and isinstance(metadata.get("raw"), str):
            try:
                inner = _json.loads(metadata["raw"])
            except ValueError:
                return
            if not isinstance(inner, Mapping):
                return
        value = inner


def _kind(status: int | None, found: _Envelope) -> type[GatewayError]:
    named = _kind_by_telling_name(status, found)
    if named is not None:
        return named
    if status is not None:
        by_status = _STATUS.get(status)
        if by_status is not None:
            return by_status
        return ServerError if status >= 500 else BadRequest
    for pattern, kind in _NAMES:
        if pattern.search(found.names):
            return kind
    for pattern, kind in _NAMES[:-1]:
        if pattern.search(found.message):
            return kind
    return ServerError


def _kind_by_telling_name(status: int | None, found: _Envelope) -> type[GatewayError] | None:
    """Causes that the status does not tell, or tells wrongly."""
    if _QUOTA.search(found.names) and status not in (401, 500, 502, 503):
        return QuotaExhausted
    if status == 500 and _NOT_SUPPORTED.search(found.message):
        return BadRequest  # it will not be supported in a second either
    if status is None or 400 <= status < 500 or status == 500:
        if _OVERFLOW.search(found.names) or (status != 429 and _OVERFLOW.search(found.message)):
            return ContextOverflow
        if _FILTER.search(found.names):
            return ContentFiltered
    return None


_STATUS: Mapping[int, type[GatewayError]] = {
    401: AuthenticationError,
    402: QuotaExhausted,
    403: PermissionDenied,
    408: GatewayTimeout,
    409: Overloaded,
    425: Overloaded,
    429: RateLimited,
    503: Overloaded,
    504: GatewayTimeout,
    524: GatewayTimeout,
    529: Overloaded,
}

_NAMES: tuple[tuple[re.Pattern[str], type[GatewayError]], ...] = (
    (_AUTH, AuthenticationError),
    (_PERMISSION, PermissionDenied),
    (_RATE, RateLimited),
    (_OVERLOADED, Overloaded),
    (_TIMEOUT, GatewayTimeout),
    (_SERVER, ServerError),
    (_INVALID, BadRequest),
)


def _retry_after(headers: Mapping[str, str], found: _Envelope, *, limited: bool) -> float | None:
    """Seconds the server asks to wait, from the first place that says it.

    Reset headers come with every answer of some gateways: they are about a wait only when the error is a rate limit,
    and then only those of the limits that are used up.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if text:
            seconds = _seconds(text)
            if seconds is not None:
                return max(0.0, seconds * scale)
    if found.retry_delay is not None:
        return found.retry_delay
    resets = [
        seconds
        for name, value in headers.items()
        if limited
        and "ratelimit-reset" in name
        and not _has_left(headers.get(name.replace("reset", "remaining"), ""))
        and (seconds := _reset(value)) is not None
    ]
    if resets:
        return max(resets)
    said = re.search(
        r"(?:try again|retry) (?:in|after) ((?:\d+(?:\.\d+)?\s*(?:ms|s|m|h)[a-z]*\s*)+)", found.message, re.I
    )
    return _duration(said[1]) if said else None


def _has_left(remaining: str) -> bool:
    try:
        return float(remaining) > 0
    except ValueError:
        return False


def _seconds(text: str) -> float | None:
    """Seconds, or the seconds until an HTTP date."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return _duration(text)
    return (date - datetime.datetime.now(date.tzinfo or datetime.UTC)).total_seconds()


def _reset(text: str) -> float | None:
    """A reset header: a duration on OpenAI (`600ms`, `1m2s`), a Unix time on ToAPIs and ByteSpike, told by its size."""
    try:
        number = float(text)
    except ValueError:
        return _duration(text)
    if number > 10_000_000_000:  # milliseconds
        number /= 1000
    if number > 1_000_000_000:
        number -= datetime.datetime.now(datetime.UTC).timestamp()
        return number if number > 0 else None
    return number if number > 0 else None


def _duration(text: str) -> float | None:
    pieces = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|us|µs|s|m|h|d)", text)
    scale = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    return sum(float(number) * scale[unit] for number, unit in pieces) if pieces else None


def _sentence(words: str) -> str:
    words = " ".join(words.split()) or "it gave no reason"
    words = words if len(words) <= 500 else words[:500] + "…"
    return words if words[-1] in ".!?…" else words + "."


def _words(body: bytes) -> str:
    """What a page that is not JSON says to a reader."""
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>|<[^>]*>", " ", body[:8000].decode(errors="replace"))
    return " ".join(text.split())[:300]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
