"""`/v1/messages`: what it takes, what it refuses, and that a stream is the whole answer in pieces."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx
import pytest
from anthropic.types import MessageParam, RawMessageStreamEvent, ToolParam
from pydantic import TypeAdapter

from agentkit.emulator import Call, Emulator, Reply
from agentkit.emulator.checks import check
from agentkit.emulator.completion import Completion
from agentkit.emulator.dialects import DIALECTS, Problem
from agentkit.emulator.surface import Invalid
from agentkit.emulator.surfaces.messages import Messages

MODEL = "claude-haiku-4-5"
DATA = base64.b64encode(b"hello").decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = {**SCHEMA, "additionalProperties": False}
WEATHER: ToolParam = {"name": "get_weather", "description": "Weather.", "input_schema": {**SCHEMA}}
USER = {"role": "user", "content": "Weather in Oslo?"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
THINKING = {"type": "enabled", "budget_tokens": 1024}
EVENTS: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


def request(*messages: object, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 2048, "messages": [USER, *messages], "tools": [WEATHER], **more}


def use(*ids: str) -> dict[str, Any]:
    fixed = {"type": "tool_use", "name": "get_weather", "input": {"city": "Oslo"}}
    return {"role": "assistant", "content": [{**fixed, "id": name} for name in ids]}


def result(used: str, content: object = "sunny", **more: object) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": used, "content": content, **more}


def user(*blocks: object) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def completion(reply: Reply, **usage: Any) -> Completion:
    usage = {"prompt_tokens": 7, "completion_tokens": 50, "total_tokens": 57, **usage}
    ids = tuple(made.id or f"call_{index}" for index, made in enumerate(reply.calls))
    return Completion("chatcmpl-emulated-1", MODEL, reply, usage, 1_700_000_000, True, None, ids)


def plain(reply: Reply, **more: Any) -> dict[str, Any]:
    return Messages().plain(completion(reply), request(**more))


def events(reply: Reply, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The decoded events, after a look at their frames."""
    decoded = []
    for frame in Messages().frames(completion(reply), body):
        name, data, *rest = frame.decode().split("\n")
        assert rest == ["", ""]
        decoded.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {decoded[-1]['type']}"
    return decoded


def translated(*messages: object, **more: Any) -> list[dict[str, Any]]:
    """The messages of the translated request after the first, which the gateway takes."""
    chat = Messages().chat(request(*messages, **more))
    assert check(chat, DIALECTS["anthropic"].elsewhere()) is None
    made: list[dict[str, Any]] = chat["messages"][1:]
    return made


def refused(body: Mapping[str, Any]) -> Problem:
    with pytest.raises(Invalid) as caught:
        Messages().chat(body)
    return caught.value.problem


def test_every_field_has_its_place_in_the_chat_request() -> None:
    chat = Messages().chat(
        request(
            system=[{**text("Be terse."), "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            tool_choice={"type": "any", "disable_parallel_tool_use": True},
            output_config={"format": {"type": "json_schema", "schema": CLOSED}, "effort": "max"},
            temperature=0.5,
            top_k=40,
            stop_sequences=["END"],
            metadata={"user_id": "u"},
            stream=True,
        )
    )

    function = {"name": "get_weather", "description": "Weather.", "parameters": SCHEMA}
    assert chat == {
        "model": MODEL,
        "max_completion_tokens": 2048,
        "messages": [{"role": "system", "content": "Be terse."}, USER],
        "tools": [{"type": "function", "function": function}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "temperature": 0.5,
        "stream": True,
        "user": "u",
        "reasoning_effort": "xhigh",
        "response_format": {"type": "json_schema", "json_schema": {"name": "output", "schema": CLOSED}},
    }
    assert check(chat, DIALECTS["anthropic"].elsewhere()) is None


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ("auto", "auto"),
        ("any", "required"),
        ("none", "none"),
        ("tool", {"type": "function", "function": {"name": "get_weather"}}),
    ],
)
def test_each_tool_choice_has_its_word(given: str, choice: object) -> None:
    named = {"name": "get_weather"} if given == "tool" else {}

    assert Messages().chat(request(tool_choice={"type": given, **named}))["tool_choice"] == choice


def test_results_stand_in_the_order_of_the_calls_and_what_the_user_adds_comes_after_them() -> None:
    function = {"name": "get_weather", "arguments": '{"city":"Oslo"}'}
    calls = [{"id": name, "type": "function", "function": function} for name in "ab"]

    made = translated(use("a", "b"), user(result("b", "rain", is_error=True), result("a"), text("And Rome?")))

    assert made == [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: rain"},
        {"role": "user", "content": "And Rome?"},
    ]


def test_pictures_and_documents_reach_the_brain() -> None:
    far = {"type": "image", "source": {"type": "url", "url": "https://example.org/cat.png"}}
    pdf = {"type": "document", "title": "Bill", "source": {**IMAGE["source"], "media_type": "application/pdf"}}  # type: ignore[dict-item]
    note = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hello."}}
    url = f"data:image/png;base64,{DATA}"

    shown = translated(user(text("Look:"), IMAGE, far, pdf, note))
    given = translated(use("a"), user(result("a", [text("a map"), IMAGE])))

    assert shown[0]["content"] == [
        text("Look:"),
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
        text("Bill: a PDF of 5 bytes"),
        text("document:\nHello."),
    ]
    assert given[1:] == [
        {"role": "tool", "tool_call_id": "a", "content": "a map"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]},
    ]


def test_a_tool_may_give_nothing() -> None:
    silent = {"type": "tool_result", "tool_use_id": "a"}

    assert translated(use("a"), user(silent))[1] == {"role": "tool", "tool_call_id": "a", "content": ""}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_tokens": ...}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "max_tokens: Input should be an integer of at least 1, not 0"),
        ({"max_completion_tokens": 5}, "max_completion_tokens: Extra inputs are not permitted"),
        ({"model": ...}, "model: Field required"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, 'messages.0: first message must use the "user" role'),
        ({"messages": [{"role": "system", "content": "Hi"}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
        ({"messages": [{**USER, "name": "Ann"}]}, "messages.0.name: Extra inputs are not permitted"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages.0.content: text content blocks must be non-empty"),
        ({"messages": [{"role": "user", "content": []}]}, "messages.0: all messages must have non-empty content"),
        ({"messages": [user(text(" "))]}, "messages.0.content.0.text: text content blocks must contain non-whitespace"),
        ({"messages": [user({"type": "input_text"})]}, "messages.0.content.0.type: Input should be 'text' or"),
        ({"system": ""}, "system: text content blocks must be non-empty"),
        ({"system": [IMAGE]}, "system.0.type: Input should be 'text'"),
        ({"temperature": 1.5}, "temperature: Input should be a number from 0 to 1, not 1.5"),
        ({"temperature": 1, "top_p": 0.5}, "top_p: `temperature` and `top_p` cannot both be specified"),
        ({"stop_sequences": [" "]}, "stop_sequences.0: each stop sequence must contain non-whitespace"),
        ({"stop": ["END"]}, "stop: Extra inputs are not permitted"),
        ({"metadata": {"k": "v"}}, "metadata.k: Extra inputs are not permitted"),
        ({"tools": [{"name": "f"}]}, "tools.0.input_schema: Field required"),
        ({"tools": [{"name": "f", "input_schema": {}}]}, "tools.0.input_schema: type: Input should be 'object'"),
        ({"tools": [{**WEATHER, "name": "get weather"}]}, "tools.0.name: Input should be 1 to 64"),
        ({"tools": [{**WEATHER, "strict": True}]}, "tools.0.input_schema: For 'object' type, 'additionalProperties'"),
        ({"tools": [{**WEATHER, "parameters": {}}]}, "tools.0.parameters: Extra inputs are not permitted"),
        ({"tools": [WEATHER, WEATHER]}, "tools: Tool names must be unique."),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0.type: Input should be 'custom'"),
        ({"tools": ..., "tool_choice": {"type": "auto"}}, "tool_choice: may only be specified while providing `tools`"),
        ({"tool_choice": "auto"}, "tool_choice: Input should be an object"),
        ({"tool_choice": {"type": "required"}}, "tool_choice.type: Input should be 'auto'"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name: Field required"),
        ({"tool_choice": {"type": "tool", "name": "g"}}, "tool_choice: Tool 'g' not found"),
        ({"tool_choice": {"type": "none", "disable_parallel_tool_use": True}}, "tool_choice.disable_parallel_tool_use"),
        ({"thinking": THINKING, "tool_choice": {"type": "any"}}, "tool_choice: Thinking may not be enabled"),
        ({"thinking": THINKING, "temperature": 0}, "temperature: may only be set to 1 when thinking is enabled"),
        ({"thinking": THINKING, "max_tokens": 1024}, "thinking.budget_tokens: `max_tokens` must be greater"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens: Field required"),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 9}},
            "thinking.budget_tokens: Input should be an integer of",
        ),
        ({"output_config": {"format": {"type": "json_object"}}}, "output_config.format.type: Input should be"),
        ({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "output_config.format.schema: For"),
        ({"output_format": {}}, "output_format: Extra inputs are not permitted"),
    ],
)
def test_a_request_that_is_wrong_is_refused_at_its_place(changes: dict[str, Any], message: str) -> None:
    body = {name: value for name, value in {**request(), **changes}.items() if value is not ...}

    problem = refused(body)

    assert problem.message.startswith(message), problem
    assert problem.param == message.split(":")[0]


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([use("a")], "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a."),
        ([use("a"), USER], "messages.1: `tool_use` ids were found without"),
        ([use("a", "b"), user(result("a")), user(result("b"))], "messages.1: `tool_use` ids were found without"),
        ([user(result("a"))], "messages.1.content.0: unexpected `tool_use_id` found in `tool_result` blocks: a."),
        ([use("a"), user(result("a"), result("b"))], "messages.2.content.1: unexpected `tool_use_id`"),
        ([use("a"), user(result("a"), result("a"))], "messages.2.content.1: each tool_use must have a single result"),
        ([use("a"), user(text("Here:"), result("a"))], "messages.2.content.1: `tool_result` blocks must come first"),
        ([use("a"), user(result("a")), use("a"), user(result("a"))], "messages.3.content.0.id: `tool_use` ids must be"),
        ([use("a.b"), user(result("a.b"))], "messages.1.content.0.id: String should match pattern"),
        ([use("a"), user(result("a", "", is_error=True))], "messages.2.content.0: content cannot be empty"),
        ([use("a"), user(result("a", [text("")]))], "messages.2.content.0.content.0.text: text content blocks must"),
        ([user({**text("x"), "cache_control": {"type": "persistent"}})], "messages.1.content.0.cache_control.type"),
        ([user({**IMAGE, "source": {**IMAGE["source"], "data": "?"}})], "messages.1.content.0.source.data: invalid"),  # type: ignore[dict-item]
        ([user({"type": "image", "source": {"type": "url", "url": "cat.png"}})], "messages.1.content.0.source.url"),
        ([{"role": "assistant", "content": "It is"}], "messages: the conversation must end with a user message"),
        (
            [{"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "Eq"}]}, USER],
            "messages.1.content.0: Invalid `signature` in `thinking` block",
        ),
    ],
)
def test_a_message_that_is_wrong_is_refused_at_its_place(messages: list[Any], message: str) -> None:
    problem = refused(request(*messages))

    assert problem.message.startswith(message), problem


def test_more_than_four_places_in_the_cache_are_refused() -> None:
    marked = {**text("x"), "cache_control": {"type": "ephemeral"}}
    four, tool = [marked] * 4, {**WEATHER, "cache_control": {"type": "ephemeral"}}

    assert len(translated(user(*four))) == 1
    assert "Found 5" in refused(request(user(*four), tools=[tool])).message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"properties": {"n": {"type": "integer", "minimum": 1}}}, "For 'integer' type, properties minimum are not"),
        ({"properties": {"s": {"type": ["string", "null"], "maxLength": 9}}}, "properties maxLength are not supported"),
        ({"properties": {"l": {"type": "array", "minItems": 2, "items": {}}}}, "'minItems' values other than 0 or 1"),
        ({"properties": {"o": {"type": "object", "properties": {}}}}, "'additionalProperties' must be explicitly"),
        ({"properties": {"u": {"oneOf": []}}}, "'oneOf' is not supported"),
        ({"properties": {"s": {"type": "string", "format": "iban"}}}, "String format 'iban' is not supported"),
        ({"properties": {"self": {"$ref": "#"}}}, "Circular reference detected in schema definitions: #"),
        (
            {"properties": {}, "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"items": {"$ref": "#/$defs/a"}}}},
            "Circular reference detected in schema definitions: #/$defs/a",
        ),
        ({"properties": {"far": {"$ref": "https://example.org/schema"}}}, "External $ref is not supported"),
    ],
)
def test_a_schema_outside_the_subset_is_refused(changes: dict[str, Any], words: str) -> None:
    schema = {"type": "object", "additionalProperties": False, **changes}

    problem = refused(request(output_config={"format": {"type": "json_schema", "schema": schema}}))

    assert words in problem.message


def test_a_schema_inside_the_subset_needs_no_required_fields() -> None:
    leaf = {"type": "object", "properties": {"when": {"type": "string", "format": "date"}}}
    schema = {
        "type": "object",
        "properties": {"a": {"anyOf": [{"$ref": "#/$defs/leaf"}, {"type": "null"}]}, "b": {"enum": ["x", "y"]}},
        "additionalProperties": False,
        "$defs": {"leaf": {**leaf, "additionalProperties": False}},
    }

    assert translated(USER, output_config={"format": {"type": "json_schema", "schema": schema}}) == [USER]


REPLIES = [
    Reply("Hello there, dear friend."),
    Reply(""),
    Reply(calls=(Call("get_weather", {"city": "Oslo"}), Call("get_weather", {"city": "Rome"}))),
    Reply("Let me see.", calls=(Call("get_weather", {}),), reasoning="The user wants\nthe weather."),
    Reply(refusal="I can't help with that."),
    Reply("Half an", finish_reason="length"),
]


@pytest.mark.parametrize("reply", REPLIES)
def test_a_stream_is_the_plain_answer_in_pieces(reply: Reply) -> None:
    body = request()
    streamed = events(reply, body)

    assert [event["type"] for event in streamed[:2]] == ["message_start", "ping"]
    assert [event["type"] for event in streamed[-2:]] == ["message_delta", "message_stop"]
    assert _assembled(streamed) == Messages().plain(completion(reply), body)
    for event in streamed:
        if event["type"] != "ping":
            EVENTS.validate_python(event)


def _assembled(streamed: list[dict[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {**streamed[0]["message"], "content": []}
    for event in streamed:
        match event["type"]:
            case "content_block_start":
                message["content"].append({**event["content_block"], "json": ""})
            case "content_block_delta":
                _add(message["content"][event["index"]], event["delta"])
            case "content_block_stop":
                raw = message["content"][event["index"]].pop("json")
                if raw:
                    message["content"][event["index"]]["input"] = json.loads(raw)
            case "message_delta":
                message |= {**event["delta"], "usage": event["usage"]}
            case _:
                pass
    return message


def _add(block: dict[str, Any], delta: dict[str, str]) -> None:
    field = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}.get(delta["type"])
    if field is None:
        block["json"] += delta["partial_json"]
    else:
        block[field] += delta[field]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("x"), "end_turn"),
        (Reply("x", finish_reason="length"), "max_tokens"),
        (Reply(calls=(Call("f"),)), "tool_use"),
        (Reply(refusal="No."), "refusal"),
        (Reply("", finish_reason="content_filter"), "refusal"),
    ],
)
def test_each_end_has_its_stop_reason(reply: Reply, reason: str) -> None:
    assert plain(reply)["stop_reason"] == reason


def test_a_stop_sequence_cuts_the_answer_and_is_named() -> None:
    whole, cut = plain(Reply("One. STOP Two. END")), plain(Reply("One. STOP Two. END"), stop_sequences=["END", "STOP"])

    assert (cut["stop_reason"], cut["stop_sequence"], cut["content"]) == ("stop_sequence", "STOP", [text("One. ")])
    assert cut["usage"]["output_tokens"] < whole["usage"]["output_tokens"]


def test_usage_counts_what_the_cache_gave_apart() -> None:
    made = completion(Reply("x"), prompt_tokens_details={"cached_tokens": 3})

    assert Messages().plain(made, request())["usage"] == {
        "input_tokens": 4,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 3,
        "output_tokens": 50,
    }


def test_arguments_that_are_no_json_are_not_made_into_some() -> None:
    broken, cut = Reply(calls=(Call("f", '{"city" = 1'),)), Reply(calls=(Call("f", '{"a":1,"b":"Os'),))
    cut = Reply(calls=cut.calls, finish_reason="length")

    assert plain(broken)["content"][0]["input"] == '{"city" = 1'
    assert plain(cut)["content"][0]["input"] == {"a": 1, "b": "Os"}
    assert "".join(_arguments(events(cut, request()))) == '{"a":1,"b":"Os'


def _arguments(streamed: list[dict[str, Any]]) -> Iterator[str]:
    return (event["delta"]["partial_json"] for event in streamed if event["type"] == "content_block_delta")


def test_thinking_comes_back_as_it_was_or_not_at_all() -> None:
    content = plain(Reply(calls=(Call("get_weather", {"city": "Oslo"}),), reasoning="Hm, Oslo."))["content"]
    thought, called = content
    answer = user(result(called["id"]))

    made = translated({"role": "assistant", "content": content}, answer, thinking=THINKING)
    lost = refused(request({"role": "assistant", "content": [called]}, answer, thinking=THINKING))
    changed = {**thought, "thinking": "Hm, Rome."}
    forged = refused(request({"role": "assistant", "content": [changed, called]}, answer, thinking=THINKING))

    assert made[0]["reasoning_content"] == "Hm, Oslo."
    assert lost.message.startswith("messages.1.content.0: Expected `thinking` or `redacted_thinking`, but found")
    assert forged.message == "messages.1.content.0: Invalid `signature` in `thinking` block"
    assert translated({"role": "assistant", "content": [called]}, answer)[0]["tool_calls"][0]["id"] == called["id"]


def test_thinking_that_is_omitted_is_signed_all_the_same() -> None:
    thinking = {**THINKING, "display": "omitted"}
    content = plain(Reply("Sunny.", reasoning="Hm."), thinking=thinking)["content"]

    made = translated({"role": "assistant", "content": content}, USER, thinking=thinking)

    assert content[0]["thinking"] == ""
    assert made[0] == {"role": "assistant", "content": "Sunny."}


@contextmanager
def sdk(gateway: Emulator) -> Iterator[anthropic.Anthropic]:
    http = anthropic.DefaultHttpxClient(trust_env=False)
    url = gateway.url.removesuffix("/v1")
    with anthropic.Anthropic(base_url=url, api_key=gateway.key, http_client=http, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("streamed", [False, True])
def test_the_anthropic_sdk_runs_a_tool_loop(streamed: bool) -> None:
    two = (Call("get_weather", {"city": "Oslo"}), Call("get_weather", {"city": "Rome"}))
    said = [Reply("Let me see.", calls=two, reasoning="Two cities."), Reply("Oslo is colder.")]
    with Emulator(said, gateway="anthropic") as gateway, sdk(gateway) as client:
        messages: list[MessageParam] = [{"role": "user", "content": "Which is colder, Oslo or Rome?"}]
        first = _created(client, messages, streamed=streamed)
        messages.append({"role": "assistant", "content": first.content})
        uses = [block for block in first.content if block.type == "tool_use"]
        answers = [f"cold in {block.input['city']}" for block in uses]
        results = [result(block.id, answer) for block, answer in zip(uses, answers, strict=True)]
        messages.append(user(*results))  # type: ignore[arg-type]
        second = _created(client, messages, streamed=streamed)
        sent = gateway.requests[1].body["messages"]

    assert [block.type for block in first.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert [block["content"] for block in sent[2]["content"]] == ["cold in Oslo", "cold in Rome"]
    assert (first.stop_reason, second.stop_reason, second.content[0].text) == (
        "tool_use",
        "end_turn",
        "Oslo is colder.",
    )
    assert second.usage.cache_read_input_tokens == first.usage.input_tokens


def _created(client: anthropic.Anthropic, messages: list[MessageParam], *, streamed: bool) -> Any:
    thinking: Any = THINKING
    if not streamed:
        return client.messages.create(
            model=MODEL, max_tokens=2000, messages=messages, tools=[WEATHER], thinking=thinking
        )
    with client.messages.stream(
        model=MODEL, max_tokens=2000, messages=messages, tools=[WEATHER], thinking=thinking
    ) as stream:
        return stream.get_final_message()


def test_a_limit_on_output_tokens_cuts_the_answer() -> None:
    with Emulator([Reply("word " * 200)], gateway="anthropic") as gateway, sdk(gateway) as client:
        answer = client.messages.create(model=MODEL, max_tokens=5, messages=[{"role": "user", "content": "Hi"}])

    assert (answer.stop_reason, answer.usage.output_tokens <= 5) == ("max_tokens", True)


@pytest.mark.parametrize("name", ["toapis", "bytespike", "runware", "anthropic"])
def test_other_gateways_serve_it_too(name: str) -> None:
    with Emulator([Reply("Hello.")], gateway=name) as gateway, sdk(gateway) as client:
        model = client.models.list().data[0].id
        answer = client.messages.create(model=model, max_tokens=50, messages=[{"role": "user", "content": "Hi"}])

    assert [block.text for block in answer.content if block.type == "text"] == ["Hello."]


@pytest.mark.parametrize(
    ("fault", "error", "status", "kind"),
    [
        ("overloaded", anthropic.APIStatusError, 529, "overloaded_error"),
        ("rate_limit", anthropic.RateLimitError, 429, "rate_limit_error"),
        ("payment_required", anthropic.APIStatusError, 402, "billing_error"),
        ("server_error", anthropic.InternalServerError, 500, "api_error"),
        ("unauthorized", anthropic.AuthenticationError, 401, "authentication_error"),
    ],
)
def test_a_fault_is_an_error_in_anthropics_envelope(
    fault: str, error: type[anthropic.APIStatusError], status: int, kind: str
) -> None:
    with (
        Emulator([], gateway="anthropic", faults=[fault]) as gateway,
        sdk(gateway) as client,
        pytest.raises(error) as caught,
    ):
        client.messages.create(model=MODEL, max_tokens=5, messages=[{"role": "user", "content": "Hi"}])

    body: Any = caught.value.body
    assert (caught.value.status_code, body["type"], body["error"]["type"]) == (status, "error", kind)


def test_what_is_refused_says_where_in_its_message() -> None:
    blocks: list[Any] = [text("")]
    with Emulator([], gateway="anthropic") as gateway, sdk(gateway) as client:
        with pytest.raises(anthropic.BadRequestError, match=r"messages\.0\.content\.0\.text: text content blocks"):
            client.messages.create(model=MODEL, max_tokens=5, messages=[{"role": "user", "content": blocks}])
        with pytest.raises(anthropic.BadRequestError, match=r"max_tokens is too large"):
            client.messages.create(
                model=MODEL, max_tokens=100_000, messages=[{"role": "user", "content": "Hi"}], timeout=10
            )
        with pytest.raises(anthropic.NotFoundError, match="claude-1"):
            client.messages.create(model="claude-1", max_tokens=5, messages=[{"role": "user", "content": "Hi"}])


def test_an_error_in_a_stream_is_this_endpoints_own_event(client: httpx.Client) -> None:
    with Emulator([Reply("Hello there.")], gateway="anthropic", faults=["error_in_stream"]) as gateway:
        answer = client.post(
            f"{gateway.url}/messages",
            json={"model": MODEL, "max_tokens": 50, "messages": [USER], "stream": True},
            headers={"x-api-key": gateway.key, "anthropic-version": "2023-06-01"},
        )

    name, data = answer.text.strip().split("\n\n")[-1].split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["type"] == "api_error"
