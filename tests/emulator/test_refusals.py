"""What a server can be told not to take: that it says so in the words of its style, and takes the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from agentkit.emulator import Emulator, Refusal, Reply
from agentkit.errors import ConfigurationError

from .conftest import Ask


def ok(request: object) -> Reply:
    return Reply("ok")


def openai_error(message: str, param: str, code: str | None = "unsupported_value") -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def parameter(param: str, more: str = "") -> dict[str, Any]:
    text = f"Unsupported parameter: {param!r} is not supported with this model.{more}"
    return openai_error(text, param, "unsupported_parameter")


def value(param: str, given: object, more: str = "") -> dict[str, Any]:
    return openai_error(f"Unsupported value: {param!r} does not support {given!r} with this model.{more}", param)


USER = {"role": "user", "content": "As JSON: hi"}
TOOL = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}
CLOSED = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
STRICT_TOOL = {"type": "function", "function": {"name": "lookup", "parameters": CLOSED, "strict": True}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "out", "schema": CLOSED}}
STRICT_SCHEMA = {"type": "json_schema", "json_schema": {"name": "out", "schema": CLOSED, "strict": True}}
NAMED = {"type": "function", "function": {"name": "lookup"}}
EFFORTS = " Supported values are: 'none', 'low', 'medium', 'high', and 'xhigh'."


def history(call_id: str) -> list[dict[str, Any]]:
    call = {"id": call_id, "type": "function", "function": {"name": "lookup", "arguments": "{}"}}
    return [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "Let me look."},
        {"role": "tool", "tool_call_id": call_id, "content": "found"},
    ]


REFUSED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "max_tokens": ("max_tokens", {"max_tokens": 9}, parameter("max_tokens", " Use 'max_completion_tokens' instead.")),
    "max_completion_tokens": (
        "max_completion_tokens",
        {"max_completion_tokens": 9},
        parameter("max_completion_tokens", " Use 'max_tokens' instead."),
    ),
    "temperature": (
        "temperature",
        {"temperature": 0.7},
        value("temperature", 0.7, " Only the default (1) value is supported."),
    ),
    "stream_options": (
        "stream_options",
        {"stream": True, "stream_options": {"include_usage": True}},
        parameter("stream_options"),
    ),
    "parallel_tool_calls": (
        "parallel_tool_calls",
        {"tools": [TOOL], "parallel_tool_calls": True},
        parameter("parallel_tool_calls"),
    ),
    "tools": ("tools", {"tools": [TOOL]}, parameter("tools")),
    "any other field": ("seed", {"seed": 1}, parameter("seed")),
    "json_schema": (
        "response_format:json_schema",
        {"response_format": SCHEMA},
        openai_error(
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
            "response_format",
        ),
    ),
    "json_object": (
        "response_format:json_object",
        {"messages": [USER], "response_format": {"type": "json_object"}},
        openai_error(
            "Invalid parameter: 'response_format' of type 'json_object' is not supported with this model.",
            "response_format",
        ),
    ),
    "strict in a tool": (
        "strict",
        {"tools": [TOOL | {"function": {"name": "a"}}, STRICT_TOOL]},
        parameter("tools[1].function.strict"),
    ),
    "strict in a schema": (
        "strict",
        {"response_format": STRICT_SCHEMA},
        parameter("response_format.json_schema.strict"),
    ),
    "required": (
        "tool_choice:required",
        {"tools": [TOOL], "tool_choice": "required"},
        value("tool_choice", "required", " Supported values are: 'none' and 'auto'."),
    ),
    "named": (
        "tool_choice:named",
        {"tools": [TOOL], "tool_choice": NAMED},
        openai_error(
            "Unsupported value: 'tool_choice' does not support naming a function with this model.", "tool_choice"
        ),
    ),
    "effort with tools": (
        "reasoning_effort+tools",
        {"tools": [TOOL], "reasoning_effort": "low"},
        openai_error(
            "Function tools with reasoning_effort are not supported for gpt-5.4-mini in /v1/chat/completions. "
            "Please use /v1/responses instead.",
            "reasoning_effort",
            None,
        ),
    ),
    "minimal effort": (
        "reasoning_effort:minimal",
        {"reasoning_effort": "minimal"},
        value("reasoning_effort", "minimal", EFFORTS),
    ),
    "system": (
        "role:system",
        {"messages": [{"role": "system", "content": "x"}, USER]},
        value("messages[0].role", "system"),
    ),
    "developer": (
        "role:developer",
        {"messages": [{"role": "developer", "content": "x"}, USER]},
        value("messages[0].role", "developer"),
    ),
    "a second system message": (
        "many_system_messages",
        {"messages": [{"role": "system", "content": "x"}, {"role": "system", "content": "y"}, USER]},
        openai_error(
            "System message must be at the beginning, and the only one: messages[1] is another.", "messages[1].role"
        ),
    ),
    "an id of another length": (
        "tool_call_id:9",
        {"messages": history("call_1")},
        openai_error(
            "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.", "messages[1].tool_calls[0].id"
        ),
    ),
    "reasoning": (
        "reasoning_content",
        {"messages": history("abcdef123")},
        parameter("messages[1].reasoning_content"),
    ),
}


@pytest.mark.parametrize(("what", "changes", "body"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_is_named_in_openais_words(
    ask: Ask, what: str, changes: dict[str, Any], body: dict[str, Any]
) -> None:
    with Emulator(ok, gateway="openai") as lenient:
        assert ask(lenient, **changes).status_code == 200
    with Emulator(ok, gateway="openai", refuses=[what]) as gateway:
        response, other = ask(gateway, **changes), ask(gateway)

    assert (response.status_code, response.json()) == (400, body)
    assert other.status_code == 200


ALLOWED: dict[str, tuple[str, dict[str, Any]]] = {
    "the other name of the limit": ("max_completion_tokens", {"max_tokens": 9}),
    "the default temperature": ("temperature", {"temperature": 1}),
    "no effort with tools": ("reasoning_effort+tools", {"tools": [TOOL], "reasoning_effort": "none"}),
    "effort without tools": ("reasoning_effort+tools", {"reasoning_effort": "high"}),
    "another effort": ("reasoning_effort:minimal", {"reasoning_effort": "low"}),
    "auto": ("tool_choice:required", {"tools": [TOOL], "tool_choice": "auto"}),
    "required": ("tool_choice:named", {"tools": [TOOL], "tool_choice": "required"}),
    "a schema that is not strict": ("strict", {"response_format": SCHEMA, "tools": [TOOL]}),
    "the other format": (
        "response_format:json_schema",
        {"messages": [USER], "response_format": {"type": "json_object"}},
    ),
    "one system message": ("many_system_messages", {"messages": [{"role": "system", "content": "x"}, USER]}),
    "an id as it should be": ("tool_call_id:9", {"messages": history("Abcdef123")}),
}


@pytest.mark.parametrize(("what", "changes"), ALLOWED.values(), ids=ALLOWED.keys())
def test_what_was_not_named_is_taken(ask: Ask, what: str, changes: dict[str, Any]) -> None:
    with Emulator(ok, gateway="openai", refuses=[what]) as gateway:
        assert ask(gateway, **changes).status_code == 200


EXTRA, WRONG = "Extra inputs are not permitted", "Value error, "
STYLES: dict[str, tuple[Refusal, dict[str, Any], int, Mapping[str, Any]]] = {
    "fastapi, a field": (
        Refusal("seed", style="fastapi"),
        {"seed": 1},
        422,
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": EXTRA, "input": 1}]},
    ),
    "fastapi, a field that lies deep": (
        Refusal("strict", style="fastapi"),
        {"tools": [STRICT_TOOL]},
        422,
        {
            "detail": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", "tools", 0, "function", "strict"],
                    "msg": EXTRA,
                    "input": True,
                }
            ]
        },
    ),
    "fastapi, a value": (
        Refusal("tool_call_id:9", style="fastapi"),
        {"messages": history("call_1")},
        422,
        {
            "detail": [
                {
                    "type": "value_error",
                    "loc": ["body", "messages", 1, "tool_calls", 0, "id"],
                    "msg": WRONG + "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
                    "input": "call_1",
                }
            ]
        },
    ),
    "plain, a field": (
        Refusal("seed", style="plain"),
        {"seed": 1},
        400,
        {"error": "seed is not supported"},
    ),
    "plain, a value": (
        Refusal("tool_choice:required", style="plain"),
        {"tools": [TOOL], "tool_choice": "required"},
        400,
        {"error": "tool_choice: 'required' is not supported"},
    ),
    "anthropic, a field": (
        Refusal("seed", style="anthropic"),
        {"seed": 1},
        400,
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": f"seed: {EXTRA}"},
            "request_id": "req_emulated_2",
        },
    ),
}


@pytest.mark.parametrize(("refusal", "changes", "status", "body"), STYLES.values(), ids=STYLES.keys())
def test_each_style_has_its_own_envelope(
    ask: Ask, refusal: Refusal, changes: dict[str, Any], status: int, body: Mapping[str, Any]
) -> None:
    with Emulator(ok, gateway="openai", refuses=[refusal]) as gateway:
        response = ask(gateway, **changes)

    assert (response.status_code, response.json()) == (status, body)


def test_of_several_refusals_the_first_speaks(ask: Ask) -> None:
    with Emulator(ok, gateway="openai", refuses=["seed", Refusal("user", style="plain")]) as gateway:
        assert ask(gateway, seed=1, user="x").json() == parameter("seed")
        assert ask(gateway, user="x").json() == {"error": "user is not supported"}


def test_a_refused_request_uses_up_neither_a_step_nor_a_fault(ask: Ask) -> None:
    with Emulator([Reply("one")], gateway="openai", refuses=["seed"], faults=["server_error"]) as gateway:
        assert [ask(gateway, seed=1).status_code for _ in range(2)] == [400, 400]
        assert [ask(gateway).status_code, ask(gateway).status_code] == [500, 200]


SURFACES: dict[str, tuple[str, str, dict[str, Any], str | None]] = {
    "a field of Responses": ("responses", "max_output_tokens", {"max_output_tokens": 16}, "max_output_tokens"),
    "effort in Responses": (
        "responses",
        "reasoning_effort:minimal",
        {"reasoning": {"effort": "minimal"}},
        "reasoning.effort",
    ),
    "a schema in Responses": (
        "responses",
        "response_format:json_schema",
        {"text": {"format": {"type": "json_schema", "name": "out", "schema": CLOSED}}},
        "text.format",
    ),
    "strict in Responses": (
        "responses",
        "strict",
        {"tools": [{"type": "function", "name": "lookup", "parameters": CLOSED, "strict": True}]},
        "tools[0].strict",
    ),
    "effort and tools go together in Responses": (
        "responses",
        "reasoning_effort+tools",
        {
            "reasoning": {"effort": "low"},
            "tools": [{"type": "function", "name": "lookup", "parameters": CLOSED}],
        },
        None,
    ),
}


@pytest.mark.parametrize(("surface", "what", "changes", "param"), SURFACES.values(), ids=SURFACES.keys())
def test_a_refusal_names_the_place_in_the_surfaces_own_request(
    client: httpx.Client, surface: str, what: str, changes: dict[str, Any], param: str | None
) -> None:
    with Emulator(ok, gateway="openai", refuses=[what]) as gateway:
        body = {"model": "gpt-5.4-mini", "input": "Hi", **changes}
        headers = {"authorization": f"Bearer {gateway.key}"}
        answer = client.post(gateway.urls[surface], json=body, headers=headers)

    if param is None:
        assert answer.status_code == 200
    else:
        error = answer.json()["error"]
        assert (answer.status_code, error["param"], repr(param) in error["message"]) == (400, param, True)


def test_messages_refuses_in_anthropics_envelope(client: httpx.Client) -> None:
    with Emulator(ok, gateway="anthropic", refuses=["top_k"]) as gateway:
        body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [USER], "top_k": 3}
        headers = {"x-api-key": gateway.key, "anthropic-version": "2023-06-01"}
        answer = client.post(gateway.urls["messages"], json=body, headers=headers)

    assert (answer.status_code, answer.json()) == (
        400,
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": f"top_k: {EXTRA}"},
            "request_id": "req_emulated_1",
        },
    )


@pytest.mark.parametrize("what", ["response_format:xml", "tool_call_id:8", "", "a b", "role:tool"])
def test_a_refusal_of_what_there_is_not_is_a_mistake(what: str) -> None:
    with pytest.raises(ConfigurationError, match="a refusal names a field of the request, or one of response_format:"):
        Emulator(ok, refuses=[what])


def test_a_style_that_there_is_not_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="one of openai, fastapi, plain, anthropic, not 'xml'"):
        Refusal("seed", style="xml")  # type: ignore[arg-type]  # what a user may write all the same
