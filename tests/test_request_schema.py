"""The reader that every request of the tests is held to: what it lets through, what it names, and that it works."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agentkit.emulator import Emulator, Reply
from agentkit.messages import UserMessage
from agentkit.models import ModelRequest, ModelSettings
from agentkit.transport import HttpRequest

from .request_schema import RequestSchema, surface_of
from .sent_requests import SentRequests

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
HI = {"role": "user", "content": "Hi"}
CALL = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}
CHAT: dict[str, Any] = {"model": "m", "messages": [HI]}
FUNCTION = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True}
IMAGE = {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "auto"}
RESPONSE: dict[str, Any] = {
    "model": "m",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Look."}, IMAGE]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "Seen."},
    ],
    "instructions": "Be brief.",
    "tools": [FUNCTION],
    "tool_choice": {"type": "function", "name": "look"},
    "text": {"format": {"type": "json_schema", "name": "report", "schema": {"type": "object"}, "strict": True}},
    "include": ["reasoning.encrypted_content"],
    "store": False,
}
EMBEDDING: dict[str, Any] = {"model": "m", "input": ["Hi"]}


def chat(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**CHAT, "messages": [*CHAT["messages"], *messages], **fields}


def problems(schema: RequestSchema, surface: str, body: Any) -> list[str]:
    return schema.problems(f"https://example.org/v1{surface}?api-version=1", json.dumps(body).encode())


@pytest.mark.parametrize(
    ("surface", "body"),
    [
        ("/chat/completions", CHAT),
        ("/chat/completions", chat({"role": "assistant", "content": None, "tool_calls": [CALL]}, metadata={"a": "b"})),
        ("/responses", {"model": "m", "input": "Hi"}),
        ("/responses", RESPONSE),
        ("/embeddings", EMBEDDING),
    ],
)
def test_what_openai_describes_is_let_through(surface: str, body: Any, request_schema: RequestSchema) -> None:
    assert problems(request_schema, surface, body) == []


def nested(*path: Any, body: Any, **fields: Any) -> Any:
    """The body, with `fields` in the object that is found along `path`."""
    copy = json.loads(json.dumps(body))
    target = copy
    for step in path:
        target = target[step]
    target.update(fields)
    return copy


@pytest.mark.parametrize(
    ("surface", "body", "said"),
    [
        ("/chat/completions", {"model": "m"}, 'the body: "messages" is a required property'),
        ("/chat/completions", {**CHAT, "temperature": 3}, "temperature: 3 is greater than the maximum of 2"),
        ("/chat/completions", {**CHAT, "seed": None}, 'seed: null is not of type "integer"'),
        ("/chat/completions", {**CHAT, "top_k": 1}, "the body: Unevaluated properties are not allowed ('top_k' was"),
        (
            "/chat/completions",
            chat({"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}),
            "messages[1]: Additional properties are not allowed ('reasoning_content' was unexpected)",
        ),
        (
            "/chat/completions",
            chat({"role": "assistant", "content": None, "tool_calls": [{**CALL, "index": 0}]}),
            "messages[1].tool_calls[0]: Additional properties are not allowed ('index' was unexpected)",
        ),
        ("/chat/completions", chat({"role": "tool", "content": "Seen."}), 'messages[1]: "tool_call_id" is a required'),
        ("/responses", nested("tools", 0, body=RESPONSE, strict="yes"), 'tools[0].strict: "yes" is not valid under'),
        ("/responses", nested("input", 0, "content", 1, body=RESPONSE, alt="x"), "input[0].content[1]: Additional"),
        ("/responses", nested(body=RESPONSE, messages=[]), "the body: Unevaluated properties are not allowed ('messa"),
        ("/embeddings", {**EMBEDDING, "dimensions": 0}, "dimensions: 0 is less than the minimum of 1"),
    ],
)
def test_what_openai_does_not_know_is_named_with_its_place(
    surface: str, body: Any, said: str, request_schema: RequestSchema
) -> None:
    (problem,) = problems(request_schema, surface, body)

    assert problem.startswith(said)


def test_a_body_that_is_not_json_is_said_to_be_none(request_schema: RequestSchema) -> None:
    (problem,) = request_schema.problems("https://example.org/v1/responses", b"{")

    assert problem.startswith("it is not JSON: ")


def test_other_places_are_left_alone(request_schema: RequestSchema) -> None:
    assert surface_of("https://example.org/v1/models") is None
    assert request_schema.problems("https://example.org/v1/models", b"{") == []


@pytest.mark.anyio
async def test_what_a_model_sends_is_watched(sent_requests: SentRequests) -> None:
    with Emulator([Reply("Hello")]) as gateway:
        async with gateway.model() as model:
            await model.respond(ModelRequest([UserMessage("Hi")]))
        bodies = [request.body for request in gateway.requests]

    assert [json.loads(request.body) for request in sent_requests.sent] == bodies
    assert bodies[0]["messages"] == [HI]


@pytest.mark.parametrize(
    "code", re.findall(r"```python\n(.*?)```", README, re.DOTALL), ids=["agent", "extract", "durable"]
)
def test_the_readmes_code_which_its_test_runs_out_of_sight_is_watched_here(
    code: str, sent_requests: SentRequests
) -> None:
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})

    assert {surface_of(request.url) for request in sent_requests.sent} == {"/chat/completions"}


def judge(request: pytest.FixtureRequest, schema: RequestSchema, body: Any) -> None:
    """End this test a second time, as if it had sent `body`."""
    watched = SentRequests(schema)
    watched.sent.append(HttpRequest("http://127.0.0.1/v1/chat/completions", (), json.dumps(body).encode()))
    end = watched.pytest_runtest_call(request.node)
    next(end)
    with pytest.raises(StopIteration):
        end.send(None)


def test_an_invalid_body_fails_the_test_that_sent_it(
    request: pytest.FixtureRequest, request_schema: RequestSchema
) -> None:
    judge(request, request_schema, CHAT)
    with pytest.raises(AssertionError) as caught:
        judge(request, request_schema, {"model": "m"})

    assert str(caught.value).startswith(
        "sent what OpenAI's schema does not know:\n"
        'POST http://127.0.0.1/v1/chat/completions: the body: "messages" is a required property'
    )


@pytest.mark.anyio
@pytest.mark.outside_openai("a setting that some servers have")
async def test_a_marker_lets_a_field_of_a_server_through_and_fails_where_none_was_sent(
    request: pytest.FixtureRequest, request_schema: RequestSchema
) -> None:
    with Emulator([Reply("Hello")]) as gateway:
        async with gateway.model(settings=ModelSettings(extra={"top_k": 1})) as model:
            await model.respond(ModelRequest([UserMessage("Hi")]))

    with pytest.raises(AssertionError, match="marked outside_openai, but OpenAI's schema knows all that was sent"):
        judge(request, request_schema, CHAT)
