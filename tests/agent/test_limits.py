"""A run always ends, and nothing is sent over its limits."""

import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import anyio
import pytest

from agentkit import (
    Agent,
    ConfigurationError,
    GatewayTimeout,
    LimitExceeded,
    ModelSettings,
    QuotaExhausted,
    RetryPolicy,
    RunLimits,
    tool,
)
from agentkit.emulator import Call, Emulator, Fault, Raw, Reply
from agentkit.messages import AssistantMessage, ToolMessage, UserMessage
from agentkit.models import AttemptStarting, ModelRequest, Profile, Respond, ResponseEvent
from agentkit.usage import Price, Usage

pytestmark = pytest.mark.anyio

NOW = RetryPolicy(waits=(0.0,), jitter=0.0)
USED = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


@tool
async def step(n: int) -> int:
    """One step."""
    return n


def steps() -> Iterator[Reply]:
    return (Reply(calls=(Call("step", {"n": n}, id=f"c{n}"),), usage=USED) for n in range(1000))


async def ended(limits: RunLimits, script: list[Reply], **options: Any) -> tuple[LimitExceeded, int]:
    """How a run over `script` ended, and how many requests were sent; its history is one that the gateway takes."""
    faults = options.pop("faults", ())
    profile = options.pop("profile", None)
    with Emulator(script, faults=faults) as gateway:
        agent = Agent(gateway.model(retry=NOW, profile=profile), tools=[step], limits=limits, **options)
        with anyio.fail_after(10), pytest.raises(LimitExceeded) as caught:
            await agent.run("Go", run_id="run-1")
        sent = len(gateway.requests)
    with Emulator([Reply(text="went on")]) as gateway:
        result = await Agent(gateway.model()).run("Go on", history=caught.value.history)
        assert result.output == "went on"
    assert caught.value.run_id == "run-1"
    return caught.value, sent


def first(count: int) -> list[Reply]:
    source = steps()
    return [next(source) for _ in range(count)]


async def test_turns_end_a_run_with_its_history_and_usage() -> None:
    error, sent = await ended(RunLimits(turns=3), first(9))
    assert (error.limit, sent) == ("turns", 3)
    assert "limit turns: the run has had its 3 turns; raise it in limits=, or go on from error.history" in str(error)
    assert error.usage == Usage(input_tokens=300, output_tokens=60, total_tokens=360, requests=3)
    assert len(error.history) == 1 + 3 * 2


async def test_retries_count_as_requests() -> None:
    error, sent = await ended(RunLimits(requests=3), first(9), faults=["server_error:2"])
    assert (error.limit, sent, error.usage.requests) == ("requests", 3, 3)


async def test_a_retry_over_the_limit_is_not_sent() -> None:
    error, sent = await ended(RunLimits(requests=1), first(9), faults=["server_error:inf"])
    assert (error.limit, sent) == ("requests", 1)


async def test_with_ten_calls_left_a_batch_of_twenty_runs_ten_and_answers_all() -> None:
    ran: list[int] = []

    @tool
    async def count(n: int) -> int:
        """Count."""
        ran.append(n)
        return n

    batch = Reply(calls=tuple(Call("count", {"n": n}) for n in range(20)))
    with Emulator([batch, Reply(text="done")]) as gateway:
        result = await Agent(gateway.model(), tools=[count], limits=RunLimits(tool_calls=10)).run("Go")
    told = [message for message in result.messages if isinstance(message, ToolMessage)]
    assert sorted(ran) == list(range(10))
    assert result.tool_calls == 10
    assert [message.text for message in told] == [str(n) for n in range(10)] + [
        "Not run: the run's limit of tool calls is reached. Answer with what you have."
    ] * 10


async def test_nothing_is_sent_that_would_not_fit_into_the_tokens() -> None:
    settings = ModelSettings(max_tokens=1000)
    error, sent = await ended(RunLimits(tokens=500), first(9), settings=settings)
    assert (error.limit, sent) == ("tokens", 0)
    assert "output up to 1,000), and 500 of 500 are left" in str(error)
    error, sent = await ended(RunLimits(tokens=1300), first(9), settings=settings)
    assert (error.limit, sent) == ("tokens", 2)  # 120, and 120, and then 1,000 more do not fit beside the input
    assert error.usage.total_tokens == 240


async def test_nothing_is_sent_that_would_not_fit_into_the_money() -> None:
    profile = Profile(gateway="toapis", price=Price(input=1.0, output=10.0))
    settings = ModelSettings(max_tokens=1000)  # 0.01 USD and the input
    error, sent = await ended(RunLimits(cost_usd=0.009), first(9), settings=settings, profile=profile)
    assert (error.limit, sent) == ("cost_usd", 0)
    assert "USD, and 0.009000 of 0.009 USD are left" in str(error)
    error, sent = await ended(RunLimits(cost_usd=0.0104), first(9), settings=settings, profile=profile)
    assert (error.limit, sent) == ("cost_usd", 1)


async def test_the_output_limit_of_the_profile_bounds_what_is_reserved() -> None:
    profile = Profile(gateway="toapis", max_output=100)
    error, sent = await ended(RunLimits(tokens=150), first(9), profile=profile)
    assert (error.limit, sent) == ("tokens", 1)


async def test_money_without_a_price_is_an_error_before_the_first_request() -> None:
    with Emulator([]) as gateway:
        agent = Agent(gateway.model(profile=Profile()), limits=RunLimits(cost_usd=1))
        with pytest.raises(ConfigurationError, match=r"needs the price of toapis:.*profile=Profile\(price=Price\("):
            await agent.run("Go")
        assert gateway.requests == []


async def test_a_gateway_that_reports_cost_needs_no_price_and_stops_once_the_money_is_spent() -> None:
    replies = [Reply(calls=(Call("step", {"n": n}, id=f"c{n}"),), usage={**USED, "cost": 0.4}) for n in range(9)]
    error, sent = await ended(RunLimits(cost_usd=1), replies, profile=Profile(reports_cost=True))
    assert (error.limit, sent) == ("cost_usd", 3)
    assert error.usage.cost_usd == pytest.approx(1.2)
    assert "may cost an unknown amount of USD, and 0.000000 of 1 USD are left" in str(error)


async def test_a_discarded_attempt_counts_unless_the_gateway_documents_that_it_is_free() -> None:
    script = [Reply(text="x" * 400)]
    settings = ModelSettings(max_tokens=1000)
    limits = RunLimits(tokens=1_006)  # one reservation, and not the estimated input of another attempt
    for billed, count in ((True, 1), (False, 4)):
        with Emulator(script, faults=["server_error:inf"]) as gateway:
            profile = Profile(failures_billed=billed)
            agent = Agent(gateway.model(retry=NOW, profile=profile), limits=limits, settings=settings)
            with pytest.raises((LimitExceeded, Exception)) as caught:
                await agent.run("Go")
            assert (type(caught.value) is LimitExceeded, len(gateway.requests)) == (billed, count)


async def test_without_limits_a_run_goes_on() -> None:
    nothing = RunLimits(
        turns=None, requests=None, tool_calls=None, corrections=None, seconds=None, tokens=None, cost_usd=None
    )
    with Emulator([*first(60), Reply(text="done")]) as gateway:
        result = await Agent(gateway.model(), tools=[step], limits=nothing).run("Go")
    assert (result.output, result.turns, result.tool_calls) == ("done", 61, 60)


async def test_the_default_limit_is_fifty_turns() -> None:
    error, sent = await ended(RunLimits(), first(60))
    assert (error.limit, sent) == ("turns", 50)


async def test_a_server_that_reports_no_usage_is_counted_by_estimate() -> None:
    def brain(request: Any) -> Reply:
        return Reply(calls=(Call("step", {"n": len(request["messages"])}),), usage={})

    with Emulator(brain) as gateway:
        limits, settings = RunLimits(tokens=1000), ModelSettings(max_tokens=300)
        agent = Agent(gateway.model(), tools=[step], limits=limits, settings=settings)
        with pytest.raises(LimitExceeded) as caught:
            await agent.run("Go")
        assert 1 <= len(gateway.requests) <= 3
    assert caught.value.limit == "tokens"


async def test_partial_text_of_the_last_answer_is_on_the_error() -> None:
    from pydantic import BaseModel

    class Report(BaseModel):
        city: str

    with Emulator([Reply(text="no report"), Reply(text="still none")]) as gateway:
        agent = Agent(gateway.model(), output=Report, limits=RunLimits(turns=1))
        with pytest.raises(LimitExceeded) as caught:
            await agent.run("Go")
    assert caught.value.limit == "turns"
    assert "no report" in caught.value.history.to_json().decode()


async def test_a_request_that_times_out_within_the_runs_time_is_the_gateways_error() -> None:
    with Emulator([], faults=["hang"]) as gateway:
        model = gateway.model(retry=RetryPolicy(retries=0))
        agent = Agent(model, settings=ModelSettings(timeout=0.05))
        with anyio.fail_after(10), pytest.raises(GatewayTimeout):
            await agent.run("Go")


async def test_a_request_that_times_out_because_the_runs_time_is_over_is_the_limit() -> None:
    """The model sees the deadline a moment before the run's own clock does."""

    class Late(Respond):
        name = "late"
        profile = Profile()

        async def events(self, request: ModelRequest, *, stream: bool) -> AsyncGenerator[ResponseEvent, None]:
            yield AttemptStarting(1)
            assert request.deadline is not None
            while time.monotonic() < request.deadline:
                pass  # on purpose in the way of the loop, so that no scope can fire first
            raise GatewayTimeout("late")

    with pytest.raises(LimitExceeded) as caught:
        await Agent(Late(), limits=RunLimits(seconds=0.05)).run("Go")
    assert caught.value.limit == "seconds"


async def test_a_run_that_the_gateway_fails_leaves_its_history_on_the_error() -> None:
    script = [Reply(calls=(Call("step", {"n": 1}),))]
    with (
        Emulator(script, faults=[Fault("payment_required", skip=1)]) as gateway,
        pytest.raises(QuotaExhausted) as caught,
    ):
        await Agent(gateway.model(), tools=[step]).run("go")

    history = caught.value.history
    assert history is not None
    assert [type(message) for message in history] == [UserMessage, AssistantMessage, ToolMessage]


async def test_the_models_own_output_limit_is_reserved_too() -> None:
    with Emulator([Reply(text="never sent")]) as gateway:
        model = gateway.model(settings=ModelSettings(max_tokens=5000))
        with pytest.raises(LimitExceeded, match="limit tokens"):
            await Agent(model, limits=RunLimits(tokens=4500)).run("go")
        assert gateway.requests == []


async def test_the_cost_is_unknown_when_the_server_reports_no_usage() -> None:
    body = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'
    with Emulator([Raw((body,))]) as gateway:
        result = await Agent(gateway.model()).run("go")
    assert (result.output, result.cost) == ("hi", None)
