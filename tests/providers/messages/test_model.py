"""Runs over real HTTP against a gateway that speaks the Messages API."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from agentkit import Agent, ModelSettings, Refused, RetryPolicy, Truncated, tool
from agentkit.emulator import Emulator, Raw
from agentkit.emulator.brain import Call, Reply
from agentkit.errors import (
    AuthenticationError,
    BadRequest,
    ConfigurationError,
    GatewayError,
    MalformedResponse,
    ServerError,
    StreamTruncated,
)
from agentkit.events import TextDelta
from agentkit.messages import (
    AssistantMessage,
    History,
    ImagePart,
    ReasoningPart,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agentkit.models import AttemptStarting, ModelRequest, Profile, ResponseFormat
from agentkit.providers import GATEWAYS, ChatCompletionsModel
from agentkit.providers.learned import LearnedProfiles
from agentkit.providers.messages import MessagesModel

from .answers import SEARCH, TEXT, body, events, sse, text

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
MODEL = "claude-haiku-4-5"
MINI = "gpt-5-4-mini-official"
AT_ONCE = RetryPolicy(retries=2, waits=())
OSLO, ROME = Call("weather", {"city": "Oslo"}), Call("weather", {"city": "Rome"})


class Report(BaseModel):
    city: str
    degrees: int


@tool(effect="read")
def weather(city: str) -> str:
    """The weather of a city."""
    return f"{city}: 7 C"


@asynccontextmanager
async def model_at(emulator: Emulator, id_: str = MODEL, **options: Any) -> AsyncIterator[MessagesModel]:
    given = {"api_key": emulator.key, "base_url": emulator.url, "learned": LearnedProfiles(), **options}
    async with MessagesModel(id_, **given) as model:
        with anyio.fail_after(5):
            yield model


def anthropic(*steps: Reply | Raw | str, gateway: str = "anthropic", **options: Any) -> Emulator:
    """A gateway that answers with `steps`, in order; a text is a reply that says it."""
    return Emulator([Reply(step) if isinstance(step, str) else step for step in steps], gateway=gateway, **options)


def streaming(*chunks: bytes) -> Raw:
    return Raw(chunks, headers={"content-type": "text/event-stream"})


@pytest.mark.parametrize("stream", [False, True])
async def test_a_run_calls_tools_at_once_and_thinking_goes_back_signed(stream: bool) -> None:
    first = Reply("Let me see.", calls=(OSLO, ROME), reasoning="Two cities.")
    with anthropic(first, Reply("Both 7 C.")) as gateway:
        async with model_at(gateway) as model:
            agent = Agent(model, instructions="Be terse.", tools=[weather])
            if stream:
                async with agent.stream("Oslo and Rome?") as run:
                    shown = [event.text async for event in run if isinstance(event, TextDelta)]
                result = run.result
                assert "".join(shown) == "Let me see.Both 7 C."
            else:
                result = await agent.run("Oslo and Rome?")
        sent = gateway.requests[-1].body

    assert result.output == "Both 7 C."
    asked = result.messages[1]
    assert isinstance(asked, AssistantMessage)
    one, other = (call.id for call in asked.tool_calls)
    assert list(result.messages) == [
        UserMessage("Oslo and Rome?"),
        AssistantMessage(
            [
                ReasoningPart("Two cities.", "thinking"),
                TextPart("Let me see.", "tool"),
                ToolCall(one, "weather", {"city": "Oslo"}, '{"city":"Oslo"}'),
                ToolCall(other, "weather", {"city": "Rome"}, '{"city":"Rome"}'),
            ],
            extra=asked.extra,
        ),
        ToolMessage(one, "weather", "Oslo: 7 C"),
        ToolMessage(other, "weather", "Rome: 7 C"),
        AssistantMessage("Both 7 C."),
    ]
    assert sent["system"] == "Be terse."
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in sent["messages"][1]["content"]] == ["thinking", "text", "tool_use", "tool_use"]
    assert sent["messages"][1]["content"][0]["signature"]
    assert sent["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": one, "content": "Oslo: 7 C"},
        {"type": "tool_result", "tool_use_id": other, "content": "Rome: 7 C"},
    ]


async def test_the_key_and_the_version_stand_in_the_vendors_headers() -> None:
    with anthropic("Hi") as gateway:
        async with model_at(gateway) as model:
            await model.respond(ModelRequest([UserMessage("Hi")]))
        headers = gateway.requests[0].headers

    assert (headers["x-api-key"], headers["anthropic-version"]) == (gateway.key, "2023-06-01")
    assert "authorization" not in headers


async def test_a_gateway_that_takes_bearer_keys_gets_one() -> None:
    with anthropic("Hi", gateway="toapis") as gateway:
        async with model_at(gateway, MINI, gateway="toapis/messages") as model:
            assert (await model.respond(ModelRequest([UserMessage("Hi")]))).message.text == "Hi"
        headers = gateway.requests[0].headers

    assert headers["authorization"] == f"Bearer {gateway.key}"
    assert (headers["anthropic-version"], "x-api-key" in headers) == ("2023-06-01", False)


@pytest.mark.parametrize(
    ("settings", "profile", "bound"),
    [(None, None, 4096), (ModelSettings(max_tokens=9), None, 9), (None, Profile(max_output=500), 500)],
)
async def test_an_attempt_tells_the_bound_that_it_carries(
    settings: ModelSettings | None, profile: Profile | None, bound: int
) -> None:
    with anthropic("Hi") as gateway:
        async with model_at(gateway, settings=settings, profile=profile) as model:
            found = [event async for event in model.events(ModelRequest([UserMessage("Hi")]), stream=True)]
        assert gateway.requests[0].body["max_tokens"] == bound

    assert found[0] == AttemptStarting(1, bound)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_declared_output_is_the_servers_format(stream: bool) -> None:
    with anthropic(Reply("", calls=(OSLO,)), '{"city":"Oslo","degrees":7}') as gateway:
        async with model_at(gateway) as model:
            agent = Agent(model, tools=[weather], output=Report)
            if stream:
                async with agent.stream("Oslo?") as run:
                    async for _ in run:
                        pass
                output = run.result.output
            else:
                output = (await agent.run("Oslo?")).output
        shape = gateway.requests[0].body["output_config"]["format"]

    assert output == Report(city="Oslo", degrees=7)
    assert shape["type"] == "json_schema"
    assert shape["schema"]["additionalProperties"] is False


async def test_a_refused_format_becomes_an_output_tool() -> None:
    reply = Reply(None, calls=(Call("final_output", {"city": "Oslo", "degrees": 7}),))
    with anthropic(reply, refuses=["response_format:json_schema"]) as gateway:
        async with model_at(gateway) as model:
            result = await Agent(model, output=Report).run("Oslo?")
        sent = [request.body for request in gateway.requests]

    assert result.output == Report(city="Oslo", degrees=7)
    assert ["output_config" in each for each in sent] == [True, False]
    assert [tool["name"] for tool in sent[1]["tools"]] == ["final_output"]


async def test_plain_json_output_is_refused_before_the_request() -> None:
    with anthropic() as gateway:
        async with model_at(gateway) as model:
            with pytest.raises(ConfigurationError, match="no such output"):
                await model.respond(ModelRequest([UserMessage("Hi")], response_format=ResponseFormat("json_object")))

            assert "json_object" not in model.profile.output_modes
        assert gateway.requests == []


async def test_images_are_seen_in_a_prompt_and_in_a_result() -> None:
    @tool(effect="read")
    def screenshot() -> ImagePart:
        """A picture of the screen."""
        return ImagePart(data=PNG)

    with anthropic(Reply(None, calls=(Call("screenshot"),)), "A cat.") as gateway:
        async with model_at(gateway) as model:
            result = await Agent(model, tools=[screenshot]).run([TextPart("Compare."), ImagePart(data=PNG)])
        sent = gateway.requests[-1].body["messages"]

    assert result.output == "A cat."
    assert [block["type"] for block in sent[0]["content"]] == ["text", "image"]
    assert sent[0]["content"][1] in sent[2]["content"][0]["content"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_ends_the_run_in_the_models_words(stream: bool) -> None:
    with anthropic(Reply(refusal="I will not.")) as gateway:
        async with model_at(gateway) as model:
            with pytest.raises(Refused, match=r"refused: I will not\.") as caught:
                await finished(Agent(model), stream=stream)

    assert caught.value.refusal == "I will not."


async def finished(agent: Agent[None, str], *, stream: bool) -> str:
    """The output of a run."""
    if not stream:
        return (await agent.run("Go.")).output
    async with agent.stream("Go.") as run:
        async for _ in run:
            pass
    return run.result.output


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_was_cut_is_truncated_and_its_call_never_runs(stream: bool) -> None:
    ran: list[str] = []

    @tool
    def pay(amount: int) -> str:
        """Pays."""
        ran.append("pay")
        return f"{amount}"

    reply = Reply("Paying.", calls=(Call("pay", '{"amount": 10'),), finish_reason="length")
    with anthropic(reply) as gateway:
        async with model_at(gateway) as model:
            with pytest.raises(Truncated) as caught:
                await finished(Agent(model, tools=[pay]), stream=stream)

    assert ran == []
    assert caught.value.history[-1] == AssistantMessage("Paying.")


async def test_arguments_that_are_no_json_go_back_to_the_model() -> None:
    for stream in (False, True):
        with anthropic(Reply(None, calls=(Call("weather", '{"city": Oslo}'),)), "Sorry.") as gateway:
            async with model_at(gateway) as model:
                assert await finished(Agent(model, tools=[weather]), stream=stream) == "Sorry."
            sent = gateway.requests[-1].body["messages"]

        assert sent[1]["content"][0]["input"] == {"invalid_json": '{"city": Oslo}'}
        assert sent[2]["content"][0]["is_error"] is True


@pytest.mark.parametrize("fault", ["rate_limit_fast", "overloaded", "server_error"])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_passes_is_sent_again(fault: str, stream: bool) -> None:
    with anthropic("Hi", faults=[f"{fault}:2"]) as gateway:
        async with model_at(gateway, retry=AT_ONCE) as model:
            response = await model.respond(ModelRequest([UserMessage("Hi")]), stream=stream)
        assert len(gateway.requests) == 3

    assert response.message.text == "Hi"


async def test_a_wrong_key_is_sent_once_and_never_shown() -> None:
    with anthropic("Hi") as gateway:
        async with model_at(gateway, api_key="sk-ant-api03-wrong-key", retry=AT_ONCE) as model:
            with pytest.raises(AuthenticationError) as caught:
                await model.respond(ModelRequest([UserMessage("Hi")]))
        assert len(gateway.requests) == 1

    assert (caught.value.status, caught.value.code) == (401, "authentication_error")
    assert "wrong-key" not in str(caught.value)


async def test_a_stream_that_breaks_off_is_truncated_with_its_text() -> None:
    with anthropic("It is cold in Oslo today.", faults=["cut_stream"]) as gateway:
        async with model_at(gateway) as model:
            with pytest.raises(StreamTruncated) as caught:
                await model.respond(ModelRequest([UserMessage("Hi")]), stream=True)

    assert caught.value.partial is not None
    assert caught.value.partial.text
    assert "It is cold in Oslo today.".startswith(caught.value.partial.text)


async def test_an_error_in_a_stream_is_that_error() -> None:
    with anthropic("It is cold in Oslo today.", faults=["error_in_stream"]) as gateway:
        async with model_at(gateway) as model:
            with pytest.raises(GatewayError) as caught:
                await model.respond(ModelRequest([UserMessage("Hi")]), stream=True)

    assert isinstance(caught.value, ServerError)
    assert caught.value.partial is not None


async def test_a_server_that_streams_unasked_or_does_not_is_read_all_the_same() -> None:
    answer = body(TEXT)
    for stream, raw in ((False, streaming(sse(events(answer)))), (True, Raw((json.dumps(answer).encode(),)))):
        with anthropic(raw) as gateway:
            async with model_at(gateway) as model:
                response = await model.respond(ModelRequest([UserMessage("Hi")]), stream=stream)

        assert response.message == AssistantMessage(TEXT["text"])


async def test_a_setting_that_the_server_refuses_costs_one_request() -> None:
    with anthropic("Hi", "Hi") as gateway:
        async with model_at(gateway, settings=ModelSettings(temperature=0.5, top_p=0.5)) as model:
            with pytest.warns(UserWarning, match="temperature and top_p are both set"):
                await model.respond(ModelRequest([UserMessage("Hi")]))
            response = await model.respond(ModelRequest([UserMessage("Hi")]))
        sent = [{"temperature", "top_p"} & request.body.keys() for request in gateway.requests]

    assert [len(each) for each in sent] == [2, 1, 1]
    assert "was left out" in response.warnings[0]


async def test_an_effort_that_the_api_does_not_have_goes_out_as_the_nearest() -> None:
    with anthropic("Hi") as gateway:
        async with model_at(gateway, settings=ModelSettings(reasoning_effort="minimal")) as model:
            response = await model.respond(ModelRequest([UserMessage("Hi")]))
        assert gateway.requests[0].body["output_config"] == {"effort": "low"}

    assert "'low' in place of 'minimal'" in response.warnings[0]


async def test_a_refused_effort_costs_the_effort_and_not_the_format() -> None:
    with anthropic('{"city":"Oslo","degrees":7}', refuses=["reasoning_effort:high"]) as gateway:
        async with model_at(gateway, settings=ModelSettings(reasoning_effort="high")) as model:
            result = await Agent(model, output=Report).run("Oslo?")
        sent = [request.body["output_config"] for request in gateway.requests]

    assert result.output == Report(city="Oslo", degrees=7)
    assert [each["format"]["type"] for each in sent] == ["json_schema", "json_schema"]
    assert sent[0]["effort"] == "high"
    assert sent[1].get("effort") != "high"


def test_an_unknown_server_is_held_to_the_limits_of_the_presets() -> None:
    model = MessagesModel("m", base_url="http://127.0.0.1:9/v1", learned=LearnedProfiles())

    assert model.profile == replace(GATEWAYS["anthropic"].profile, gateway="127.0.0.1:9")
    assert model.profile.max_stop == 8191
    assert model.profile.ranges["temperature"] == (0, 1)


async def test_a_choice_and_the_wish_for_one_call_at_a_time_go_out_together() -> None:
    settings = ModelSettings(parallel_tool_calls=False)
    with anthropic(Reply(None, calls=(OSLO,)), "7 C.") as gateway:
        async with model_at(gateway, settings=settings) as model:
            await Agent(model, tools=[weather], tool_choice="weather").run("Oslo?")
        sent = [request.body["tool_choice"] for request in gateway.requests]

    assert sent == [
        {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        {"type": "auto", "disable_parallel_tool_use": True},
    ]


async def test_a_paused_answer_is_an_error_to_a_run_and_goes_on_when_it_is_sent_again() -> None:
    paused = Raw((json.dumps(body(text("I search."), SEARCH, stop="pause_turn")).encode(),))
    with anthropic(paused, paused) as gateway:
        async with model_at(gateway) as model:
            history = History([UserMessage("Oslo?")])
            first = await model.respond(ModelRequest(history))
            assert first.finish_reason == "other"
            with pytest.raises(BadRequest):  # this gateway has no tools of its own, but sees what was sent
                await model.respond(ModelRequest(history.extended([first.message])))
            sent = gateway.requests[-1].body["messages"]
            with pytest.raises(MalformedResponse):
                await Agent(model).run("Oslo?")

    assert sent[-1] == {"role": "assistant", "content": [text("I search."), SEARCH]}


@pytest.mark.outside_openai("reasoning goes back in the field that it came in")
async def test_a_conversation_moves_between_the_wires() -> None:
    steps: list[Reply | str] = [
        Reply(None, calls=(OSLO,), reasoning="Chat thinks."),
        Reply("Chat: 7 C.", reasoning="Chat thinks again."),
        Reply(None, calls=(ROME,), reasoning="Claude thinks."),
        Reply("Claude: 7 C.", reasoning="Claude thinks again."),
        "Chat again.",
    ]
    with anthropic(*steps, gateway="toapis") as gateway:
        async with (
            ChatCompletionsModel(MINI, base_url=gateway.url, api_key=gateway.key, learned=LearnedProfiles()) as chat,
            model_at(gateway, MINI) as claude,
        ):
            agent = Agent(chat, tools=[weather])
            first = await agent.run("Oslo?")
            second = await agent.run("And Rome?", model=claude, history=first.messages)
            third = await agent.run("Thanks.", history=History.from_json(second.messages.to_json()))
        requests = gateway.requests

    assert (first.output, second.output, third.output) == ("Chat: 7 C.", "Claude: 7 C.", "Chat again.")
    assert [request.path for request in requests] == [
        *["/v1/chat/completions"] * 2,
        *["/v1/messages"] * 2,
        "/v1/chat/completions",
    ]
    moved = [block for message in requests[2].body["messages"] for block in message["content"]]
    assert [block["type"] for block in moved] == ["text", "tool_use", "tool_result", "text", "text"]
    signed = [block for block in requests[3].body["messages"][-2]["content"] if block["type"] == "thinking"]
    assert [block["thinking"] for block in signed] == ["Claude thinks."]
    back = [message.keys() for message in requests[4].body["messages"]]
    assert set().union(*back) <= {"role", "content", "tool_calls", "tool_call_id", "reasoning_content", "reasoning"}
