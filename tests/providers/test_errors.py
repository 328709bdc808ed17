"""Error answers in every envelope: the class, and what is attached to it."""

import datetime
import email.utils
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

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
from agentkit.providers.errors import error_from_object, error_from_response


@dataclass(frozen=True, slots=True)
class Seen:
    """What an error says to a program."""

    kind: type[GatewayError]
    status: int | None
    code: str | None = None
    param: str | None = None
    retryable: bool = False
    retry_after: float | None = None
    request_id: str | None = None
    provider_message: str | None = None


def seen(error: GatewayError) -> Seen:
    return Seen(
        type(error),
        error.status,
        error.code,
        error.param,
        error.retryable,
        error.retry_after,
        error.request_id,
        error.provider_message,
    )


def answer(
    status: int, body: Any, headers: Mapping[str, str] | None = None, *, gateway: str = "toapis", secret: str = ""
) -> GatewayError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_from_response(status, headers or {}, raw, gateway=gateway, secret=secret)


def openai(
    message: str, *, type: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> Any:
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


ENVELOPES = [
    pytest.param(
        400,
        openai("bad", param="messages[0]", code="invalid_value"),
        Seen(BadRequest, 400, "invalid_value", "messages[0]", provider_message="bad"),
        id="OpenAI",
    ),
    pytest.param(
        422,
        {"detail": [{"loc": ["body", "messages"], "msg": "field required", "type": "value_error.missing"}]},
        Seen(BadRequest, 422, "value_error.missing", provider_message="field required"),
        id="FastAPI's list under detail",
    ),
    pytest.param(
        404, {"detail": "Not Found"}, Seen(BadRequest, 404, provider_message="Not Found"), id="detail as text"
    ),
    pytest.param(
        500,
        {"error": "model crashed"},
        Seen(ServerError, 500, retryable=True, provider_message="model crashed"),
        id="Ollama",
    ),
    pytest.param(
        400,
        {"object": "error", "message": "too big", "type": "BadRequestError", "param": None, "code": 400},
        Seen(BadRequest, 400, "BadRequestError", provider_message="too big"),
        id="vLLM, flat",
    ),
    pytest.param(
        429,
        [{"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}],
        Seen(RateLimited, 429, "RESOURCE_EXHAUSTED", retryable=True, provider_message="slow"),
        id="Gemini, in a list",
    ),
    pytest.param(
        429,
        {
            "error": {
                "code": 429,
                "message": "used up",
                "status": "RESOURCE_EXHAUSTED",
                "details": [
                    {"@type": "QuotaFailure", "violations": [{"quotaId": "RequestsPerDayPerProject"}, "odd"]},
                    "odd",
                ],
            }
        },
        Seen(QuotaExhausted, 429, "RequestsPerDayPerProject", provider_message="used up"),
        id="Gemini's daily quota",
    ),
    pytest.param(
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_9"},
        Seen(Overloaded, 529, "overloaded_error", retryable=True, request_id="req_9", provider_message="Overloaded"),
        id="Anthropic",
    ),
    pytest.param(
        400,
        {"errors": [{"code": "invalidParam", "message": "no", "parameter": ["topP", "seed"], "taskUUID": "t"}]},
        Seen(BadRequest, 400, "invalidParam", "topP, seed", provider_message="no"),
        id="Runware",
    ),
    pytest.param(
        400,
        {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": "plain words"}}},
        Seen(BadRequest, 400, provider_message="Provider returned error"),
        id="OpenRouter with raw words",
    ),
    pytest.param(
        400,
        {"error": {"message": "Provider returned error", "metadata": {"raw": "[1]"}}},
        Seen(BadRequest, 400, provider_message="Provider returned error"),
        id="OpenRouter with raw JSON of another kind",
    ),
    pytest.param(502, b"", Seen(ServerError, 502, retryable=True), id="an empty body"),
    pytest.param(500, [], Seen(ServerError, 500, retryable=True), id="an empty list"),
    pytest.param(500, 7, Seen(ServerError, 500, retryable=True), id="a number"),
    pytest.param(
        502,
        b"<html><head><title>502 Bad Gateway</title><style>b{}</style></head><body><h1>Bad <b>Gateway</b></h1></body>",
        Seen(ServerError, 502, retryable=True, provider_message="502 Bad Gateway Bad Gateway"),
        id="a page for people",
    ),
]

CLASSES = [
    (400, openai("x"), BadRequest),
    (401, openai("x", type="authentication_error"), AuthenticationError),
    (402, openai("x", code="insufficient_balance"), QuotaExhausted),
    (403, openai("x", code="forbidden"), PermissionDenied),
    (403, openai("x", code="insufficient_quota"), QuotaExhausted),
    (404, openai("x", code="model_not_found"), BadRequest),
    (405, openai("x"), BadRequest),
    (408, openai("x"), GatewayTimeout),
    (409, openai("x"), Overloaded),
    (413, openai("x"), BadRequest),
    (422, openai("x"), BadRequest),
    (425, openai("x"), Overloaded),
    (429, openai("x", type="rate_limit_error"), RateLimited),
    (429, openai("x", type="insufficient_quota"), QuotaExhausted),
    (429, openai("Too many tokens: reduce the length or wait", type="tokens"), RateLimited),
    (500, openai("x", type="server_error"), ServerError),
    (502, openai("x", type="insufficient_quota"), ServerError),
    (503, openai("x"), Overloaded),
    (504, openai("x"), GatewayTimeout),
    (520, openai("x"), ServerError),
    (524, openai("x"), GatewayTimeout),
    (529, openai("x"), Overloaded),
    (400, openai("x", code="context_length_exceeded"), ContextOverflow),
    (400, openai("This model's maximum context length is 128000 tokens."), ContextOverflow),
    (413, openai("prompt is too long: 210000 tokens"), ContextOverflow),
    (500, openai("the request exceeds the available context size"), ContextOverflow),
    (400, openai("x", code="content_filter"), ContentFiltered),
    (400, openai("x", code="ResponsibleAIPolicyViolation"), ContentFiltered),
]

NAMES_WITHOUT_STATUS = [
    ({"type": "server_error"}, ServerError),
    ({"type": "invalid_request_error"}, BadRequest),
    ({"code": "invalid_api_key"}, AuthenticationError),
    ({"type": "permission_error"}, PermissionDenied),
    ({"code": "rateLimitExceeded"}, RateLimited),
    ({"type": "overloaded_error"}, Overloaded),
    ({"code": "providerTimeout"}, GatewayTimeout),
    ({"code": "insufficientCredits"}, QuotaExhausted),
    ({"message": "rate limit reached"}, RateLimited),
    ({"message": "nobody knows"}, ServerError),
    ({"code": 429}, RateLimited),
    ({"code": "503"}, Overloaded),
    ({"status": 401}, AuthenticationError),
]

SOON = 1_000_000  # seconds; a date so far ahead that the test's own time does not matter
WAITS = [
    ({"retry-after": "7"}, "", 7.0),
    ({"retry-after": "0.5"}, "", 0.5),
    ({"retry-after": "-3"}, "", 0.0),
    ({"retry-after-ms": "250", "retry-after": "9"}, "", 0.25),
    ({"retry-after": "2s"}, "", 2.0),
    ({"retry-after": "soon"}, "", None),
    ({"retry-after": " "}, "", None),
    ({"x-ratelimit-reset-requests": "600ms", "x-ratelimit-reset-tokens": "1m2.5s"}, "", 62.5),
    ({"x-ratelimit-reset": "30"}, "", 30.0),
    ({"x-ratelimit-reset": "0"}, "", None),
    ({"x-ratelimit-reset": "1000000001"}, "", None),  # a Unix time long past
    ({"x-ratelimit-reset": "soon"}, "", None),
    ({}, "Please try again in 1m30s.", 90.0),
    ({}, "Please retry after 20 seconds", 20.0),
    ({}, "slow down", None),
]


@pytest.mark.parametrize(("status", "body", "expected"), ENVELOPES)
def test_each_envelope_gives_the_whole_error(status: int, body: Any, expected: Seen) -> None:
    assert seen(answer(status, body)) == expected


@pytest.mark.parametrize(("status", "body", "kind"), CLASSES)
def test_status_and_telling_names_decide_the_class(status: int, body: Any, kind: type[GatewayError]) -> None:
    error = answer(status, body)

    assert (type(error), error.status, error.retryable) == (kind, status, kind.retryable_by_default)


@pytest.mark.parametrize(("body", "kind"), NAMES_WITHOUT_STATUS)
def test_an_error_inside_a_200_is_told_by_its_names(body: Mapping[str, Any], kind: type[GatewayError]) -> None:
    assert type(error_from_object({"error": dict(body)}, gateway="g", headers={})) is kind


@pytest.mark.parametrize(("headers", "message", "wait"), WAITS)
def test_the_wait_is_read_from_wherever_the_server_says_it(
    headers: Mapping[str, str], message: str, wait: float | None
) -> None:
    assert answer(429, openai(message, type="rate_limit_error"), headers).retry_after == wait


def test_a_wait_may_be_a_date_or_a_unix_time() -> None:
    now = datetime.datetime.now(datetime.UTC)
    date = email.utils.format_datetime(now + datetime.timedelta(seconds=SOON), usegmt=True)
    unix = now.timestamp() + SOON
    forms = [
        {"retry-after": date},
        {"x-ratelimit-reset": f"{unix:.0f}"},
        {"x-ratelimit-reset": f"{unix * 1000:.0f}"},
    ]

    assert [answer(429, {}, headers).retry_after for headers in forms] == [pytest.approx(SOON, abs=1000)] * 3


def test_an_error_that_waiting_cannot_mend_has_no_wait() -> None:
    assert answer(402, openai("pay"), {"retry-after": "5"}).retry_after is None


@pytest.mark.parametrize(
    ("said", "status", "retryable"), [("false", 500, False), ("true", 400, False), ("true", 500, True)]
)
def test_a_server_can_forbid_a_retry_but_not_order_one(said: str, status: int, retryable: bool) -> None:
    assert answer(status, openai("x"), {"x-should-retry": said}).retryable is retryable


def test_limits_and_ids_in_headers_stay_on_the_error_and_others_do_not() -> None:
    headers = {
        "x-ratelimit-remaining-tokens": "0",
        "x-quota-remaining-credits": "3",
        "retry-after": "1",
        "x-request-id": "req_1",
        "set-cookie": "secret",
        "authorization": "secret",
    }
    error = answer(429, openai("x"), headers)

    assert error.headers == {name: headers[name] for name in list(headers)[:4]}
    assert error.request_id == "req_1"


def test_a_key_in_the_providers_words_is_not_repeated() -> None:
    body = openai(
        "Incorrect API key provided: tk-very-secret-1. Header was 'Bearer abcdefghij', try sk-proj-abcdef123456"
    )
    error = answer(401, body, secret="tk-very-secret-1")

    assert error.provider_message == "Incorrect API key provided: [key]. Header was '[key]', try [key]"
    for secret in ("very-secret", "abcdefghij", "proj"):
        assert secret not in str(error)
        assert secret not in repr(error.body)


def test_a_page_of_100_kilobytes_becomes_one_short_sentence() -> None:
    error = answer(502, b"<p>" + b"word " * 20_000)

    assert len(error.provider_message or "") <= 300
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (
            400,
            openai("messages is required", type="invalid_request_error"),
            "toapis answered 400 (invalid_request_error): messages is required. Validate model, messages and parameter "
            "types, and send it again only when the payload is fixed.",
        ),
        (
            401,
            openai("Invalid API key", type="authentication_error"),
            "toapis answered 401 (authentication_error): Invalid API key. The key is missing or wrong: verify the "
            "Authorization header's format and the key's validity; it is not retried.",
        ),
        (
            429,
            openai("slow", type="rate_limit_error"),
            "toapis answered 429 (rate_limit_error): slow. Request rate, concurrency or the current quota is at its "
            "limit: it is retried after 1 s, 2 s and 4 s with jitter; if it persists, send less at a time.",
        ),
        (
            402,
            openai("Org wallet empty", type="insufficient_balance"),
            "toapis answered 402 (insufficient_balance): Org wallet empty. The balance or quota is used up: top it up "
            "or use another key; waiting does not help, and it is not retried.",
        ),
        (
            422,
            openai("no", type="invalid_param"),
            "toapis answered 422 (invalid_param): no. Validate model, messages and parameter types, and send it again "
            "only when the payload is fixed.",
        ),
        (
            404,
            {"detail": "Not Found"},
            "toapis answered 404: Not Found. Check the base URL (most end in /v1) and the model's id; it is not "
            "retried.",
        ),
        (500, {}, "toapis answered 500: it gave no reason. The fault is upstream; it is retried."),
    ],
)
def test_the_text_says_trigger_fix_and_retry_as_the_gateways_pages_do(status: int, body: Any, sentence: str) -> None:
    assert str(answer(status, body)) == sentence


def test_reset_headers_delay_a_rate_limit_only_and_only_where_nothing_is_left() -> None:
    headers = {
        "x-ratelimit-reset-requests": "14m24s",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-tokens": "2s",
        "x-ratelimit-remaining-tokens": "0",
    }
    waits = [
        error_from_response(status, headers, b'{"error":{"message":"no"}}', gateway="host").retry_after
        for status in (429, 500, 503)
    ]
    assert waits == [2.0, None, None]
