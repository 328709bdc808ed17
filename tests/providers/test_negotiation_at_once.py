"""Negotiation by many runs at once, among retries, and under limits."""

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import anyio
import httpx
import pytest

from agentkit import Agent, RunLimits, tool
from agentkit.errors import BadRequest, GatewayTimeout, LimitExceeded, ServerError
from agentkit.messages import UserMessage
from agentkit.models import AttemptDiscarded, ModelRequest, ModelSettings, Profile
from agentkit.providers import ChatCompletionsModel, LearnedProfiles
from agentkit.transport import RetryPolicy
from agentkit.usage import Price

ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
NOW = RetryPolicy(waits=(0.0,))
DECLARED = Profile(gateway="test")


def refusal(name: str) -> httpx.Response:
    text = f"Unsupported parameter: '{name}' is not supported with this model."
    error = {"message": text, "type": "invalid_request_error", "param": name, "code": "unsupported_parameter"}
    return httpx.Response(400, json={"error": error})


class Server:
    """Refuses `refused`, one at a time; the first `together` requests are answered when all of them are there."""

    def __init__(self, *refused: str, together: int = 0) -> None:
        self.bodies: list[Mapping[str, Any]] = []
        self._refused = refused
        self._together = together
        self._all_here = anyio.Event()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        if len(self.bodies) >= self._together:
            self._all_here.set()
        if len(self.bodies) <= self._together:
            await self._all_here.wait()
        for name in self._refused:
            if name in body:
                return refusal(name)
        return httpx.Response(200, json=ANSWER)


def model_of(
    answer: Callable[[httpx.Request], Coroutine[None, None, httpx.Response]],
    *,
    learned: LearnedProfiles | None = None,
    profile: Profile = DECLARED,
    retry: RetryPolicy = NOW,
) -> ChatCompletionsModel:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return ChatCompletionsModel(
        "m",
        base_url="http://127.0.0.1:1/v1",
        api_key="k",
        http_client=client,
        profile=profile,
        retry=retry,
        learned=learned or LearnedProfiles(),
    )


def asked(**settings: Any) -> ModelRequest:
    return ModelRequest([UserMessage("Hi")], settings=ModelSettings(**settings))


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [False, True])
async def test_fifty_runs_at_once_cost_one_more_request_each_and_the_next_none(stream: bool) -> None:
    server = Server("max_tokens", together=50)
    model = model_of(server)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(lambda: model.respond(asked(max_tokens=9), stream=stream))
    assert len(server.bodies) == 100

    await model.respond(asked(max_tokens=9), stream=stream)
    assert len(server.bodies) == 101
    assert server.bodies[-1]["max_completion_tokens"] == 9


@pytest.mark.anyio
async def test_two_lessons_that_are_learned_at_once_are_both_kept() -> None:
    server = Server("seed", "temperature", "max_tokens", together=3)
    learned = LearnedProfiles()
    model = model_of(server, learned=learned)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for given in ({"seed": 1}, {"temperature": 0.5}, {"max_tokens": 9}):
                group.start_soon(model.respond, asked(**given))
    assert len(server.bodies) == 6
    assert model.profile == Profile(
        gateway="test", max_tokens_field="max_completion_tokens", dropped=frozenset({"seed", "temperature"})
    )

    await model_of(server, learned=learned).respond(asked(seed=1, temperature=0.5, max_tokens=9))
    assert len(server.bodies) == 7


@pytest.mark.anyio
async def test_a_hopeless_request_is_sent_once_although_another_run_learns_meanwhile() -> None:
    here, answered = anyio.Event(), anyio.Event()
    bodies: list[Any] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        bodies.append(body)
        if body["messages"][0]["content"] == "Bad":
            here.set()
            await answered.wait()
            return httpx.Response(400, json={"error": {"message": "Failed to load the image."}})
        return refusal("seed") if "seed" in body else httpx.Response(200, json=ANSWER)

    model = model_of(answer)
    caught: list[BadRequest] = []

    async def ask_badly() -> None:
        with pytest.raises(BadRequest) as error:
            await model.respond(ModelRequest([UserMessage("Bad")]))
        caught.append(error.value)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(ask_badly)
            await here.wait()
            await model.respond(asked(seed=1))
            answered.set()
    assert [body["messages"][0]["content"] for body in bodies] == ["Bad", "Hi", "Hi"]
    assert len(caught) == 1


@pytest.mark.anyio
async def test_refusals_and_retries_are_counted_apart() -> None:
    script = [
        httpx.Response(429, json={"error": {"message": "slow down"}}),
        refusal("seed"),
        httpx.Response(500, json={"error": {"message": "oops"}}),
        refusal("temperature"),
        httpx.Response(200, json=ANSWER),
    ]

    async def answer(_: httpx.Request) -> httpx.Response:
        return script.pop(0)

    model = model_of(answer, retry=RetryPolicy(retries=2, waits=(0.0,)))
    agent = Agent(model, settings=ModelSettings(seed=1, temperature=0.5))
    async with agent.stream("Hi") as run:
        events = [event async for event in run if isinstance(event, AttemptDiscarded)]

    assert [(event.error.status, event.mended) for event in events] == [
        (429, None),
        (400, "seed is left out"),
        (500, None),
        (400, "temperature is left out"),
    ]
    assert (run.result.retries, run.result.usage.requests) == (2, 5)
    assert run.result.warnings == ("seed was left out: test refused it", "temperature was left out: test refused it")


@pytest.mark.anyio
async def test_a_retry_that_is_used_up_is_not_given_back_by_a_refusal() -> None:
    script = [refusal("seed"), httpx.Response(500), httpx.Response(500), httpx.Response(200, json=ANSWER)]

    async def answer(_: httpx.Request) -> httpx.Response:
        return script.pop(0)

    with pytest.raises(ServerError):
        await model_of(answer, retry=RetryPolicy(retries=1, waits=(0.0,))).respond(asked(seed=1))
    assert len(script) == 1


@pytest.mark.anyio
async def test_a_limit_of_one_request_ends_the_run_before_the_mended_one_is_sent() -> None:
    server = Server("seed")
    agent = Agent(model_of(server), settings=ModelSettings(seed=1), limits=RunLimits(requests=1))

    with pytest.raises(LimitExceeded) as caught:
        await agent.run("Hi")
    assert caught.value.limit == "requests"
    assert caught.value.usage.requests == 1
    assert len(server.bodies) == 1


@pytest.mark.anyio
async def test_a_mended_request_is_not_sent_past_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server("seed")
    clock = [100.0]
    monkeypatch.setattr("agentkit.providers.delivery.time.monotonic", lambda: clock[0])

    async def answer(request: httpx.Request) -> httpx.Response:
        clock[0] += 60
        return await server(request)

    request = ModelRequest([UserMessage("Hi")], settings=ModelSettings(seed=1), deadline=130.0)
    with pytest.raises(GatewayTimeout, match="before the request was sent"):
        await model_of(answer).respond(request)
    assert len(server.bodies) == 1


@pytest.mark.anyio
async def test_a_server_that_refuses_everything_is_asked_a_bounded_number_of_times() -> None:
    bodies: list[Any] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        left = [name for name in bodies[-1] if name not in ("model", "messages")]
        return refusal(left[0] if left else "max_tokens")

    with pytest.raises(BadRequest):
        await model_of(answer).respond(asked(max_tokens=9, seed=1, temperature=0.5, stop="x"))
    assert [sorted(set(body) - {"model", "messages"}) for body in bodies] == [
        ["max_tokens", "seed", "stop", "temperature"],
        ["max_completion_tokens", "seed", "stop", "temperature"],
        ["seed", "stop", "temperature"],
        ["seed", "stop"],
        ["seed"],
        [],
    ]


@pytest.mark.anyio
async def test_a_model_that_is_declared_with_a_price_knows_what_the_one_without_has_learned() -> None:
    server = Server("seed", "temperature")
    learned = LearnedProfiles()
    priced = Profile(gateway="test", price=Price(input=1, output=2))
    await model_of(server, learned=learned).respond(asked(seed=1))
    await model_of(server, learned=learned, profile=priced).respond(asked(seed=1, temperature=0.5))
    plain = model_of(server, learned=learned)
    await plain.respond(asked(seed=1, temperature=0.5))

    assert len(server.bodies) == 5
    assert plain.profile == Profile(gateway="test", dropped=frozenset({"seed", "temperature"}))
    assert plain.profile is plain.profile
    assert model_of(server, learned=learned, profile=priced).profile.price == priced.price


@pytest.mark.anyio
async def test_a_server_that_takes_no_format_beside_tools_is_given_the_output_as_a_tool_after_one_request() -> None:
    bodies: list[Any] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        bodies.append(body)
        if "response_format" in body and "tools" in body:
            text = "You cannot specify response format and function call at the same time"
            return httpx.Response(400, json={"error": {"message": text}})
        call = {"id": "a", "type": "function", "function": {"name": "final_output", "arguments": '{"city": "Oslo"}'}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        return httpx.Response(200, json={"choices": [{"message": message, "finish_reason": "tool_calls"}]})

    @tool(effect="read")
    def look() -> str:
        """Look."""
        return "Oslo"

    model = model_of(answer)
    agent = Agent(model, tools=[look], output=dict[str, str])
    first, second = await agent.run("Where?"), await agent.run("Where?")
    assert first.output == second.output
    assert ["response_format" in body for body in bodies] == [True, False, False]
    assert (first.corrections, first.retries) == (0, 0)
    assert model.profile == Profile(gateway="test", format_with_tools=False)
