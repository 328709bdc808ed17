"""What llama.cpp's own server refuses, and in which words."""

from collections.abc import AsyncIterable
from contextlib import aclosing
from typing import Any

import pytest

from agentkit import (
    Agent,
    BadRequest,
    ConnectionFailed,
    ContextOverflow,
    GatewayError,
    ModelSettings,
    RetryPolicy,
    StreamTruncated,
)
from agentkit.events import Event, TextDelta
from agentkit.messages import AssistantMessage, History, ImagePart, TextPart, UserMessage, UserPart
from agentkit.models import AttemptDiscarded, AttemptStarting, ModelRequest, ToolDefinition
from agentkit.providers import ChatCompletionsModel
from agentkit.providers.gateways import gateway_named

from .conftest import ANSWER, OWN_FIELDS, LlamaServer
from .serve import CONTEXT

pytestmark = pytest.mark.anyio

FIXED = ModelSettings(temperature=0, seed=1)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
AT_ONCE = RetryPolicy(retries=2, waits=(0,))

both_ways = pytest.mark.parametrize("stream", [False, True])


async def follow(model: ChatCompletionsModel, request: ModelRequest, told: list[Any], *, stream: bool) -> None:
    """Note the numbers of the attempts and the classes of what was discarded, in order."""
    async with model, aclosing(model.events(request, stream=stream)) as events:
        async for event in events:
            match event:
                case AttemptStarting(number):
                    told.append(number)
                case AttemptDiscarded(error):
                    told.append(type(error))
                case _:
                    told.append(event)


async def refused(
    model: ChatCompletionsModel, request: ModelRequest, *, stream: bool
) -> tuple[list[Any], GatewayError]:
    """What `follow` notes, and the error at the end."""
    told: list[Any] = []
    with pytest.raises(GatewayError) as raised:
        await follow(model, request, told, stream=stream)
    return told, raised.value


@both_ways
async def test_a_500_that_says_that_images_are_not_supported_is_the_requests_fault_and_sent_once(
    llama: LlamaServer, stream: bool
) -> None:
    request = ModelRequest([UserMessage([TextPart("What is it?"), ImagePart(data=PNG)])])
    told, error = await refused(llama.model(retry=AT_ONCE), request, stream=stream)
    assert told == [1]
    assert isinstance(error, BadRequest)
    assert (error.status, error.code, error.partial) == (500, "server_error", None)
    assert error.provider_message is not None
    assert "image input is not supported" in error.provider_message


async def test_a_500_ends_a_run_with_its_history(llama: LlamaServer) -> None:
    prompt: list[UserPart] = [TextPart("What is it?"), ImagePart(data=PNG)]
    async with Agent(llama.model(retry=RetryPolicy(retries=0)), settings=FIXED) as agent:
        with pytest.raises(BadRequest, match="image input is not supported") as raised:
            await agent.run(prompt)
        assert raised.value.history == History([UserMessage(prompt)])
        assert (await agent.run("Hello")).output == ANSWER


@OWN_FIELDS
@both_ways
@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"grammar": "root ::= ("}, "failed to parse grammar"),
        ({"json_schema": {"type": "nonsense"}}, "unrecognized type nonsense"),
        ({"n_probs": "many"}, "n_probs"),
    ],
    ids=["grammar", "schema", "type"],
)
async def test_a_field_that_the_server_cannot_use_is_refused_once(
    llama: LlamaServer, extra: dict[str, Any], words: str, stream: bool
) -> None:
    request = ModelRequest([UserMessage("Hello")], settings=ModelSettings(extra=extra))
    told, error = await refused(llama.model(retry=AT_ONCE), request, stream=stream)
    assert told == [1]
    assert type(error) is BadRequest
    assert (error.status, error.code) == (400, "invalid_request_error")
    assert words in (error.provider_message or "")


@OWN_FIELDS
async def test_tools_beside_a_grammar_are_refused_and_never_left_out(llama: LlamaServer) -> None:
    tools = [ToolDefinition("look", "Look.", {"type": "object", "properties": {}})]
    settings = ModelSettings(extra={"grammar": 'root ::= "yes"'})
    request = ModelRequest([UserMessage("Hello")], tools=tools, tool_choice="auto", settings=settings)
    told, error = await refused(llama.model(retry=AT_ONCE), request, stream=False)
    assert told == [1]
    assert type(error) is BadRequest
    assert error.provider_message == "Cannot use custom grammar constraints with tools."


@OWN_FIELDS
async def test_a_field_that_the_server_does_not_know_is_passed_over(llama: LlamaServer) -> None:
    request = ModelRequest([UserMessage("Hello")], settings=FIXED.merged(ModelSettings(extra={"unheard_of": [1]})))
    async with llama.model() as model:
        response = await model.respond(request)
    assert (response.message.text, response.warnings) == (ANSWER, ())


@both_ways
async def test_a_prompt_longer_than_the_context_is_an_overflow(llama: LlamaServer, stream: bool) -> None:
    request = ModelRequest([UserMessage("x" * CONTEXT)])
    told, error = await refused(llama.model(retry=AT_ONCE), request, stream=stream)
    assert told == [1]
    assert type(error) is ContextOverflow
    assert (error.status, error.code) == (400, "exceed_context_size_error")


async def test_a_run_meets_the_overflow_with_its_history(llama: LlamaServer) -> None:
    async with Agent(llama.model(), settings=FIXED) as agent:
        earlier = await agent.run("Hello")
        with pytest.raises(ContextOverflow) as raised:
            await agent.run("x" * CONTEXT, history=earlier.messages)
    assert raised.value.history == earlier.messages.extended([UserMessage("x" * CONTEXT)])


async def test_a_base_url_with_a_wrong_path_is_refused_once(llama: LlamaServer) -> None:
    model = llama.model(base_url=f"{llama.address}/v2", retry=AT_ONCE)
    told, error = await refused(model, ModelRequest([UserMessage("Hello")]), stream=False)
    assert told == [1]
    assert type(error) is BadRequest
    assert (error.status, error.code, error.provider_message) == (404, "not_found_error", "File Not Found")


async def test_what_agentkit_sends_of_its_own_is_taken_without_a_word(llama: LlamaServer) -> None:
    """Many settings at once: no warning comes back, and no refusal is learned from."""
    settings = ModelSettings(
        temperature=0,
        max_tokens=50,
        stop=["<"],
        presence_penalty=0.0,
        frequency_penalty=0.0,
        seed=1,
        logprobs=True,
        top_logprobs=2,
        logit_bias={"0": -1.0},
        reasoning_effort="low",
        prediction=ANSWER,
        service_tier="auto",
        prompt_cache_key="k",
        user="u",
    )
    async with llama.model() as model:
        plain = await model.respond(ModelRequest([UserMessage("Hello")], settings=settings))
        streamed = await model.respond(ModelRequest([UserMessage("Hello")], settings=settings), stream=True)
        assert model.profile == gateway_named("llamacpp").profile
    for response in (plain, streamed):
        assert (response.message.text, response.finish_reason, response.warnings) == (ANSWER, "stop", ())
        assert "".join(entry["token"] for entry in response.logprobs) == ANSWER


@OWN_FIELDS
async def test_a_server_that_is_killed_in_mid_stream_ends_the_run_typed_with_what_had_come(
    mortal_llama: LlamaServer,
) -> None:
    settings = ModelSettings(temperature=0, logprobs=True, top_logprobs=20, extra={"ignore_eos": True})
    seen: list[str] = []

    async def follow_until_killed(run: AsyncIterable[Event]) -> None:
        async for event in run:
            if isinstance(event, TextDelta):
                seen.append(event.text)
                mortal_llama.process.kill()

    async with mortal_llama.model(retry=AT_ONCE) as model:
        async with Agent(model, settings=settings).stream("Hello") as run:
            with pytest.raises(GatewayError) as cut:
                await follow_until_killed(run)
        told, gone = await refused(model, ModelRequest([UserMessage("Hello")]), stream=False)
    assert isinstance(cut.value, (StreamTruncated, ConnectionFailed))
    assert cut.value.history == History([UserMessage("Hello")])
    assert cut.value.partial == AssistantMessage("".join(seen))
    assert told == [1, ConnectionFailed, 2, ConnectionFailed, 3]
    assert isinstance(gone, ConnectionFailed)
