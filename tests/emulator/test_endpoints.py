"""Which surfaces each gateway serves, and that each is keyed, checked, faulted and answered in its own words."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from agentkit.emulator import Call, Emulator, Fault, Raw, Reply
from agentkit.emulator.dialects import SurfaceName
from agentkit.errors import ConfigurationError
from agentkit.messages import UserMessage
from agentkit.models import ModelRequest
from agentkit.providers import ChatCompletionsModel, MessagesModel, ProviderModel, ResponsesModel, RunwareModel

VERSION = {"anthropic-version": "2023-06-01"}
SERVED: Mapping[str, list[SurfaceName]] = {
    "toapis": ["chat", "responses", "messages"],
    "bytespike": ["chat", "responses", "messages"],
    "modelstream": ["chat"],
    "runware": ["chat", "responses", "messages", "tasks"],
    "openai": ["chat", "responses"],
    "anthropic": ["messages"],
}
CLASSES: Mapping[SurfaceName, type[ProviderModel]] = {
    "chat": ChatCompletionsModel,
    "responses": ResponsesModel,
    "messages": MessagesModel,
    "tasks": RunwareModel,
}
PATHS: Mapping[str, str] = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "tasks": "/v1",
}


def ok(request: object) -> Reply:
    return Reply("one two three four")


def keyed(gateway: Emulator) -> dict[str, str]:
    return {"authorization": f"Bearer {gateway.key}", **VERSION}


def body_for(surface: str, gateway: Emulator, text: str = "Hi", **more: Any) -> Any:
    """The least that the surface takes."""
    model = json.loads(shlex.split(gateway.curl)[-1])["model"]
    messages = [{"role": "user", "content": text}]
    match surface:
        case "responses":
            return {"model": model, "input": text, **more}
        case "messages":
            return {"model": model, "messages": messages, "max_tokens": 100, **more}
        case "tasks":
            uuid = "a770f077-f413-47de-9dac-be0b26a35da6"
            return [{"taskType": "textInference", "taskUUID": uuid, "model": model, "messages": messages, **more}]
        case _:
            return {"model": model, "messages": messages, **more}


def said(surface: str, answer: Any) -> str:
    """The text of a plain answer."""
    match surface:
        case "responses":
            text = answer["output"][0]["content"][0]["text"]
        case "messages":
            text = answer["content"][0]["text"]
        case "tasks":
            text = answer["data"][0]["text"]
        case _:
            text = answer["choices"][0]["message"]["content"]
    return str(text)


@pytest.mark.parametrize(("name", "surfaces"), SERVED.items())
def test_a_gateway_serves_its_surfaces_and_no_other(client: httpx.Client, name: str, surfaces: list[str]) -> None:
    with Emulator(ok, gateway=name) as gateway:
        root = gateway.url.removesuffix("/v1")
        answers = {
            surface: client.post(root + path, json=body_for(surface, gateway), headers=keyed(gateway))
            for surface, path in PATHS.items()
        }
        urls = gateway.urls

    assert urls == {surface: root + PATHS[surface] for surface in surfaces}
    assert {surface: said(surface, answers[surface].json()) for surface in surfaces} == dict.fromkeys(
        surfaces, "one two three four"
    )
    assert {answers[surface].status_code for surface in PATHS if surface not in surfaces} <= {404}


def test_the_brain_sees_the_same_request_whatever_the_surface(client: httpx.Client) -> None:
    seen: list[Any] = []

    def brain(request: Any) -> Reply:
        seen.append({name: request[name] for name in ("model", "messages")})
        return Reply("ok")

    with Emulator(brain, gateway="runware") as gateway:
        for surface, url in gateway.urls.items():
            client.post(url, json=body_for(surface, gateway, "What is up?"), headers=keyed(gateway))

    assert seen == [{"model": "openai:gpt@5.4-mini", "messages": [{"role": "user", "content": "What is up?"}]}] * 4


def test_messages_takes_the_key_in_either_header_and_wants_a_version(client: httpx.Client) -> None:
    with Emulator(ok, gateway="anthropic") as gateway:
        url, body = gateway.urls["messages"], body_for("messages", gateway)

        def status(**headers: str) -> int:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return client.post(url, json=body, headers=sent).status_code

        version = "2023-06-01"
        assert status(x_api_key=gateway.key, anthropic_version=version) == 200
        assert status(authorization=f"Bearer {gateway.key}", anthropic_version=version) == 200
        assert status(x_api_key=gateway.key) == 400
        assert status(x_api_key="wrong", anthropic_version=version) == 401
        assert status(x_api_key="wrong", authorization=f"Bearer {gateway.key}", anthropic_version=version) == 401
        assert status(anthropic_version=version) == 401


@pytest.mark.parametrize("surface", ["chat", "responses"])
def test_the_other_surfaces_take_a_bearer_key_only(client: httpx.Client, surface: str) -> None:
    with Emulator(ok, gateway="bytespike") as gateway:
        headers = {"x-api-key": gateway.key}
        response = client.post(gateway.urls[surface], json=body_for(surface, gateway), headers=headers)

    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


def test_an_error_of_messages_is_anthropics_and_names_the_request(client: httpx.Client) -> None:
    with Emulator(ok, gateway="toapis", faults=["overloaded"]) as gateway:
        headers = keyed(gateway)
        failed = client.post(gateway.urls["messages"], json=body_for("messages", gateway), headers=headers)
        refused = client.post(gateway.urls["messages"], json=body_for("messages", gateway, model="x"), headers=headers)

    assert (failed.status_code, failed.headers["request-id"]) == (529, "req_emulated_1")
    assert failed.json() == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "the server is overloaded, try again later"},
        "request_id": "req_emulated_1",
    }
    assert (refused.status_code, refused.json()["error"]["type"]) == (404, "not_found_error")


def test_an_unknown_path_of_a_gateway_that_speaks_only_messages_is_anthropics_error_too(client: httpx.Client) -> None:
    with Emulator(ok, gateway="anthropic") as gateway:
        response = client.post(f"{gateway.url}/chat/completions", json={}, headers=keyed(gateway))

    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")


def test_a_body_that_is_no_object_is_refused_everywhere(client: httpx.Client) -> None:
    with Emulator(ok, gateway="runware") as gateway:
        headers = {**keyed(gateway), "content-type": "application/json"}
        statuses = {
            (surface, content): client.post(url, content=content, headers=headers).status_code
            for surface, url in gateway.urls.items()
            for content in (b"{", b"3", b"[]")
        }

    assert set(statuses.values()) == {400}


def test_what_a_gateways_page_says_of_chat_does_not_bind_its_other_surfaces(client: httpx.Client) -> None:
    tool = {"name": "lookup", "input_schema": {"type": "object"}}
    with Emulator(ok, gateway="bytespike") as gateway:
        body = body_for("messages", gateway, tools=[tool], tool_choice={"type": "any"})
        assert client.post(gateway.urls["messages"], json=body, headers=keyed(gateway)).status_code == 200
        body = body_for("responses", gateway, max_output_tokens=16_385)
        refused = client.post(gateway.urls["responses"], json=body, headers=keyed(gateway))

    assert (refused.status_code, "at most 16384 output tokens" in refused.text) == (400, True)


def test_faults_count_requests_of_all_surfaces(client: httpx.Client) -> None:
    with Emulator(ok, gateway="runware", faults=["rate_limit:3"]) as gateway:
        surfaces = ["chat", "responses", "messages", "chat"]
        answers = [
            client.post(gateway.urls[surface], json=body_for(surface, gateway), headers=keyed(gateway))
            for surface in surfaces
        ]

    assert [answer.status_code for answer in answers] == [429, 429, 429, 200]


@pytest.mark.parametrize("surface", ["chat", "responses", "messages"])
def test_an_error_in_a_200_has_the_surfaces_own_form(client: httpx.Client, surface: str) -> None:
    with Emulator(ok, gateway="openai" if surface != "messages" else "anthropic") as gateway:
        gateway.inject("error_in_200")
        answer = client.post(gateway.urls[surface], json=body_for(surface, gateway), headers=keyed(gateway))

    assert answer.status_code == 200
    assert answer.json()["error"]["message"] == "the upstream provider failed"
    assert answer.json().get("type") == ("error" if surface == "messages" else None)


FRAMES: dict[str, dict[str, Any]] = {
    "responses": {"type": "error", "code": None, "message": "the upstream provider failed", "param": None},
    "messages": {"type": "error", "error": {"type": "api_error", "message": "the upstream provider failed"}},
}


@pytest.mark.parametrize("surface", ["responses", "messages"])
def test_an_error_in_a_stream_is_an_event_of_the_surface(client: httpx.Client, surface: str) -> None:
    with Emulator(ok, gateway="openai" if surface != "messages" else "anthropic") as gateway:
        gateway.inject("error_in_stream")
        body = body_for(surface, gateway, stream=True)
        frames = client.post(gateway.urls[surface], json=body, headers=keyed(gateway)).text.strip().split("\n\n")

    name, _, data = frames[-1].partition("\n")
    assert len(frames) > 2
    assert name == "event: error"
    sent = {"sequence_number": len(frames) - 1} if surface == "responses" else {}
    assert json.loads(data.removeprefix("data: ")) == {**FRAMES[surface], **sent}


@pytest.mark.parametrize("surface", ["responses", "messages"])
def test_a_stream_of_any_surface_can_be_cut(client: httpx.Client, surface: str) -> None:
    with Emulator(ok, gateway="toapis", faults=["cut_stream"]) as gateway:
        body = body_for(surface, gateway, stream=True)
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            client.post(gateway.urls[surface], json=body, headers=keyed(gateway))


def test_a_fault_that_spoils_a_reply_spoils_it_on_every_surface(client: httpx.Client) -> None:
    def brain(request: object) -> Reply:
        return Reply(calls=(Call("lookup", {"key": "a long enough key"}),))

    tool = {"type": "function", "name": "lookup", "parameters": {"type": "object"}}
    with Emulator(brain, gateway="openai", faults=["malformed_arguments"]) as gateway:
        body = body_for("responses", gateway, tools=[tool])
        answer = client.post(gateway.urls["responses"], json=body, headers=keyed(gateway)).json()

    assert answer["output"][0]["arguments"] == '{"key":"a long e'[: len(answer["output"][0]["arguments"])]
    assert not answer["output"][0]["arguments"].endswith("}")


def test_what_a_brain_gives_as_bytes_goes_out_as_it_stands_on_every_surface(client: httpx.Client) -> None:
    with Emulator([Raw((b'{"mine": 1}',))] * 2, gateway="runware") as gateway:
        urls = gateway.urls
        answers = [
            client.post(urls[surface], json=body_for(surface, gateway), headers=keyed(gateway)).json()
            for surface in ("messages", "tasks")
        ]

    assert answers == [{"mine": 1}, {"mine": 1}]


def test_a_fault_can_be_for_one_surface_by_what_its_requests_hold(client: httpx.Client) -> None:
    with Emulator(ok, gateway="toapis", faults=[Fault("server_error", match='"input"')]) as gateway:
        statuses = [
            client.post(gateway.urls[surface], json=body_for(surface, gateway), headers=keyed(gateway)).status_code
            for surface in ("chat", "responses", "responses")
        ]

    assert statuses == [200, 500, 200]


def test_cached_tokens_are_counted_across_surfaces(client: httpx.Client) -> None:
    with Emulator(ok, gateway="openai") as gateway:
        for surface in ("chat", "responses"):
            answer = client.post(gateway.urls[surface], json=body_for(surface, gateway), headers=keyed(gateway)).json()

    assert answer["usage"]["input_tokens_details"]["cached_tokens"] == answer["usage"]["input_tokens"] > 0


def test_anthropics_models_are_listed_in_its_own_form(client: httpx.Client) -> None:
    with Emulator(ok, gateway="anthropic") as gateway:
        headers = {"x-api-key": gateway.key, **VERSION}
        listed = client.get(f"{gateway.url}/models", headers=headers).json()
        one = client.get(f"{gateway.url}/models/{listed['first_id']}", headers=headers).json()

    assert [model["type"] for model in listed["data"]] == ["model"] * 3
    assert (one, listed["has_more"], listed["last_id"]) == (listed["data"][0], False, listed["data"][-1]["id"])


def test_the_curl_line_of_each_gateway_asks_its_first_surface(client: httpx.Client) -> None:
    for name in SERVED:
        with Emulator(ok, gateway=name) as gateway:
            words = shlex.split(gateway.curl)
            pairs = [words[index + 1].split(": ") for index, word in enumerate(words) if word == "-H"]
            answer = client.post(words[3], content=words[-1], headers=dict(pairs))
        assert (name, answer.status_code) == (name, 200)


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "surface"), [(name, each) for name in SERVED for each in (None, *SERVED[name])])
async def test_the_model_of_a_surface_is_of_its_class_and_is_answered(name: str, surface: SurfaceName | None) -> None:
    with Emulator([Reply("Hello")], gateway=name) as gateway:
        async with gateway.model(surface=surface) as model:
            response = await model.respond(ModelRequest([UserMessage("Hi")]))

    first = SERVED[name][0]
    assert type(model) is CLASSES[surface or first]
    assert response.message.text == "Hello"
    assert gateway.requests[0].path == PATHS[surface or first]


def test_a_surface_that_a_gateway_does_not_serve_is_refused_with_those_it_has() -> None:
    with Emulator(ok, gateway="openai") as gateway, pytest.raises(ConfigurationError) as caught:
        gateway.model(surface="tasks")

    assert str(caught.value) == (
        "openai has no surface 'tasks'; it serves chat, responses: use gateway.model(surface='chat')"
    )


FLAT = {
    "model": "gpt-4o-mini",
    "system_prompt": "You are terse.",
    "prompt": "What is in the image?",
    "image_urls": ["https://example.com/a.png"],
    "image_detail": "low",
    "temperature": 0.2,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "seed": 1,
    "max_completion_tokens": 256,
    "response_format": "text",
    "stream": False,
}


def test_modelstreams_flat_form_means_one_user_message(client: httpx.Client) -> None:
    seen: list[Any] = []

    def brain(request: Any) -> Reply:
        seen.append(request)
        return Reply("A cat.")

    with Emulator(brain, gateway="modelstream") as gateway:
        answer = client.post(gateway.urls["chat"], json=FLAT, headers=keyed(gateway))
        least = {"model": "gpt-4o-mini", "prompt": "Hi"}
        client.post(gateway.urls["chat"], json=least, headers=keyed(gateway))

    own = ("system_prompt", "prompt", "image_urls", "image_detail", "response_format")
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
    assert answer.json()["choices"][0]["message"]["content"] == "A cat."
    assert seen == [
        {
            **{name: value for name, value in FLAT.items() if name not in own},
            "messages": [
                {"role": "system", "content": "You are terse."},
                {"role": "user", "content": [{"type": "text", "text": "What is in the image?"}, image]},
            ],
            "response_format": {"type": "text"},
        },
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]},
    ]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": [{"role": "user", "content": "Hi"}]}, "messages"),
        ({"tools": [{"type": "function", "function": {"name": "lookup"}}]}, "tools"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"prompt": ""}, "prompt"),
        ({"system_prompt": 3}, "system_prompt"),
        ({"image_urls": "https://example.com/a.png"}, "image_urls"),
        ({"image_detail": "tiny"}, "messages[1].content[1].image_url.detail"),
        ({"response_format": {"type": "text"}}, "response_format"),
        ({"response_format": "json_object"}, "messages"),  # no message says "json"
        ({"stop": "x"}, "stop"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
    ],
)
def test_what_the_flat_form_cannot_say_is_refused(client: httpx.Client, change: dict[str, Any], param: str) -> None:
    with Emulator(ok, gateway="modelstream") as gateway:
        answer = client.post(gateway.urls["chat"], json={**FLAT, **change}, headers=keyed(gateway))

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_messages_beside_a_prompt_are_refused_with_what_to_do(client: httpx.Client) -> None:
    with Emulator(ok, gateway="modelstream") as gateway:
        body = {**FLAT, "messages": [{"role": "user", "content": "Hi"}]}
        answer = client.post(gateway.urls["chat"], json=body, headers=keyed(gateway))

    wanted = "messages cannot be given beside 'prompt': send messages in place of it"
    assert answer.json()["error"]["message"] == wanted


def test_no_other_gateway_takes_the_flat_form(client: httpx.Client) -> None:
    with Emulator(ok, gateway="openai") as gateway:
        body = {"model": "gpt-4o-mini", "prompt": "Hi"}
        answer = client.post(gateway.urls["chat"], json=body, headers=keyed(gateway))

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")
