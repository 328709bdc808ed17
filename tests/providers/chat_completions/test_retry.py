"""Retries over real HTTP: what is sent again, what is not, and what the caller sees of it."""

import time
from collections.abc import Sequence
from contextlib import aclosing

import anyio
import pytest

from agentkit.emulator import Call, Emulator, Fault, Raw, Reply
from agentkit.errors import (
    AuthenticationError,
    BadRequest,
    ConnectionFailed,
    GatewayError,
    GatewayTimeout,
    MalformedResponse,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
    StreamTruncated,
)
from agentkit.messages import AssistantMessage, TextPart, UserMessage
from agentkit.models import (
    AttemptDiscarded,
    AttemptStarting,
    ModelRequest,
    ModelSettings,
    ResponseCompleted,
    ResponseEvent,
    TextDelta,
)
from agentkit.providers import ProviderModel
from agentkit.transport import RetryPolicy

pytestmark = pytest.mark.anyio
AT_ONCE = RetryPolicy(waits=(0, 0, 0), jitter=0)
HI = ModelRequest([UserMessage("Hi")])


def ok(request: object) -> Reply:
    return Reply("all is well")


async def events_of(
    model: ProviderModel, request: ModelRequest = HI, *, stream: bool = False
) -> list[ResponseEvent | GatewayError]:
    """The events, and the error at their end if there is one."""
    seen: list[ResponseEvent | GatewayError] = []
    try:
        with anyio.fail_after(5):
            async with model, aclosing(model.events(request, stream=stream)) as events:
                async for event in events:
                    seen.append(event)  # noqa: PERF401  # an error would drop a comprehension's events
    except GatewayError as error:
        seen.append(error)
    return seen


def shape(events: Sequence[ResponseEvent | GatewayError]) -> list[object]:
    """The events in short: attempt numbers, texts, classes of errors."""
    short: list[object] = []
    for event in events:
        match event:
            case AttemptStarting(number):
                short.append(number)
            case AttemptDiscarded(error):
                short.append(("discarded", type(error)))
            case TextDelta(text):
                short.append(text)
            case ResponseCompleted(response):
                short.append(("completed", response.message.text))
            case GatewayError():
                short.append(type(event))
            case _:
                short.append(event)
    return short


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("rate_limit_fast", RateLimited),
        ("rate_limit_bare", RateLimited),
        ("server_error", ServerError),
        ("overloaded", Overloaded),
        ("disconnect", ConnectionFailed),
        ("error_in_200", ServerError),
    ],
)
async def test_a_passing_failure_is_sent_again_and_shown(fault: str, kind: type[GatewayError], stream: bool) -> None:
    with Emulator(ok, faults=[f"{fault}:2"]) as gateway:
        events = await events_of(gateway.model(retry=AT_ONCE), stream=stream)

    texts = [event.text for event in events if isinstance(event, TextDelta)]
    assert shape(events) == [
        1,
        ("discarded", kind),
        2,
        ("discarded", kind),
        3,
        *texts,
        ("completed", "all is well"),
    ]
    assert "".join(texts) == ("all is well" if stream else "")
    assert len(gateway.requests) == 3
    assert len({request.raw for request in gateway.requests}) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("unauthorized", AuthenticationError),
        ("payment_required", QuotaExhausted),
        ("unprocessable", BadRequest),
        ("context_overflow", BadRequest),
        ("quota", QuotaExhausted),
        ("html", MalformedResponse),
    ],
)
async def test_what_a_retry_cannot_mend_is_sent_exactly_once(fault: str, kind: type[GatewayError]) -> None:
    with Emulator(ok, faults=[f"{fault}:inf"]) as gateway:
        events = await events_of(gateway.model(retry=AT_ONCE))

    assert len(events) == 2
    assert events[0] == AttemptStarting(1)
    assert isinstance(events[1], kind)
    assert len(gateway.requests) == 1


async def test_after_the_last_retry_the_error_is_raised_as_itself() -> None:
    with Emulator(ok, faults=["server_error:inf"]) as gateway:
        events = await events_of(gateway.model(retry=AT_ONCE))

    failed = ("discarded", ServerError)
    assert shape(events) == [1, failed, 2, failed, 3, failed, 4, ServerError]
    assert len(gateway.requests) == 4


async def test_a_discarded_attempt_says_what_failed_how_long_is_waited_and_whether_it_is_billed() -> None:
    with Emulator(ok, gateway="bytespike", faults=["rate_limit_fast"]) as gateway:
        events = await events_of(gateway.model(retry=RetryPolicy(waits=(0.001,), jitter=0)))

    discarded = events[1]
    assert isinstance(discarded, AttemptDiscarded)
    assert (discarded.number, discarded.of, discarded.billed) == (1, 3, False)
    assert discarded.usage.requests == 1
    assert discarded.wait == pytest.approx(0.05)  # what the server asks for is the floor
    assert discarded.error.retry_after == pytest.approx(0.05)


async def test_a_server_that_forbids_a_retry_is_not_asked_again() -> None:
    with Emulator([]) as gateway:  # out of replies: x-should-retry: false
        events = await events_of(gateway.model(retry=AT_ONCE))

    assert shape(events) == [1, ServerError]
    assert len(gateway.requests) == 1


async def test_a_wait_that_is_longer_than_the_policy_allows_is_not_begun() -> None:
    slow = Raw((b"{}",), status=429, headers={"content-type": "application/json", "retry-after": "3600"})
    with Emulator([slow]) as gateway:
        events = await events_of(gateway.model())

    assert shape(events) == [1, RateLimited]


async def test_closing_at_the_first_event_sends_nothing() -> None:
    with Emulator(ok) as gateway:
        async with gateway.model() as model:
            events = model.events(HI, stream=True)
            first = await anext(events)
            await events.aclose()

    assert first == AttemptStarting(1)
    assert gateway.requests == []
    assert gateway.connections == 0


async def test_closing_at_a_later_attempt_sends_no_more() -> None:
    with Emulator(ok, faults=["server_error:inf"]) as gateway:
        async with gateway.model(retry=AT_ONCE) as model, aclosing(model.events(HI, stream=False)) as events:
            async for event in events:
                if event == AttemptStarting(2):
                    break

    assert len(gateway.requests) == 1


LONG = "one two three four five six seven eight nine ten"


async def test_a_stream_cut_after_a_delta_is_not_repeated_and_keeps_its_text() -> None:
    with Emulator(lambda _: Reply(LONG), faults=["cut_stream"]) as gateway:
        events = await events_of(gateway.model(retry=AT_ONCE), stream=True)

    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    error = events[-1]
    assert isinstance(error, StreamTruncated)
    assert text
    assert LONG.startswith(text)
    assert error.partial == AssistantMessage([TextPart(text, "tool")])
    assert error.retryable
    assert len(gateway.requests) == 1


async def test_a_stream_cut_after_a_delta_is_repeated_when_the_policy_says_so() -> None:
    policy = RetryPolicy(waits=(0,), jitter=0, after_output=True)
    with Emulator(lambda _: Reply(LONG), faults=["cut_stream"]) as gateway:
        events = await events_of(gateway.model(retry=policy), stream=True)

    discarded = next(i for i, event in enumerate(events) if isinstance(event, AttemptDiscarded))
    again = "".join(event.text for event in events[discarded:] if isinstance(event, TextDelta))
    assert shape(events[discarded : discarded + 2]) == [("discarded", StreamTruncated), 2]
    assert again == LONG
    assert shape(events[-1:]) == [("completed", LONG)]


async def test_a_cut_call_never_reaches_the_caller() -> None:
    with Emulator(lambda _: Reply(calls=(Call("get_weather", {"city": "Oslo"}),)), faults=["cut_stream"]) as gateway:
        events = await events_of(gateway.model(retry=RetryPolicy(retries=0)), stream=True)

    error = events[-1]
    assert isinstance(error, StreamTruncated)
    assert error.partial is None
    assert not any(isinstance(event, ResponseCompleted) for event in events)


async def test_a_plain_answer_that_is_cut_is_sent_again() -> None:
    with Emulator(ok, faults=["cut_stream"]) as gateway:
        events = await events_of(gateway.model(retry=AT_ONCE))

    assert shape(events) == [1, ("discarded", StreamTruncated), 2, ("completed", "all is well")]


async def test_a_silent_server_is_a_timeout_and_is_sent_again() -> None:
    request = ModelRequest([UserMessage("Hi")], settings=ModelSettings(timeout=0.6))
    with Emulator(ok, faults=["hang"]) as gateway:
        events = await events_of(gateway.model(retry=AT_ONCE), request)

    assert shape(events) == [1, ("discarded", GatewayTimeout), 2, ("completed", "all is well")]
    assert isinstance(events[1], AttemptDiscarded)
    assert str(events[1].error).endswith("did not answer in time; settings.timeout= sets the longest wait")


async def test_a_stream_that_falls_silent_is_a_timeout_with_its_text() -> None:
    request = ModelRequest([UserMessage("Hi")], settings=ModelSettings(timeout=0.3))
    with Emulator(lambda _: Reply(LONG), faults=[Fault("slow", seconds=60)]) as gateway:
        events = await events_of(gateway.model(retry=RetryPolicy(retries=0)), request, stream=True)

    assert shape(events)[-1] is GatewayTimeout


async def test_the_deadline_covers_the_attempt() -> None:
    with Emulator(ok, faults=["hang:inf"]) as gateway:
        request = ModelRequest([UserMessage("Hi")], deadline=time.monotonic() + 0.2)
        events = await events_of(gateway.model(retry=RetryPolicy(waits=(0.5,), jitter=0)), request)

    assert shape(events) == [1, GatewayTimeout]


async def test_a_wait_that_would_pass_the_deadline_is_not_begun() -> None:
    with Emulator(ok, faults=["server_error:inf"]) as gateway:
        request = ModelRequest([UserMessage("Hi")], deadline=time.monotonic() + 30)
        events = await events_of(gateway.model(retry=RetryPolicy(waits=(60,))), request)

    assert shape(events) == [1, ServerError]
    assert len(gateway.requests) == 1


async def test_a_deadline_that_has_passed_sends_nothing_and_says_so() -> None:
    with Emulator(ok) as gateway:
        request = ModelRequest([UserMessage("Hi")], deadline=time.monotonic() - 1)
        events = await events_of(gateway.model(), request)

    assert isinstance(events[1], GatewayTimeout)
    assert (str(events[1]), events[1].billed, events[1].retryable) == (
        "the deadline passed before the request was sent",
        False,
        False,
    )
    assert gateway.requests == []


async def test_an_answer_that_trickles_past_the_deadline_is_ended_there() -> None:
    with Emulator(lambda _: Reply(LONG), faults=[Fault("slow", seconds=3)]) as gateway:
        request = ModelRequest([UserMessage("Hi")], deadline=time.monotonic() + 1.0)
        events = await events_of(gateway.model(retry=AT_ONCE), request, stream=True)

    assert shape(events)[-1] is GatewayTimeout
    assert len(gateway.requests) == 1


async def test_a_plain_answer_that_trickles_past_the_deadline_is_ended_there() -> None:
    trickle = Raw((b'{"choices": [', *[b" "] * 60, b"]}"))
    with Emulator([trickle], faults=[Fault("slow", seconds=30)]) as gateway:
        request = ModelRequest([UserMessage("Hi")], deadline=time.monotonic() + 1.0)
        events = await events_of(gateway.model(retry=AT_ONCE), request)

    assert shape(events) == [1, GatewayTimeout]
    assert str(events[1]) == "the deadline passed in the middle of the answer"


async def test_a_redirect_is_not_followed_and_names_the_setting() -> None:
    moved = Raw((b"",), status=307, headers={"location": "https://elsewhere.example/v1"})
    with Emulator([moved]) as gateway:
        events = await events_of(gateway.model())

    assert isinstance(events[1], BadRequest)
    assert str(events[1]) == (f"toapis redirects to https://elsewhere.example/v1: check base_url={gateway.url!r}")
    assert events[1].status == 307


async def test_a_page_instead_of_json_is_one_clear_sentence() -> None:
    with Emulator(ok, faults=["html"]) as gateway:
        events = await events_of(gateway.model())

    assert str(events[1]) == "toapis answered something that is not JSON: 'Welcome It works!'"


@pytest.mark.parametrize(
    ("policy", "number", "error", "wait"),
    [
        (RetryPolicy(jitter=0), 1, ServerError("x"), 1.0),
        (RetryPolicy(jitter=0), 2, ServerError("x"), 2.0),
        (RetryPolicy(jitter=0), 3, ServerError("x"), 4.0),
        (RetryPolicy(jitter=0), 4, ServerError("x"), None),
        (RetryPolicy(jitter=0, retries=9), 7, ServerError("x"), 4.0),
        (RetryPolicy(jitter=0), 1, RateLimited("x", retry_after=30), 30.0),
        (RetryPolicy(jitter=0), 3, RateLimited("x", retry_after=0.1), 4.0),
        (RetryPolicy(), 1, RateLimited("x", retry_after=121), None),
        (RetryPolicy(waits=()), 1, ServerError("x"), 0.0),
        (RetryPolicy(), 1, BadRequest("x"), None),
        (RetryPolicy(jitter=0), 1, BadRequest("x", retryable=True), 1.0),
        (RetryPolicy(retries=0), 1, ServerError("x"), None),
    ],
)
def test_the_policy_waits_1_2_and_4_seconds_and_the_server_s_wish_is_the_floor(
    policy: RetryPolicy, number: int, error: GatewayError, wait: float | None
) -> None:
    assert policy.wait(number, error) == wait


def test_jitter_only_lengthens_a_wait() -> None:
    waits = {RetryPolicy().wait(1, ServerError("x")) or 0.0 for _ in range(50)}

    assert len(waits) > 1
    assert all(1.0 <= wait <= 1.25 for wait in waits)
