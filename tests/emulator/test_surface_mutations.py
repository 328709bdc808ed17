"""Requests with something wrong in them: each is refused in words, or the gateway can answer it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.emulator import Call, Reply
from agentkit.emulator.checks import check
from agentkit.emulator.completion import Completion
from agentkit.emulator.dialects import DIALECTS
from agentkit.emulator.surface import Invalid, Surface
from agentkit.emulator.surfaces.messages import Messages
from agentkit.emulator.surfaces.responses import Responses

MODEL = "gpt-5.4"
PNG = "data:image/png;base64,aGVsbG8="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = {**SCHEMA, "additionalProperties": False}
CALLS = (Call("get_weather", {"city": "Oslo"}), Call("computer", {"action": {"type": "wait"}}))
REPLIES = (Reply("Let me see. END", reasoning="Hm."), Reply("Let me see.", calls=CALLS, reasoning="Hm."))
VALUES: list[Any] = [None, True, 0, -1, 10**30, "", "x", [], {}, [None], {"type": "x"}, {"type": []}, [[]], "auto"]


def completion(reply: Reply) -> Completion:
    usage = {"prompt_tokens": 7, "completion_tokens": 50, "total_tokens": 57}
    ids = tuple(f"call_{index}" for index in range(len(reply.calls)))
    return Completion("chatcmpl-emulated-1", MODEL, reply, usage, 1_700_000_000, True, None, ids)


def responses_body() -> dict[str, Any]:
    weather = {"type": "function", "name": "get_weather", "parameters": CLOSED, "strict": True}
    body: dict[str, Any] = {
        "model": MODEL,
        "instructions": "Be terse.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Weather, in JSON?"}]}],
        "tools": [weather, {"type": "computer"}],
        "tool_choice": {"type": "function", "name": "get_weather"},
        "text": {"format": {"type": "json_schema", "name": "p", "schema": CLOSED, "strict": True}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 100,
        "metadata": {"k": "v"},
        "stream": True,
    }
    output = Responses().plain(completion(REPLIES[1]), body)["output"]
    seen = [{"type": "input_text", "text": "Sunny."}, {"type": "input_image", "image_url": PNG}]
    shot = {"type": "computer_screenshot", "image_url": PNG}
    results: list[Any] = [
        {"type": "function_call_output", "call_id": "call_0", "output": seen},
        {"type": "computer_call_output", "call_id": "call_1", "output": shot},
    ]
    return {**body, "input": [*body["input"], *output, *results]}


def messages_body() -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 2048,
        "system": [{"type": "text", "text": "Be terse."}],
        "messages": [{"role": "user", "content": "Weather?"}],
        "tools": [{"name": "get_weather", "input_schema": CLOSED, "strict": True}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"format": {"type": "json_schema", "schema": CLOSED}, "effort": "low"},
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
    }
    content = Messages().plain(completion(REPLIES[1]), body)["content"]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}}
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": [{"type": "text", "text": "Sunny."}, image]}
        for block in content
        if block["type"] == "tool_use"
    ]
    answered = [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
    return {**body, "messages": [*body["messages"], *answered]}


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a JSON value, with each of its keys."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield value, key
        yield from places(one)


def mutate(body: dict[str, Any], data: st.DataObject) -> None:
    """Changes, drops, adds or doubles one thing in `body`."""
    holder, key = data.draw(st.sampled_from(list(places(body))))
    match data.draw(st.sampled_from(["change", "drop", "more"])):
        case "change":
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
        case "drop":
            del holder[key]
        case _ if isinstance(holder, list):
            holder.insert(key, copy.deepcopy(data.draw(st.sampled_from(holder))))
        case _:
            name = data.draw(st.sampled_from(["type", "id", "content", "name", "status", "other"]))
            holder[name] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))


@pytest.mark.parametrize(("surface", "body"), [(Responses(), responses_body()), (Messages(), messages_body())])
@settings(max_examples=300, deadline=None)
@given(data=st.data(), times=st.integers(0, 2))
def test_a_request_is_refused_in_words_or_it_is_one_that_the_gateway_can_answer(
    surface: Surface, body: dict[str, Any], data: st.DataObject, times: int
) -> None:
    changed = copy.deepcopy(body)
    for _ in range(times):
        mutate(changed, data)

    try:
        chat = surface.chat(changed)
    except Invalid:
        assert times > 0
        return

    assert check({**chat, "model": MODEL}, DIALECTS["openai"].elsewhere()) is None
    for reply in REPLIES:
        assert surface.plain(completion(reply), changed)
        assert surface.frames(completion(reply), changed)
