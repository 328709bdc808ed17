"""What differs between the gateways: models, ranges, error bodies, headers."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from agentkit.emulator import Emulator, Reply
from agentkit.errors import ConfigurationError
from agentkit.tokens import estimate

from .conftest import Ask

TOOL = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}


def ok(request: object) -> Reply:
    return Reply("ok")


@pytest.mark.parametrize(
    ("gateway", "prefix", "models"),
    [
        ("toapis", "sk-", ["gpt-5-4-mini-official", "gpt-5-4-nano-official"]),
        ("bytespike", "sk-byts-", ["gpt-5-4-mini"]),
        ("modelstream", "ms-", ["gpt-4o-mini"]),
        ("openai", "sk-proj-", ["gpt-5.4-mini", "gpt-5.4-nano", "gpt-5.4", "gpt-4o-mini", "gpt-4o"]),
    ],
)
def test_each_gateway_has_its_models_and_its_keys(
    client: httpx.Client, gateway: str, prefix: str, models: list[str]
) -> None:
    with Emulator(ok, gateway=gateway) as emulator:
        headers = {"authorization": f"Bearer {emulator.key}"}
        listed = client.get(f"{emulator.url}/models", headers=headers).json()
        one = client.get(f"{emulator.url}/models/{models[0]}", headers=headers).json()
        unknown = client.get(f"{emulator.url}/models/gpt-9", headers=headers)

    assert emulator.key.startswith(prefix)
    assert [model["id"] for model in listed["data"]] == models
    assert one == listed["data"][0]
    assert unknown.json()["error"]["code"] == "model_not_found"


ERRORS: dict[str, tuple[str, dict[str, Any], int, dict[str, Any]]] = {
    "toapis, an unknown model": (
        "toapis",
        {"model": "gpt-9"},
        404,
        {
            "code": "model_not_found",
            "message": "the model 'gpt-9' does not exist here; this gateway serves gpt-5-4-mini-official, "
            "gpt-5-4-nano-official",
            "type": "invalid_request_error",
        },
    ),
    "toapis, out of range": (
        "toapis",
        {"temperature": 3},
        400,
        {
            "code": "invalid_request_error",
            "message": "temperature must be a number from 0 to 2, not 3",
            "type": "invalid_request_error",
        },
    ),
    "toapis, the other name of the limit": (
        "toapis",
        {"max_completion_tokens": 5},
        400,
        {
            "code": "unsupported_parameter",
            "message": "unsupported parameter: 'max_completion_tokens' is not supported with this model. "
            "Use 'max_tokens' instead.",
            "type": "invalid_request_error",
        },
    ),
    "bytespike, an unknown model": (
        "bytespike",
        {"model": "gpt-9"},
        400,
        {
            "message": "the model 'gpt-9' does not exist here; this gateway serves gpt-5-4-mini",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        },
    ),
    "bytespike, too many tokens": (
        "bytespike",
        {"max_tokens": 16_385},
        400,
        {
            "message": "max_tokens is too large: 16385. This model takes at most 16384 output tokens.",
            "type": "invalid_request_error",
            "param": "max_tokens",
            "code": "invalid_param",
        },
    ),
    "bytespike, a required tool": (
        "bytespike",
        {"tools": [TOOL], "tool_choice": "required"},
        400,
        {
            "message": "tool_choice must be one of auto, none, or an object that names a function, not 'required'",
            "type": "invalid_request_error",
            "param": "tool_choice",
            "code": "invalid_param",
        },
    ),
    "modelstream, the other name of the limit": (
        "modelstream",
        {"max_tokens": 5},
        400,
        {
            "message": "unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "type": "invalid_request_error",
            "param": "max_tokens",
            "code": "unsupported_parameter",
        },
    ),
    "openai, no messages": (
        "openai",
        {"messages": []},
        400,
        {
            "message": "messages must not be empty",
            "type": "invalid_request_error",
            "param": "messages",
            "code": None,
        },
    ),
    "a developer where there is none": (
        "bytespike",
        {"messages": [{"role": "developer", "content": "x"}]},
        400,
        {
            "message": "messages[0].role must be one of system, user, assistant, tool, not 'developer'",
            "type": "invalid_request_error",
            "param": "messages[0].role",
            "code": "invalid_param",
        },
    ),
    "more than the context": (
        "bytespike",
        {"messages": [{"role": "user", "content": "word " * 130_000}]},
        400,
        {
            "message": "this model takes at most 128000 tokens; the messages have about "
            f"{3 + estimate('word ' * 130_000)}",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        },
    ),
}


@pytest.mark.parametrize(("gateway", "changes", "status", "error"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_has_the_gateways_own_shape(
    ask: Ask, gateway: str, changes: dict[str, Any], status: int, error: dict[str, Any]
) -> None:
    with Emulator(ok, gateway=gateway) as emulator:
        response = ask(emulator, **changes)

    assert (response.status_code, response.json()) == (status, {"error": error})


@pytest.mark.parametrize(
    ("gateway", "error"),
    [
        ("toapis", {"code": "invalid_api_key", "type": "authentication_error"}),
        ("bytespike", {"code": "invalid_api_key", "type": "invalid_request_error", "param": None}),
        ("modelstream", {"code": "invalid_api_key", "type": "invalid_request_error", "param": ""}),
    ],
)
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic {key}", "{key}"])
def test_a_key_that_is_not_the_right_one_is_a_401_that_does_not_repeat_it(
    ask: Ask, gateway: str, error: dict[str, Any], header: str
) -> None:
    with Emulator(ok, gateway=gateway) as emulator:
        response = ask(emulator, {"authorization": header.format(key=emulator.key)})

    said = response.json()["error"]
    message = said.pop("message")
    assert (response.status_code, said) == (401, error)
    assert "wrong" not in message
    assert emulator.key not in message


def test_the_limits_own_names_are_taken(ask: Ask) -> None:
    for gateway, name in (
        ("toapis", "max_tokens"),
        ("bytespike", "max_tokens"),
        ("modelstream", "max_completion_tokens"),
    ):
        with Emulator(ok, gateway=gateway) as emulator:
            assert ask(emulator, **{name: 16_384}).status_code == 200


def test_bytespike_takes_the_request_of_its_own_page_and_answers_without_created(ask: Ask) -> None:
    messages = [{"role": "user", "content": "Extract the dollar amounts from this invoice."}]
    with Emulator([Reply('{"amounts": [142.50, 89.00]}')], gateway="bytespike") as emulator:
        body = ask(emulator, messages=messages, response_format={"type": "json_object"}).json()

    assert list(body) == ["id", "object", "model", "choices", "usage"]


def test_modelstream_answers_with_details_and_a_fingerprint(ask: Ask) -> None:
    with Emulator(ok, gateway="modelstream") as emulator:
        body = ask(emulator).json()

    assert list(body) == ["id", "object", "created", "model", "choices", "usage", "system_fingerprint"]
    assert list(body["usage"]) == [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
    ]


@pytest.mark.parametrize(
    ("fault", "stream", "remaining", "credit"),
    [
        (None, False, "4.99", "12.34"),
        (None, True, "4.99", "12.34"),
        ("server_error", False, "4.99", "12.34"),
        ("rate_limit", False, "0.00", "12.34"),
        ("payment_required", False, "4.99", "0"),
        ("error_in_stream", True, "4.99", "12.34"),
    ],
)
def test_bytespike_accounts_in_headers_on_success_and_failure(
    ask: Ask, fault: str | None, stream: bool, remaining: str, credit: str
) -> None:
    with Emulator(ok, gateway="bytespike", faults=[fault] if fault else []) as emulator:
        headers = ask(emulator, stream=stream).headers

    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("5.00", remaining)
    assert headers["x-quota-remaining-credits"] == credit
    assert "x-org-quota-remaining-credits" in headers
    assert int(headers["x-ratelimit-reset"]) >= int(time.time())


@pytest.mark.parametrize("fault", ["rate_limit_fast", "rate_limit_bare"])
def test_bytespike_gives_no_reset_where_the_fault_says_how_long_to_wait_itself(ask: Ask, fault: str) -> None:
    with Emulator(ok, gateway="bytespike", faults=[fault]) as emulator:
        response = ask(emulator)

    assert (response.status_code, "x-ratelimit-reset" in response.headers) == (429, False)


@pytest.mark.parametrize("stream", [False, True])
def test_the_other_gateways_send_no_accounting(ask: Ask, stream: bool) -> None:
    with Emulator(ok) as emulator:
        headers = ask(emulator, stream=stream).headers

    assert not [name for name in headers if "limit" in name or "quota" in name]
    assert headers["x-request-id"].startswith("req_emulated_")


def test_an_unknown_gateway_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        ConfigurationError, match="it speaks toapis, bytespike, modelstream, runware, openai, anthropic"
    ):
        Emulator(ok, gateway="acme")
