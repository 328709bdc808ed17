"""Every wire sample, over real HTTP and at every cut of its bytes, means one answer."""

import contextlib
import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.emulator import Emulator, Raw
from agentkit.errors import GatewayError
from agentkit.messages import AssistantMessage, ToolCall, UserMessage
from agentkit.models import ModelRequest, ModelResponse, Profile
from agentkit.providers import ChatCompletionsModel
from agentkit.providers.chat_completions.decode import Decoder
from agentkit.providers.usage import decode_usage
from agentkit.transport import RetryPolicy, ServerSentEvents

from .wire_samples import SAMPLES, TOOLS, Outcome, Sample, outcome_of

STREAMED = [sample for sample in SAMPLES if sample.streamed]
PLAIN = [sample for sample in SAMPLES if not sample.streamed]
ANSWERS = [sample for sample in SAMPLES if sample.expected.error is None]
every = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
every_streamed = pytest.mark.parametrize("sample", STREAMED, ids=lambda sample: sample.name)


def by_id(id: str) -> Sample:
    return next(sample for sample in SAMPLES if sample.data["id"] == id)


async def ask(sample: Sample, *, stream: bool, profile: Profile | None = None) -> ModelResponse | GatewayError:
    """What the sample's bytes become, over HTTP."""
    raw = Raw(sample.chunks, status=sample.status, headers=sample.headers)
    with Emulator(lambda request: raw) as gateway:
        async with ChatCompletionsModel(
            "gpt-5-4-mini-official",
            base_url=gateway.url,
            api_key=gateway.key,
            profile=profile or sample.profile,
            retry=RetryPolicy(retries=0),
        ) as model:
            try:
                with anyio.fail_after(5):
                    return await model.respond(ModelRequest([UserMessage("Hi")], tools=TOOLS), stream=stream)
            except GatewayError as error:
                return error


def decode(pieces: Iterable[bytes], profile: Profile) -> ModelResponse | GatewayError:
    """What a stream becomes that comes in these pieces, without HTTP."""
    parser, decoder = ServerSentEvents(), Decoder(profile, [tool.name for tool in TOOLS], {})
    try:
        for piece in pieces:
            for event in parser.feed(piece):
                decoder.feed(event)
        for event in parser.close():
            decoder.feed(event)
        return decoder.close()
    except GatewayError as error:
        return error


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(edge % (len(data) + 1) for edge in at), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def without_ids(message: AssistantMessage) -> AssistantMessage:
    """The message with its calls numbered, because ids that servers left out are made up."""
    parts = [
        ToolCall("", part.name, part.arguments, part.arguments_text, part.problem, part.extra)
        if isinstance(part, ToolCall)
        else part
        for part in message.parts
    ]
    return AssistantMessage(parts, extra=message.extra)


@pytest.mark.anyio
@every
async def test_a_sample_sent_over_http_means_what_it_must(sample: Sample) -> None:
    got = await ask(sample, stream=sample.streamed)

    assert outcome_of(got) == sample.expected
    if isinstance(got, ModelResponse):
        ids = [call.id for call in got.message.tool_calls]
        assert all(ids)
        assert len(set(ids)) == len(ids)
    else:
        expected = sample.data["expect"]["error"]
        if "status" in expected:
            assert got.status == expected["status"]
        if "retry_after" in expected:
            assert got.retry_after == expected["retry_after"]
        if "message" in expected:
            assert got.provider_message == expected["message"]


@pytest.mark.anyio
@every_streamed
async def test_a_server_that_streams_although_it_was_not_asked_is_understood(sample: Sample) -> None:
    assert outcome_of(await ask(sample, stream=False)) == sample.expected


@pytest.mark.anyio
@pytest.mark.parametrize("sample", PLAIN, ids=lambda sample: sample.name)
async def test_a_server_that_does_not_stream_although_it_was_asked_is_understood(sample: Sample) -> None:
    assert outcome_of(await ask(sample, stream=True)) == sample.expected


@every_streamed
def test_a_stream_that_comes_one_byte_at_a_time_means_the_same(sample: Sample) -> None:
    data = b"".join(sample.chunks)

    assert outcome_of(decode((data[i : i + 1] for i in range(len(data))), sample.profile)) == sample.expected


@every_streamed
@given(at=st.lists(st.integers(0, 1 << 20), max_size=12))
@settings(max_examples=30, deadline=None)
def test_a_stream_means_the_same_wherever_it_is_cut(sample: Sample, at: list[int]) -> None:
    assert outcome_of(decode(cut(b"".join(sample.chunks), at), sample.profile)) == sample.expected


@every_streamed
@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"], ids=["CRLF", "CR"])
def test_a_stream_means_the_same_with_other_line_ends(sample: Sample, line_end: bytes) -> None:
    data = b"".join(sample.chunks).replace(b"\r\n", b"\n").replace(b"\n", line_end)

    assert outcome_of(decode((data[i : i + 1] for i in range(len(data))), sample.profile)) == sample.expected


@pytest.mark.parametrize("sample", ANSWERS, ids=lambda sample: sample.name)
def test_a_plain_answer_is_the_same_message_as_the_streamed_one(sample: Sample) -> None:
    streamed = decode(sample.chunks if sample.streamed else as_stream(sample), sample.profile)
    plain = Decoder(sample.profile, [], {}).plain(json.dumps(as_body(sample.expected)).encode())

    assert isinstance(streamed, ModelResponse)
    assert (streamed.message.text, streamed.message.reasoning) == (plain.message.text, plain.message.reasoning)
    assert [(call.name, call.arguments) for call in streamed.message.tool_calls] == [
        (call.name, call.arguments) for call in plain.message.tool_calls
    ]
    assert streamed.finish_reason == plain.finish_reason


@pytest.mark.parametrize("sample", [s for s in PLAIN if s.status == 200], ids=lambda sample: sample.name)
def test_a_plain_body_cut_into_deltas_gives_an_equal_message(sample: Sample) -> None:
    try:
        plain: ModelResponse | GatewayError = Decoder(sample.profile, [], {}).plain(b"".join(sample.chunks))
    except GatewayError as error:
        plain = error
    streamed = decode(as_stream(sample), sample.profile)

    assert outcome_of(plain) == outcome_of(streamed)
    if isinstance(plain, ModelResponse) and isinstance(streamed, ModelResponse):
        assert without_ids(plain.message) == without_ids(streamed.message)


def as_stream(sample: Sample) -> list[bytes]:
    """A plain body as a stream: its message in one delta."""
    body = sample.data["response"]["body"]
    choices = [{**choice, "delta": choice["message"]} for choice in body.get("choices", [])]
    for choice in choices:
        del choice["message"]
    return [b"data: " + json.dumps({**body, "choices": choices}).encode() + b"\n\n", b"data: [DONE]\n\n"]


def as_body(expected: Outcome) -> dict[str, Any]:
    """The plain answer that an ideal server would have given."""
    message: dict[str, Any] = {"role": "assistant", "content": expected.text}
    if expected.reasoning:
        message["reasoning_content"] = expected.reasoning
    if expected.refusal:
        message["refusal"] = expected.refusal
    if expected.calls:
        message["tool_calls"] = [
            {"id": f"call_{i}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for i, (name, arguments) in enumerate(expected.calls)
        ]
    finish = "stop" if expected.finish == "refusal" else expected.finish
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}


@pytest.mark.anyio
async def test_a_call_written_into_the_text_stays_text_unless_the_profile_asks_for_it() -> None:
    got = await ask(by_id("Q64"), stream=True, profile=Profile())

    assert isinstance(got, ModelResponse)
    assert got.message.tool_calls == ()
    assert got.message.text == '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'


def test_a_thought_signature_and_the_log_probabilities_are_kept() -> None:
    signed = decode(by_id("Q42").chunks, Profile())
    probable = decode(by_id("Q32").chunks, Profile())

    assert isinstance(signed, ModelResponse)
    assert [call.extra for call in signed.message.tool_calls] == by_id("Q42").data["expect"]["tool_extra"]
    assert isinstance(probable, ModelResponse)
    assert [entry["token"] for entry in probable.logprobs] == by_id("Q32").data["expect"]["logprobs_tokens"]


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("DeepSeek", (20, 7, 27, 12, 0, None)),
        ("ByteSpike", (32, 5280, 5312, 0, 4032, None)),
        ("OpenRouter", (20, 7, 27, 0, 0, 0.00012)),
        ("Runware native", (20, 7, 27, 0, 3, None)),
        ("Runware CLI", (20, 7, 27, 0, 0, None)),
        ("Anthropic", (32, 7, 39, 12, 0, None)),
        ("Gemini", (20, 7, 27, 12, 3, None)),
        ("usage null", (0, 0, 0, 0, 0, None)),
    ],
)
def test_each_spelling_of_usage_is_the_same_usage(
    who: str, expected: tuple[int, int, int, int, int, float | None]
) -> None:
    variants = by_id("Q81").data["expect"]["variants"]
    raw = next(variant["raw"] for variant in variants if variant["who"].startswith(who))

    usage = decode_usage(raw)

    assert (
        usage.input_tokens,
        usage.output_tokens,
        usage.total_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
        usage.cost_usd,
    ) == expected
    assert usage.requests == 1
    assert usage.reported is (raw is not None)


@given(
    st.sampled_from([b"".join(sample.chunks) for sample in STREAMED]),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=6), st.integers(0, 30)), max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_a_damaged_stream_is_an_answer_or_an_error_of_the_tree(
    data: bytes, edits: list[tuple[int, bytes, int]]
) -> None:
    for position, put, taken in edits:
        at = position % (len(data) + 1)
        data = data[:at] + put + data[at + taken :]

    assert isinstance(decode([data], Profile(text_tool_calls=True)), (ModelResponse, GatewayError))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 700) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "errors",
                    "choices",
                    "message",
                    "delta",
                    "content",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "id",
                    "index",
                    "usage",
                    "refusal",
                    "reasoning",
                    "reasoning_details",
                    "finish_reason",
                    "logprobs",
                    "prompt_tokens",
                    "code",
                    "details",
                    "violations",
                    "type",
                    "text",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(_JSON)
@settings(max_examples=500, deadline=None)
def test_any_json_at_all_is_an_answer_or_an_error_of_the_tree(value: Any) -> None:
    body = json.dumps(value).encode()
    with contextlib.suppress(GatewayError):
        assert isinstance(Decoder(Profile(text_tool_calls=True), ["a"], {}).plain(body), ModelResponse)
    assert isinstance(decode([b"data: ", body, b"\n\ndata: [DONE]\n\n"], Profile()), (ModelResponse, GatewayError))
