"""`/v1/responses`: what it takes, what it refuses, and that a stream is the whole answer in pieces."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import (
    FunctionToolParam,
    ResponseFunctionToolCall,
    ResponseInputParam,
    ResponseStreamEvent,
)
from pydantic import BaseModel, TypeAdapter

from agentkit.emulator import Call, Emulator, Reply
from agentkit.emulator.checks import check
from agentkit.emulator.completion import Completion
from agentkit.emulator.dialects import DIALECTS, Problem
from agentkit.emulator.surface import Invalid
from agentkit.emulator.surfaces.responses import Responses

MODEL = "gpt-5.4-mini"
PNG = "data:image/png;base64,aGVsbG8="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: FunctionToolParam = {"type": "function", "name": "get_weather", "parameters": {**SCHEMA}, "strict": False}
USER = {"role": "user", "content": "Weather in Oslo?"}
ENCRYPTED = {"include": ["reasoning.encrypted_content"], "store": False}
EVENTS: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)


def request(*items: object, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": [USER, *items], "tools": [WEATHER], **more}


def call(call_id: str, **more: object) -> dict[str, Any]:
    item = {"type": "function_call", "call_id": call_id, "name": "get_weather", "arguments": '{"city":"Oslo"}'}
    return {**item, **more}


def output(call_id: str, text: object = "sunny") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def reasoning(number: int = 1, **more: object) -> dict[str, Any]:
    return {"type": "reasoning", "id": f"rs_{number}", "summary": [], **more}


def said(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def completion(reply: Reply, **usage: Any) -> Completion:
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12, **usage}
    ids = tuple(made.id or f"call_{index}" for index, made in enumerate(reply.calls))
    return Completion("chatcmpl-emulated-1", MODEL, reply, usage, 1_700_000_000, True, None, ids)


def events(reply: Reply, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The decoded events, after a look at their frames."""
    decoded = []
    for frame in Responses().frames(completion(reply), body):
        name, data, *rest = frame.decode().split("\n")
        assert rest == ["", ""]
        decoded.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {decoded[-1]['type']}"
    return decoded


def messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of the translated request, which the gateway takes."""
    chat = Responses().chat(body)
    assert check(chat, DIALECTS["openai"]) is None
    made: list[dict[str, Any]] = chat["messages"]
    return made


def refused(body: Mapping[str, Any]) -> Problem:
    with pytest.raises(Invalid) as caught:
        Responses().chat(body)
    return caught.value.problem


def test_every_field_has_its_place_in_the_chat_request() -> None:
    shape = {
        "type": "json_schema",
        "name": "place",
        "schema": {**SCHEMA, "additionalProperties": False},
        "strict": True,
    }
    chat = Responses().chat(
        request(
            instructions="Be terse.",
            tool_choice={"type": "function", "name": "get_weather"},
            parallel_tool_calls=False,
            text={"format": shape, "verbosity": "low"},
            reasoning={"effort": "low", "summary": "auto"},
            **ENCRYPTED,
            max_output_tokens=1024,
            stream=True,
            stream_options={"include_obfuscation": False},
            temperature=0.5,
            top_p=0.9,
            truncation="auto",
            user="u",
            metadata={"k": "v"},
        )
    )

    function = {"name": "get_weather", "parameters": SCHEMA, "strict": False}
    assert chat == {
        "model": MODEL,
        "messages": [{"role": "system", "content": "Be terse."}, USER],
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "place", "schema": shape["schema"], "strict": True},
        },
        "verbosity": "low",
        "reasoning_effort": "low",
        "max_completion_tokens": 1024,
        "temperature": 0.5,
        "top_p": 0.9,
        "stream": True,
        "store": False,
        "user": "u",
        "metadata": {"k": "v"},
    }
    assert check(chat, DIALECTS["openai"]) is None


def test_the_items_of_a_turn_are_one_message_and_results_stand_in_the_order_of_the_calls() -> None:
    items = [said("Let me see."), call("a"), call("b"), output("b", "rain"), output("a"), said("Sunny.")]
    function = {"name": "get_weather", "arguments": '{"city":"Oslo"}'}
    calls = [{"id": name, "type": "function", "function": function} for name in "ab"]

    assert messages(request(*items)) == [
        USER,
        {"role": "assistant", "content": "Let me see.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        {"role": "tool", "tool_call_id": "b", "content": "rain"},
        {"role": "assistant", "content": "Sunny."},
    ]


def test_calls_with_reasoning_between_them_are_one_turn() -> None:
    items = [reasoning(1), call("a"), reasoning(2), call("b"), output("a"), output("b")]

    made = messages(request(*items))

    assert [message["role"] for message in made] == ["user", "assistant", "tool", "tool"]
    assert len(made[1]["tool_calls"]) == 2


def test_pictures_reach_the_brain() -> None:
    image = {"type": "input_image", "image_url": PNG, "detail": "low"}
    asked = {"role": "user", "content": [{"type": "input_text", "text": "What is it?"}, image]}
    shown = output("a", [{"type": "input_text", "text": "a map"}, {"type": "input_image", "image_url": PNG}])

    made = messages({"model": MODEL, "input": [asked, call("a"), shown]})

    assert made[0]["content"][1] == {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}
    assert made[2]["content"] == "a map"
    assert made[3] == {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}


def test_a_refusal_and_an_empty_answer_can_be_replayed() -> None:
    no = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}

    assert messages(request(no, USER)) == [USER, {"role": "assistant", "content": None, "refusal": "No."}, USER]
    assert messages(request(said(""), USER)) == [USER, USER]


@pytest.mark.parametrize(
    ("changes", "param", "words"),
    [
        ({"messages": []}, "messages", "Unknown parameter: 'messages'"),
        ({"input": ...}, "input", "Missing required parameter: 'input'"),
        ({"model": ...}, "model", "Missing required"),
        ({"input": ""}, "input", "non-empty string"),
        ({"input": []}, "input", "non-empty array"),
        ({"previous_response_id": "resp_1"}, "previous_response_id", "not stored here"),
        ({"conversation": "conv_1"}, "conversation", "not stored here"),
        ({"background": True}, "background", "not stored here"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].function", "Unknown parameter"),
        ({"tools": [{**WEATHER, "name": "get weather"}]}, "tools[0].name", "1 to 64"),
        ({"tools": [{**WEATHER, "strict": True}]}, "tools[0].parameters", "additionalProperties"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1]", "used twice"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "web_search"),
        ({"tools": ..., "tool_choice": "auto"}, "tool_choice", "only allowed when 'tools'"),
        ({"tool_choice": {"type": "function", "name": "g"}}, "tool_choice", "'g' not found"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice.type", "allowed_tools"),
        ({"tool_choice": "any"}, "tool_choice", "'required'"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name", "Missing required"),
        ({"text": {"format": {"type": "json_schema", "json_schema": {}}}}, "text.format.json_schema", "Unknown"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort", "'xhigh'"),
        ({"reasoning_effort": "low"}, "reasoning_effort", "Unknown parameter"),
        ({"max_output_tokens": 15}, "max_output_tokens", "at least 16"),
        ({"max_output_tokens": True}, "max_output_tokens", "an integer"),
        ({"temperature": 2.1}, "temperature", "from 0 to 2"),
        ({"temperature": None}, "temperature", "a number"),
        ({"store": "no"}, "store", "a boolean"),
        ({"include": ["reasoning"]}, "include[0]", "reasoning.encrypted_content"),
        ({"stream_options": {"include_usage": True}, "stream": True}, "stream_options.include_usage", "Unknown"),
        ({"metadata": {"k": 1}}, "metadata", "strings"),
    ],
)
def test_a_request_that_is_wrong_is_refused_at_its_place(changes: dict[str, Any], param: str, words: str) -> None:
    body = {name: value for name, value in {**request(), **changes}.items() if value is not ...}

    problem = refused(body)

    assert (problem.param, words in problem.message) == (param, True), problem


@pytest.mark.parametrize(
    ("items", "param", "words"),
    [
        ([output("a")], "input[1].call_id", "No tool call found for function call output with call_id a"),
        ([call("a")], "input[1].call_id", "No tool output found for function call a"),
        ([call("a"), USER, output("a")], "input[1].call_id", "No tool output found"),
        ([call("a"), output("a"), output("a")], "input[3].call_id", "No tool call found"),
        ([call("a"), call("a")], "input[2].call_id", "another call"),
        ([call("a", arguments={"city": "Oslo"})], "input[1].arguments", "a string"),
        ([call("a", id="fc_1"), output("a"), call("b", id="fc_1")], "input[3].id", "Duplicate item"),
        ([call("a", id="call_a")], "input[1].id", "begins with 'fc'"),
        ([call("a" * 65)], "input[1].call_id", "at most 64"),
        ([{**said("x"), "phase": "middle"}], "input[1].phase", "'commentary'"),
        ([{"role": "tool", "content": "x"}], "input[1].role", "'developer'"),
        ([{"role": "user", "content": [{"type": "text", "text": "x"}]}], "input[1].content[0].type", "input_text"),
        ([{"role": "user", "content": [{"type": "input_text", "text": ""}]}], "input[1].content[0].text", "non-empty"),
        ([{"role": "assistant", "content": [{"type": "input_text"}]}], "input[1].content[0].type", "output_text"),
        ([{"role": "system", "content": [{"type": "input_image"}]}], "input[1].content[0].type", "input_text"),
        ([{"role": "user", "content": [{"type": "input_image"}]}], "input[1].content[0].image_url", "Missing"),
        (
            [{"role": "user", "content": [{"type": "input_image", "image_url": "cat.png"}]}],
            "input[1].content[0].image_url",
            "data URI",
        ),
        ([{"type": "item_reference", "id": "msg_1"}], "input[1].type", "item_reference"),
        ([{**USER, "name": "Ann"}], "input[1].name", "Unknown parameter"),
        ([reasoning()], "input[1]", "'rs_1' of type 'reasoning' was provided without its required following item"),
        ([reasoning(), USER], "input[1]", "without its required following item"),
        ([reasoning(1), reasoning(2), said("x")], "input[1]", "without its required following item"),
        ([reasoning(1, encrypted_content="gAAAA"), said("x")], "input[1].encrypted_content", "could not be verified"),
        ([{"type": "reasoning", "id": "rs_1"}, said("x")], "input[1].summary", "Missing required"),
        ([42], "input[1]", "an object"),
    ],
)
def test_an_item_that_is_wrong_is_refused_at_its_place(items: list[Any], param: str, words: str) -> None:
    problem = refused(request(*items))

    assert (problem.param, words in problem.message) == (param, True), problem


def test_reasoning_without_its_encrypted_content_is_lost_when_nothing_is_stored() -> None:
    problem = refused(request(reasoning(), said("x"), store=False))

    assert "Items are not persisted" in problem.message


def test_what_the_gateway_finds_wrong_is_told_in_the_names_of_this_endpoint() -> None:
    surface, dialect = Responses(), DIALECTS["openai"]
    found = Problem("messages[0].content is empty: use 'max_completion_tokens'", "messages[0].content")

    told = surface.error(found, dialect)[1]["error"]
    own = surface.error(refused({**request(), "messages": []}), dialect)[1]["error"]

    assert (told["param"], told["message"]) == ("input", "input is empty: use 'max_output_tokens'")
    assert (own["param"], own["message"]) == ("messages", "Unknown parameter: 'messages'.")


REPLIES = [
    Reply("Hello there, dear friend."),
    Reply(""),
    Reply(calls=(Call("get_weather", {"city": "Oslo"}), Call("get_weather", {"city": "Rome"}))),
    Reply("Let me see.", calls=(Call("get_weather", {"city": "Oslo"}),), reasoning="The user wants\nthe weather."),
    Reply(refusal="I can't help with that."),
    Reply("Half an", finish_reason="length"),
    Reply(calls=(Call("get_weather", '{"city":'),), finish_reason="length"),
    Reply("", finish_reason="content_filter"),
    Reply(reasoning="Hm.", finish_reason="length"),
]


@pytest.mark.parametrize("reply", REPLIES)
def test_a_stream_is_the_plain_answer_in_pieces(reply: Reply) -> None:
    body = request(**ENCRYPTED)
    plain = Responses().plain(completion(reply), body)

    streamed = events(reply, body)

    assert [event["sequence_number"] for event in streamed] == list(range(len(streamed)))
    assert [event["type"] for event in streamed[:2]] == ["response.created", "response.in_progress"]
    assert streamed[-1] == {
        "type": f"response.{plain['status']}",
        "sequence_number": len(streamed) - 1,
        "response": plain,
    }
    assert [event["item"] for event in streamed if event["type"] == "response.output_item.done"] == plain["output"]
    assert _joined(streamed) == _texts(plain["output"])
    for event in streamed:
        EVENTS.validate_python(event)


def _joined(streamed: list[dict[str, Any]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for event in streamed:
        if event["type"].endswith(".delta"):
            joined[event["item_id"]] = joined.get(event["item_id"], "") + event["delta"]
    return joined


def _texts(items: list[dict[str, Any]]) -> dict[str, str]:
    """What each item says, by its id, where it says something."""
    texts = {}
    for item in items:
        parts = [part for name in ("summary", "content") for part in item.get(name, ())]
        said = "".join(part.get("text") or part.get("refusal", "") for part in parts) + item.get("arguments", "")
        texts[item["id"]] = said
    return {name: said for name, said in texts.items() if said}


@pytest.mark.parametrize(
    ("finish_reason", "details"),
    [("length", {"reason": "max_output_tokens"}), ("content_filter", {"reason": "content_filter"})],
)
def test_an_answer_that_was_cut_is_incomplete_and_so_is_its_last_item(
    finish_reason: str, details: dict[str, str]
) -> None:
    reply = Reply("Let me see.", calls=(Call("get_weather", '{"ci'),), finish_reason=finish_reason)
    plain = Responses().plain(completion(reply), request())

    assert (plain["status"], plain["incomplete_details"]) == ("incomplete", details)
    assert [item["status"] for item in plain["output"]] == ["completed", "incomplete"]


def test_usage_has_the_names_of_this_endpoint() -> None:
    made = completion(
        Reply("x"), prompt_tokens_details={"cached_tokens": 3}, completion_tokens_details={"reasoning_tokens": 2}
    )

    assert Responses().plain(made, request())["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 12,
    }


def test_reasoning_is_carried_only_when_it_is_asked_for_and_comes_back_as_it_was() -> None:
    reply = Reply(calls=(Call("get_weather", {"city": "Oslo"}),), reasoning="Å long thought.")
    bare = Responses().plain(completion(reply), request())["output"]
    carried = Responses().plain(completion(reply), request(**ENCRYPTED))["output"]

    made = messages(request(*carried, output("call_0"), **ENCRYPTED))

    assert "encrypted_content" not in bare[0]
    assert made[1]["reasoning_content"] == "Å long thought."


def test_reasoning_that_was_changed_is_not_taken() -> None:
    reply = Reply("Sunny.", reasoning="A long thought.")
    thought, answer = Responses().plain(completion(reply), request(**ENCRYPTED))["output"]
    sealed = thought["encrypted_content"]
    forged = {**thought, "encrypted_content": sealed[:-4] + ("AAAA" if sealed[-4:] != "AAAA" else "BBBB")}

    problem = refused(request(forged, answer, USER, **ENCRYPTED))

    assert (problem.param, "could not be verified" in problem.message) == ("input[1].encrypted_content", True)


def test_a_call_that_came_after_reasoning_is_not_taken_without_it() -> None:
    reply = Reply(calls=(Call("get_weather", {"city": "Oslo"}),), reasoning="Hm.")
    thought, called = Responses().plain(completion(reply), request(**ENCRYPTED))["output"]

    problem = refused(request(called, output("call_0")))

    wanted = f"Item '{called['id']}' of type 'function_call' was provided without its required 'reasoning' item"
    assert problem.message == f"{wanted}: '{thought['id']}'."


CLICK = {"type": "click", "button": "left", "x": 3, "y": 4}
PREVIEW = {"type": "computer_use_preview", "display_width": 800, "display_height": 600, "environment": "browser"}


@pytest.mark.parametrize(
    ("tool", "arguments", "done"),
    [
        ({"type": "computer"}, {"actions": [CLICK, {"type": "wait"}]}, {"actions": [CLICK, {"type": "wait"}]}),
        ({"type": "computer"}, {"action": CLICK}, {"actions": [CLICK]}),
        (PREVIEW, {"action": CLICK}, {"action": CLICK}),
        (PREVIEW, {"actions": [CLICK]}, {"action": CLICK}),
    ],
)
def test_a_computer_is_a_function_to_the_brain_and_an_action_on_the_wire(
    tool: dict[str, Any], arguments: dict[str, Any], done: dict[str, Any]
) -> None:
    body = {"model": MODEL, "input": "Open it", "tools": [tool], "tool_choice": {"type": tool["type"]}}
    [item] = Responses().plain(completion(Reply(calls=(Call("computer", arguments),))), body)["output"]
    shot = {"type": "computer_screenshot", "image_url": PNG}
    result = {"type": "computer_call_output", "call_id": "call_0", "output": shot}

    made = messages({**body, "input": [USER, item, result]})

    expected = {"type": "computer_call", **done, "pending_safety_checks": [], "call_id": "call_0"}
    assert item == {"id": item["id"], **expected, "status": "completed"}
    [called] = made[1]["tool_calls"]
    assert (called["function"]["name"], json.loads(called["function"]["arguments"])) == ("computer", done)
    assert made[3] == {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}
    for event in events(Reply(calls=(Call("computer", arguments),)), body):
        EVENTS.validate_python(event)


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"action": {"type": "click", "x": 1, "y": 2}}, "input[1].action.button"),
        ({"action": {"type": "type", "text": 1}}, "input[1].action.text"),
        ({"actions": [CLICK, {"type": "fly"}]}, "input[1].actions[1].type"),
        ({"action": CLICK, "actions": [CLICK]}, "input[1]"),
        ({}, "input[1]"),
    ],
)
def test_a_computer_call_that_does_nothing_known_is_refused(item: dict[str, Any], param: str) -> None:
    body = {"type": "computer_call", "id": "cu_1", "call_id": "a", "pending_safety_checks": [], **item}

    assert refused(request(body)).param == param


def test_a_screenshot_answers_a_computer_and_nothing_else() -> None:
    shot = {"type": "computer_screenshot", "image_url": PNG}

    problem = refused(request(call("a"), {"type": "computer_call_output", "call_id": "a", "output": shot}))

    assert "No computer call found" in problem.message


class Place(BaseModel):
    city: str
    warm: bool | None


@contextmanager
def sdk(gateway: Emulator) -> Iterator[openai.OpenAI]:
    http = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, http_client=http, max_retries=0) as client:
        yield client


TWO = Reply(calls=(Call("get_weather", {"city": "Oslo"}), Call("get_weather", {"city": "Rome"})), reasoning="Two.")


@pytest.mark.parametrize("streamed", [False, True])
def test_the_openai_sdk_runs_a_tool_loop(streamed: bool) -> None:
    with Emulator([TWO, Reply("Oslo is colder.")], gateway="openai") as gateway, sdk(gateway) as client:
        items: ResponseInputParam = [{"role": "user", "content": "Which is colder, Oslo or Rome?"}]
        first = _created(client, items, streamed=streamed)
        items += first.output  # the SDK's own objects, as its documentation shows
        for item in first.output:
            if isinstance(item, ResponseFunctionToolCall):
                city = json.loads(item.arguments)["city"]
                items.append({"type": "function_call_output", "call_id": item.call_id, "output": f"cold in {city}"})
        second = _created(client, items, streamed=streamed)

    assert (first.output_text, second.output_text, second.status) == ("", "Oslo is colder.", "completed")
    assert [item.type for item in first.output] == ["reasoning", "function_call", "function_call"]
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens_details.cached_tokens == first.usage.input_tokens


def _created(client: openai.OpenAI, items: ResponseInputParam, *, streamed: bool) -> Any:
    if not streamed:
        return client.responses.create(
            model=MODEL, input=items, tools=[WEATHER], store=False, include=["reasoning.encrypted_content"]
        )
    with client.responses.stream(
        model=MODEL, input=items, tools=[WEATHER], store=False, include=["reasoning.encrypted_content"]
    ) as stream:
        return stream.get_final_response()


@pytest.mark.parametrize("name", ["toapis", "bytespike", "runware", "openai"])
def test_parse_gives_the_pydantic_model_that_was_declared(name: str) -> None:
    place = Place(city="Oslo", warm=None)
    with Emulator([Reply(place.model_dump_json())], gateway=name) as gateway, sdk(gateway) as client:
        model = client.models.list().data[0].id
        parsed = client.responses.parse(model=model, input="Oslo", text_format=Place, max_output_tokens=100)

    assert parsed.output_parsed == place


def test_a_string_is_enough() -> None:
    with Emulator([Reply("Hello.")], gateway="openai") as gateway, sdk(gateway) as client:
        answer = client.responses.create(model=MODEL, input="Hi")

    assert (answer.output_text, answer.model, answer.tools) == ("Hello.", MODEL, [])


def test_a_limit_on_output_tokens_cuts_the_answer() -> None:
    long = Reply("word " * 200)
    with Emulator([long], gateway="openai") as gateway, sdk(gateway) as client:
        answer = client.responses.create(model=MODEL, input="Hi", max_output_tokens=16)

    assert answer.incomplete_details is not None
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_a_refused_request_is_a_400_in_openais_envelope() -> None:
    with Emulator([], gateway="openai") as gateway, sdk(gateway) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model=MODEL, input="Hi", previous_response_id="resp_1")
        with pytest.raises(openai.NotFoundError) as unknown:
            client.responses.create(model="gpt-1", input="Hi")

    assert (caught.value.param, caught.value.type) == ("previous_response_id", "invalid_request_error")
    assert (unknown.value.param, unknown.value.code) == ("model", "model_not_found")


def test_json_object_wants_the_word_in_the_input() -> None:
    with Emulator([Reply("{}")], gateway="openai") as gateway, sdk(gateway) as client:
        with pytest.raises(openai.BadRequestError, match=r"'input' must contain the word 'json'.*'text\.format'"):
            client.responses.create(model=MODEL, input="Hi", text={"format": {"type": "json_object"}})
        answer = client.responses.create(model=MODEL, input="Hi, in JSON", text={"format": {"type": "json_object"}})

    assert answer.output_text == "{}"


def test_an_error_in_a_stream_is_this_endpoints_own_event(client: httpx.Client) -> None:
    with Emulator([Reply("Hello there.")], gateway="openai", faults=["error_in_stream"]) as gateway:
        answer = client.post(
            f"{gateway.url}/responses",
            json={"model": MODEL, "input": "Hi", "stream": True},
            headers={"authorization": f"Bearer {gateway.key}"},
        )

    name, data = answer.text.strip().split("\n\n")[-1].split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["type"] == "error"
