"""The strict reading of requests: what the strictest server refuses, the emulator refuses, and names the place."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.emulator import Emulator, Reply
from agentkit.emulator.checks import check
from agentkit.emulator.dialects import DIALECTS, Problem

from .conftest import Ask

TRAFFIC = Path(__file__).parents[3] / "shared/reference/traffic/chat_public.jsonl.gz"
USER = {"role": "user", "content": "Weather in Oslo?"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather for a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
STRICT = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def call(call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}


def calls(*ids: str) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [call(call_id) for call_id in ids]}


def answer(call_id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "sunny"}


def image(url: object, **more: object) -> list[dict[str, Any]]:
    part = {"type": "image_url", "image_url": {"url": url, **more}}
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}]


def tool(**changes: object) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {**TOOL["function"], **changes}}]  # type: ignore[dict-item]


def schema(value: object, **more: object) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "weather", "schema": value, **more}}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Emulator]:
    with Emulator(lambda request: Reply("ok"), gateway="openai") as gateway:
        yield gateway


ACCEPTED: dict[str, dict[str, Any]] = {
    "a minimal request": {},
    "every plain parameter": {
        "max_completion_tokens": 1,
        "temperature": 2,
        "top_p": 0,
        "presence_penalty": -2,
        "frequency_penalty": 2.0,
        "stop": ["a", "b", "c", "d"],
        "seed": -1,
        "user": "u1",
        "n": 1,
        "stream": False,
        "logprobs": True,
        "top_logprobs": 3,
        "prediction": {"type": "content", "content": "ok"},
        "reasoning_effort": "low",
        "metadata": {"a": "b"},
    },
    "usage in the stream": {"stream": True, "stream_options": {"include_usage": True}},
    "a fine-tuned model": {"model": "ft:gpt-4o-mini:acme::abc"},
    "system and developer": {
        "messages": [{"role": "system", "content": "Be terse."}, {"role": "developer", "content": "Be kind."}, USER]
    },
    "text parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
    "images by address and data": {
        "messages": image("https://example.com/a.png", detail="low") + image("data:image/png;base64,AAAA")
    },
    "a tool loop": {"messages": [USER, calls("a", "b"), answer("a"), answer("b"), USER], "tools": [TOOL]},
    "two turns that use one id": {"messages": [USER, calls("a"), answer("a"), calls("a"), answer("a")]},
    "an empty tool result": {"messages": [USER, calls("a"), {**answer("a"), "content": ""}]},
    "an answer as this server sent it": {
        "messages": [USER, {"role": "assistant", "content": "Hi", "refusal": None, "reasoning_content": "hm"}, USER]
    },
    "a refusal in the history": {"messages": [USER, {"role": "assistant", "content": None, "refusal": "No."}, USER]},
    "a named tool": {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
    "a required tool, one at a time": {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False},
    "a tool without parameters": {"tools": [{"type": "function", "function": {"name": "now"}}]},
    "a strict tool": {"tools": tool(parameters=STRICT, strict=True)},
    "plain text": {"response_format": {"type": "text"}},
    "a JSON object": {
        "messages": [{"role": "user", "content": "Answer in JSON."}],
        "response_format": {"type": "json_object"},
    },
    "a JSON object asked for in a part": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "json please"}]}],
        "response_format": {"type": "json_object"},
    },
    "a loose schema": {"response_format": schema({"type": "object", "oneOf": [{}]})},
    "a strict schema": {
        "response_format": schema(
            {
                **STRICT,
                "properties": {"city": {"anyOf": [{"$ref": "#/$defs/City"}, {"type": "null"}]}},
                "$defs": {"City": {**STRICT, "properties": {"city": {"type": "array", "items": {"type": "string"}}}}},
            },
            strict=True,
        )
    },
}


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_request_that_real_servers_take_is_answered(gateway: Emulator, ask: Ask, changes: dict[str, Any]) -> None:
    response = ask(gateway, **changes)

    assert (response.status_code, "error" in response.text) == (200, False), response.text


def m(*messages: object) -> dict[str, Any]:
    return {"messages": list(messages)}


def f(value: object, **more: object) -> dict[str, Any]:
    return {"response_format": schema(value, strict=True, **more)}


# What is sent -> the parameter that the refusal names, and words that its sentence must have.
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no model": ({"model": ...}, "model", "must provide"),
    "an empty model": ({"model": ""}, "model", "non-empty string"),
    "an unknown model": ({"model": "gpt-9"}, "model", "'gpt-9' does not exist"),
    "no messages": ({"messages": ...}, "messages", "required"),
    "empty messages": (m(), "messages", "must not be empty"),
    "a message that is text": (m("Hi"), "messages[0]", "must be an object"),
    "an unknown role": (m(USER, {"role": "bot", "content": "x"}), "messages[1].role", "not 'bot'"),
    "an unknown message field": (m({**USER, "colour": 1}), "messages[0].colour", "unknown parameter"),
    "a null name": (m({**USER, "name": None}), "messages[0].name", "must not be null"),
    "no content": (m({"role": "user"}), "messages[0].content", "must not be empty"),
    "empty content": (m({"role": "user", "content": ""}), "messages[0].content", "must not be empty"),
    "null content": (m({"role": "user", "content": None}), "messages[0].content", "must not be null"),
    "no parts": (m({"role": "user", "content": []}), "messages[0].content", "must not be empty"),
    "content that is a number": (m({"role": "user", "content": 7}), "messages[0].content", "string or an array"),
    "an empty assistant": (m(USER, {"role": "assistant", "content": None}), "messages[1].content", "must not be empty"),
    "an unknown part": (
        m({"role": "user", "content": [{"type": "video"}]}),
        "messages[0].content[0].type",
        "image_url or text",
    ),
    "an image from the system": (
        m({"role": "system", "content": image("https://e.com/a.png")[0]["content"]}),
        "messages[0].content[1].type",
        "text for role 'system'",
    ),
    "an empty text part": (
        m({"role": "user", "content": [{"type": "text", "text": ""}]}),
        "messages[0].content[0].text",
        "non-empty",
    ),
    "an image by path": ({"messages": image("photos/a.png")}, "messages[0].content[1].image_url.url", "data URI"),
    "an image that is not base64": (
        {"messages": image("data:image/png;base64,a b")},
        "messages[0].content[1].image_url.url",
        "data URI",
    ),
    "an image as text": (
        m({"role": "user", "content": [{"type": "image_url", "image_url": "https://e.com/a.png"}]}),
        "messages[0].content[0].image_url",
        "must be an object",
    ),
    "an unknown detail": (
        {"messages": image("https://e.com/a.png", detail="huge")},
        "messages[0].content[1].image_url.detail",
        "auto, low or high",
    ),
    "an orphan tool message": (m(USER, answer("a")), "messages[1].tool_call_id", "preceding message with 'tool_calls'"),
    "a result given twice": (m(USER, calls("a"), answer("a"), answer("a")), "messages[3].tool_call_id", "'a'"),
    "a call without its result": (
        m(USER, calls("a", "b"), answer("a"), USER),
        "messages[1].tool_calls",
        "no response: b",
    ),
    "a call at the end": (m(USER, calls("a")), "messages[1].tool_calls", "no response: a"),
    "results out of order": (
        m(USER, calls("a", "b"), answer("b"), answer("a")),
        "messages[2].tool_call_id",
        "order of the calls",
    ),
    "one id for two calls": (m(USER, calls("a", "a")), "messages[1].tool_calls[1].id", "used twice"),
    "a result for no id": (m(USER, {"role": "tool", "content": "x"}), "messages[1].tool_call_id", "required"),
    "no calls in a list of calls": (m(USER, {**calls(), "content": "x"}), "messages[1].tool_calls", "non-empty array"),
    "a call without an id": (m(USER, calls("")), "messages[1].tool_calls[0].id", "non-empty string"),
    "a call of no type": (
        m(USER, {**calls(), "tool_calls": [{"id": "a"}]}),
        "messages[1].tool_calls[0]",
        '"type": "function"',
    ),
    "a call without a name": (
        m(USER, {**calls(), "tool_calls": [{**call("a"), "function": {"arguments": "{}"}}]}),
        "messages[1].tool_calls[0].function.name",
        "non-empty string",
    ),
    "arguments as an object": (
        m(USER, {**calls(), "tool_calls": [{**call("a"), "function": {"name": "f", "arguments": {}}}]}),
        "messages[1].tool_calls[0].function.arguments",
        "string that holds JSON",
    ),
    "an unknown field": ({"tempreature": 1}, "tempreature", "unknown parameter: 'tempreature'"),
    "a null": ({"temperature": None}, "temperature", "must not be null"),
    "temperature too high": ({"temperature": 2.1}, "temperature", "from 0 to 2, not 2.1"),
    "temperature that is true": ({"temperature": True}, "temperature", "a number"),
    "top_p below zero": ({"top_p": -0.1}, "top_p", "from 0 to 1"),
    "a penalty too low": ({"presence_penalty": -3}, "presence_penalty", "from -2 to 2"),
    "no tokens": ({"max_tokens": 0}, "max_tokens", "at least 1"),
    "half a token": ({"max_completion_tokens": 0.5}, "max_completion_tokens", "an integer"),
    "five stops": ({"stop": ["a"] * 5}, "stop", "1 to 4 strings"),
    "an empty stop": ({"stop": [""]}, "stop", "none of them empty"),
    "a seed of text": ({"seed": "1"}, "seed", "an integer"),
    "a user that is a number": ({"user": 1}, "user", "a string"),
    "stream as text": ({"stream": "yes"}, "stream", "true or false"),
    "two answers": ({"n": 2}, "n", "n is not supported"),
    "stream options without a stream": ({"stream_options": {}}, "stream_options", "when stream is true"),
    "unknown stream options": ({"stream": True, "stream_options": {"x": 1}}, "stream_options", "include_usage"),
    "top_logprobs alone": ({"top_logprobs": 2}, "top_logprobs", "when logprobs is true"),
    "a prediction of text": ({"prediction": "x"}, "prediction", '"type": "content"'),
    "an unknown effort": ({"reasoning_effort": "max"}, "reasoning_effort", "one of none"),
    "metadata as a list": ({"metadata": []}, "metadata", "an object"),
    "no tools in the list": ({"tools": []}, "tools", "1 to 128"),
    "a tool of another type": ({"tools": [{"type": "web_search"}]}, "tools[0]", '"type": "function"'),
    "a tool with an unknown field": ({"tools": tool(effect=1)}, "tools[0].function.effect", "unknown parameter"),
    "a tool with a blank in its name": ({"tools": tool(name="get weather")}, "tools[0].function.name", "a-z"),
    "two tools of one name": ({"tools": [TOOL, TOOL]}, "tools[1].function.name", "used twice"),
    "a description that is null": ({"tools": tool(description=None)}, "tools[0].function.description", "a string"),
    "parameters that are a list": ({"tools": tool(parameters=[])}, "tools[0].function.parameters", '"object"'),
    "parameters of a string": (
        {"tools": tool(parameters={"type": "string"})},
        "tools[0].function.parameters",
        '"object"',
    ),
    "strict that is text": ({"tools": tool(strict="yes")}, "tools[0].function.strict", "true or false"),
    "a strict tool with a loose schema": (
        {"tools": tool(strict=True)},
        "tools[0].function.parameters",
        "additionalProperties",
    ),
    "a choice without tools": ({"tool_choice": "auto"}, "tool_choice", "only allowed when tools"),
    "parallel calls without tools": ({"parallel_tool_calls": True}, "parallel_tool_calls", "only allowed when tools"),
    "an unknown choice": ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice", "not 'any'"),
    "a choice of an unknown tool": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "now"}}},
        "tool_choice.function.name",
        "'now', which is not among the tools: get_weather",
    ),
    "a choice in another shape": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "name": "get_weather"}},
        "tool_choice",
        "must look like",
    ),
    "a format that is text": ({"response_format": "json_object"}, "response_format", "must be an object"),
    "a format with an unknown field": (
        {"response_format": {"type": "text", "x": 1}},
        "response_format.x",
        "unknown parameter",
    ),
    "a JSON object without the word": ({"response_format": {"type": "json_object"}}, "messages", "the word 'json'"),
    "a format without a schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        "response_format.json_schema.schema",
        "required",
    ),
    "a format without json_schema": (
        {"response_format": {"type": "json_schema"}},
        "response_format.json_schema",
        "required",
    ),
    "a schema with no name": (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
        "response_format.json_schema.name",
        "not None",
    ),
    "a schema with an unknown field": (
        {"response_format": schema({}, x=1)},
        "response_format.json_schema.x",
        "unknown parameter",
    ),
    "strict as text": (
        {"response_format": schema({}, strict="x")},
        "response_format.json_schema.strict",
        "true or false",
    ),
    "an array at the root": (f({"type": "array"}), "response_format.json_schema.schema", "type 'object'"),
    "open objects": (
        f({**STRICT, "additionalProperties": True}),
        "response_format.json_schema.schema",
        "'additionalProperties' is required to be supplied and to be false",
    ),
    "an optional property": (f({**STRICT, "required": []}), "response_format.json_schema.schema", "Missing 'city'"),
    "a required stranger": (
        f({**STRICT, "required": ["city", "x"]}),
        "response_format.json_schema.schema",
        "names 'x'",
    ),
    "an open object further down": (
        f({**STRICT, "properties": {"city": {"type": "array", "items": {"type": ["object", "null"]}}}}),
        "response_format.json_schema.schema",
        "In context=('properties', 'city', 'items'), 'additionalProperties'",
    ),
    "properties in a list": (
        f({**STRICT, "properties": [], "required": []}),
        "response_format.json_schema.schema",
        "'properties' must be an object",
    ),
    "required that is no list": (
        f({**STRICT, "required": "city"}),
        "response_format.json_schema.schema",
        "'required' must be an array",
    ),
    "oneOf": (
        f({**STRICT, "properties": {"city": {"oneOf": [{}]}}}),
        "response_format.json_schema.schema",
        "'oneOf' is not permitted",
    ),
    "words beside a reference": (
        f(
            {
                **STRICT,
                "properties": {"city": {"$ref": "#/$defs/A", "description": "x"}},
                "$defs": {"A": {"type": "string"}},
            }
        ),
        "response_format.json_schema.schema",
        "'$ref' cannot have other keywords beside it: description",
    ),
}


@pytest.mark.parametrize(("changes", "param", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_request_that_some_server_refuses_is_a_400_that_names_the_place(
    gateway: Emulator, ask: Ask, changes: dict[str, Any], param: str, words: str
) -> None:
    response = ask(gateway, **changes)

    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (404 if param == "model" and "'gpt-9'" in words else 400, param)
    assert words in error["message"]


def test_a_schema_nested_too_deeply_is_no_strict_schema() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(11):
        deep = {**STRICT, "properties": {"city": deep}}
    body = {"model": "gpt-4o", "messages": [USER], "response_format": schema(deep, strict=True)}

    problem = check(body, DIALECTS["openai"])

    assert problem is not None
    assert "nested more than 10 levels" in problem.message


def test_a_schema_with_thousands_of_properties_is_no_strict_schema() -> None:
    names = [f"p{number}" for number in range(5001)]
    wide = {**STRICT, "properties": {name: {"type": "string"} for name in names}, "required": names}
    body = {"model": "gpt-4o", "messages": [USER], "response_format": schema(wide, strict=True)}

    problem = check(body, DIALECTS["openai"])

    assert problem is not None
    assert "has 5001 properties" in problem.message


def test_a_body_that_is_no_object_is_refused() -> None:
    assert check([], DIALECTS["openai"]) == Problem("the request body must be a JSON object")


def test_what_openai_answered_is_refused_only_where_the_emulator_is_stricter_on_purpose() -> None:
    if not TRAFFIC.exists():
        pytest.skip("the recorded traffic of ../shared is not in a user's checkout")
    refused: set[str] = set()
    with gzip.open(TRAFFIC, "rt", encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            if record["provider"] == "openai" and record["status"] == 200 and isinstance(record["request"], dict):
                problem = check({**record["request"], "model": "gpt-4o"}, DIALECTS["openai"])
                refused |= {re.sub(r"\d+", "N", problem.param or "")} if problem else set()

    assert refused == {
        "n",
        "stop",  # an empty list
        "response_format",  # null, as are the next three
        "stream_options",
        "tool_choice",
        "tools",
        "response_format.json_schema.schema",  # strict, yet with an open object
        "functions",  # what tools have replaced
        "function_call",
        "audio",
        "web_search_options",
        "messages[N].content",  # empty
        "messages[N].content[N].text",
        "messages[N].content[N].type",  # sound and files
    }


WORDS = (
    "type role content text image_url url tool_calls tool_call_id id function name arguments parameters strict schema "
    "json_schema properties required items anyOf $defs $ref additionalProperties"
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.sampled_from(["", "a", "json", "tool", "object"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS.split()), inner, max_size=4),
    max_leaves=20,
)
schemas = st.recursive(
    json_values,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", ["object", "null"]]) | inner,
            "properties": st.dictionaries(st.just("a"), inner, max_size=1) | inner,
            "required": st.just(["a"]) | inner,
            "additionalProperties": st.just(False),
            "anyOf": st.lists(inner, max_size=2) | inner,
            "items": inner,
            "$defs": st.dictionaries(st.just("A"), inner) | inner,
        },
    ),
    max_leaves=6,
)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "bot"])},
    optional={
        "content": json_values,
        "tool_call_id": st.sampled_from(["a", "b"]) | json_values,
        "tool_calls": st.lists(st.sampled_from([call("a"), call("b")]) | json_values, max_size=3) | json_values,
    },
)
functions = st.fixed_dictionaries({}, optional={"name": st.just("a"), "strict": st.just(True), "parameters": schemas})
bodies = st.fixed_dictionaries(
    {"model": st.just("gpt-5-4-mini") | json_values, "messages": st.just([USER]) | st.lists(messages | json_values)},
    optional={
        "tools": st.lists(st.fixed_dictionaries({"type": st.just("function"), "function": functions})) | json_values,
        "tool_choice": st.sampled_from(["auto", {"type": "function", "function": {"name": "a"}}]) | json_values,
        "response_format": json_values | schemas.map(lambda value: schema(value, strict=True)),
        "stop": json_values,
        "max_tokens": json_values,
        "stream_options": json_values,
    },
)


@given(schemas)
def test_any_strict_schema_is_taken_or_refused_but_never_breaks_the_check(value: Any) -> None:
    closed = {
        "type": "object",
        "properties": {"a": value},
        "required": ["a"],
        "additionalProperties": False,
        "$defs": value,
    }
    body = {"model": "gpt-5-4-mini", "messages": [USER], "response_format": schema(closed, strict=True)}

    problem = check(body, DIALECTS["bytespike"])

    assert problem is None or problem.message


@given(bodies)
def test_any_json_is_taken_or_refused_but_never_breaks_the_check(body: dict[str, Any]) -> None:
    problem = check(body, DIALECTS["bytespike"])

    assert problem is None or problem.message
