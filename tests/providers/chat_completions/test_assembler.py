"""Habits of servers beyond the wire samples: how one answer is put together from what comes."""

import itertools
import json
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentkit import _json
from agentkit.errors import GatewayError, MalformedResponse, Overloaded, ServerError, StreamTruncated
from agentkit.messages import AssistantMessage, ReasoningPart, TextPart
from agentkit.models import ArgumentsDelta, ModelResponse, Profile, ReasoningDelta, TextDelta
from agentkit.providers.arguments import is_complete
from agentkit.providers.chat_completions.brackets import Brackets
from agentkit.providers.chat_completions.decode import Decoder
from agentkit.providers.usage import decode_usage
from agentkit.providers.wire import Delta
from agentkit.transport import ServerSentEvent

Calls = list[tuple[str, Any]]


def event(value: Any) -> ServerSentEvent:
    return ServerSentEvent("", value if isinstance(value, bytes) else json.dumps(value).encode())


def chunk(delta: Any, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **fields}


def streamed(
    *deltas: Any, finish: str | None = "stop", profile: Profile | None = None, tools: Sequence[str] = ()
) -> ModelResponse:
    decoder = Decoder(profile or Profile(gateway="g"), tools, {})
    for delta in deltas:
        decoder.feed(event(chunk(delta)))
    if finish is not None:
        decoder.feed(event(chunk({}, finish)))
    decoder.feed(event(b"[DONE]"))
    return decoder.close()


def plain(message: Any, finish: str | None = "stop", profile: Profile | None = None) -> ModelResponse:
    body = {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    return Decoder(profile or Profile(gateway="g"), [], {}).plain(json.dumps(body).encode())


def calls_of(response: ModelResponse) -> Calls:
    ids = [call.id for call in response.message.tool_calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    return [(call.name, call.arguments) for call in response.message.tool_calls]


def piece(arguments: Any = None, **fields: Any) -> dict[str, Any]:
    """A delta with a piece of a call."""
    entry = {key: value for key, value in fields.items() if key != "name"}
    function = {"name": fields["name"]} if "name" in fields else {}
    if arguments is not None:
        function["arguments"] = arguments
    return {"tool_calls": [{**entry, "function": function}]}


TWO: Calls = [("a", {"x": 1}), ("b", {"y": 2})]
STREAMS: list[Any] = [
    pytest.param(
        [
            piece("", index=0, name="a"),
            piece('{"x":', index=0),
            piece("1}", index=0),
            piece('{"y":2}', index=1, name="b"),
        ],
        TWO,
        id="no ids",
    ),
    pytest.param(
        [
            piece('{"x":', index=0, id="i", name="a"),
            piece('{"y":', index=1, id="i", name="b"),
            piece("1}", index=0, id="i"),
            piece("2}", index=1, id="i"),
        ],
        TWO,
        id="one id for all calls",
    ),
    pytest.param(
        [
            piece('{"x":', index=0, id="i1", name="a"),
            piece("1}", index=0, id="i2"),
            piece('{"y":2}', index=1, id="j", name="b"),
        ],
        TWO,
        id="each piece with an id of its own",
    ),
    pytest.param([piece('{"x":1}', name="a"), piece('{"y":2}', name="b")], TWO, id="neither ids nor indexes"),
    pytest.param(
        [{"tool_calls": [{"function": {"name": "a", "arguments": ""}}, {"function": {"name": "b", "arguments": ""}}]}],
        [("a", {}), ("b", {})],
        id="calls without arguments, ids and indexes in one delta",
    ),
    pytest.param(
        [piece("", index=0, name="get_"), piece("{}", index=0, name="time")], [("get_time", {})], id="a cut name"
    ),
    pytest.param(
        [piece('{"x":', index=0, name="a"), piece("1}", index=0, name="a")], [("a", {"x": 1})], id="a repeated name"
    ),
    pytest.param(
        [piece("{}", index=0, name="a"), piece('{"x": 1}', index=0)], [("a", {"x": 1})], id="an empty object first"
    ),
    pytest.param(
        [{"tool_calls": {"function": {"name": "a", "arguments": "{}"}}}], [("a", {})], id="a call not in a list"
    ),
    pytest.param([{"tool_calls": [{"name": "a", "arguments": {"x": 1}}]}], [("a", {"x": 1})], id="no function object"),
    pytest.param(
        [{"function_call": {"name": "a", "arguments": '{"x"'}}, {"function_call": {"arguments": ":1}"}}],
        [("a", {"x": 1})],
        id="the old function_call",
    ),
    pytest.param([{"tool_calls": ["odd", {}, {"index": 0}]}], [], id="pieces that bring nothing"),
    pytest.param([piece("{}", index=0)], [], id="a call without a name"),
    pytest.param([piece('""', index=0, name="a")], [("a", {})], id="arguments that are an empty text"),
    pytest.param([piece('"no"', index=0, name="a")], [("a", None)], id="arguments that are a text"),
    pytest.param([piece("[1]", index=0, name="a")], [("a", None)], id="arguments that are a list"),
    pytest.param([piece("7", index=0, name="a")], [("a", None)], id="arguments that are a number"),
    pytest.param([piece("true", index=0, name="a")], [("a", None)], id="arguments that are true"),
    pytest.param([piece('{"x":1} {"x":1} [2]', index=0, name="a")], [("a", None)], id="objects and something else"),
    pytest.param([piece('{"x":', index=0, name="a")], [("a", None)], id="arguments that are not JSON"),
    pytest.param([piece("{}", index=0, name="functions.a")], [("a", {})], id="a functions. prefix"),
]


@pytest.mark.parametrize(("deltas", "expected"), STREAMS)
def test_pieces_of_calls_become_the_calls_that_were_meant(deltas: list[Any], expected: Calls) -> None:
    response = streamed(*deltas)

    assert calls_of(response) == expected
    assert response.finish_reason == ("tool_calls" if expected else "stop")


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        (
            [{"id": "", "function": {"name": "a", "arguments": ""}}, {"id": "", "function": {"name": "b"}}],
            [("a", {}), ("b", {})],
        ),
        (
            [{"id": "x", "function": {"name": "a"}}, {"id": "x", "function": {"name": "b"}}],
            [("a", {}), ("b", {})],
        ),
        (
            [{"index": 0, "function": {"name": "a"}}, {"index": 0, "function": {"name": "a"}}],
            [("a", {}), ("a", {})],
        ),
        ([{"id": "x", "function": {"name": "a", "arguments": {"x": 1}}}], [("a", {"x": 1})]),
        ([{"id": "x", "function": {"name": "a", "arguments": [1]}}], [("a", None)]),
    ],
)
def test_each_call_of_a_plain_body_is_one_call(calls: list[Any], expected: Calls) -> None:
    assert calls_of(plain({"content": None, "tool_calls": calls}, "tool_calls")) == expected


def test_a_choice_with_both_message_and_delta_is_read_from_the_one_that_counts() -> None:
    both = {"message": {"content": "whole"}, "delta": {"content": ""}, "finish_reason": "stop"}
    grown = {"message": {"content": "whole so far"}, "delta": {"content": "piece"}, "finish_reason": "stop"}
    decoder = Decoder(Profile(), [], {})
    decoder.feed(event({"choices": [grown]}))

    assert Decoder(Profile(), [], {}).plain(json.dumps({"choices": [both]}).encode()).message.text == "whole"
    assert decoder.close().message.text == "piece"


def test_what_is_wrong_with_arguments_is_said_for_the_model() -> None:
    texts = ["[1]", "7", '"no"', "false", '{"x":']
    problems = [streamed(piece(text, index=0, name="a")).message.tool_calls[0].problem for text in texts]

    assert problems[:4] == [
        f"the arguments are a JSON {kind}, an object is expected" for kind in ("array", "number", "string", "boolean")
    ]
    assert str(problems[4]).startswith("the arguments are not JSON: ")


def test_a_wrapper_tool_that_was_really_offered_is_not_taken_apart() -> None:
    name, use = "multi_tool_use.parallel", {"recipient_name": "functions.a", "parameters": {}}
    delta = piece(json.dumps({"tool_uses": [use, "odd", use]}), index=0, id="i", name=name)

    assert [name for name, _ in calls_of(streamed(delta, tools=[name]))] == [name]
    assert [call.id for call in streamed(delta).message.tool_calls] == ["i_0", "i_2"]


def test_what_was_mended_is_said() -> None:
    response = streamed(piece("{}", index=0), piece('{"x":1}{"x":2}', index=1, name="a"), finish=None)

    assert response.warnings == (
        "the stream came without a finish_reason and was taken as complete",
        "a tool call without a name was left out",
        "2 calls of a came glued together and were taken apart",
    )
    assert plain({"content": "x"}, None).warnings == (
        "the answer came without a finish_reason and was taken as complete",
    )
    assert streamed(piece('{"x":', index=0, name="a"), finish="length").warnings == (
        "the call of a was cut at the output limit and left out",
    )


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("eos", "stop"),
        ("STOP", "stop"),
        ("max_tokens", "length"),
        ("safety", "content_filter"),
        ("tool_use", "stop"),
        ("never heard of", "other"),
    ],
)
def test_each_servers_word_for_the_end_is_understood(reason: str, expected: str) -> None:
    assert plain({"content": "x"}, reason).finish_reason == expected


@pytest.mark.parametrize(
    ("reason", "kind"), [("error", ServerError), ("failed", ServerError), ("insufficient_system_resource", Overloaded)]
)
def test_an_answer_that_failed_by_its_finish_reason_is_an_error(reason: str, kind: type[GatewayError]) -> None:
    with pytest.raises(kind) as caught:
        streamed({"content": "half"}, finish=reason)

    assert str(caught.value) == f"g ended the answer with finish_reason {reason!r}"
    assert (caught.value.code, caught.value.partial) == (reason, AssistantMessage([TextPart("half", "tool")]))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[1]", "g answered JSON that is not an object: '[1]'"),
        (b"{}", "g answered without choices: '{}'"),
        (b'{"choices": null}', "g answered without choices: '{\"choices\": null}'"),
        (b'{"choices": [{"index": 1}, 7]}', 'g answered without choices: \'{"choices": [{"index": 1}, 7]}\''),
        (b"", "g answered something that is not JSON: ''"),
        (b"x" * 500, f"g answered something that is not JSON: '{'x' * 160}…'"),
    ],
)
def test_a_body_that_is_no_answer_is_said_to_be_that(body: bytes, sentence: str) -> None:
    with pytest.raises(MalformedResponse) as caught:
        Decoder(Profile(gateway="g"), [], {}).plain(body)

    assert str(caught.value) == sentence


def test_an_event_that_is_not_json_ends_the_stream_with_what_had_come() -> None:
    decoder = Decoder(Profile(gateway="g"), [], {})
    decoder.feed(event(chunk({"content": "half"})))

    with pytest.raises(MalformedResponse) as caught:
        decoder.feed(event(b"<html>\noops"))

    assert str(caught.value) == "g sent an event that is not JSON: 'oops'"
    assert caught.value.partial == AssistantMessage([TextPart("half", "tool")])


def test_data_lines_that_no_blank_line_parts_are_events_of_their_own() -> None:
    decoder = Decoder(Profile(), [], {})
    lines = [json.dumps(chunk({"content": text})) for text in "ab"] + [json.dumps(7), "[DONE]"]
    decoder.feed(event("\n".join(lines).encode()))
    decoder.feed(event(chunk({}, "stop")))
    decoder.feed(event(b"[DONE]"))
    assert decoder.feed(event(chunk({"content": "too late"}))) == []

    assert decoder.close().message.text == "ab"


def test_a_stream_without_an_end_is_truncated() -> None:
    decoder = Decoder(Profile(gateway="g"), [], {})

    with pytest.raises(StreamTruncated) as caught:
        decoder.close()

    assert (str(caught.value), caught.value.partial) == ("g ended the stream before the answer's end", None)


def test_reasoning_that_is_sent_twice_under_two_names_is_taken_once() -> None:
    message = streamed({"reasoning": "Th", "reasoning_content": "Th"}, {"reasoning_content": "ink"}).message

    assert message.parts == (ReasoningPart("Think", "reasoning_content"),)


def test_thinking_parts_texts_and_refusals_of_a_list_are_told_apart() -> None:
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}, 7]},
        {"type": "thinking", "thinking": "m."},
        {"type": "thinking", "thinking": 7},
        "Well: ",
        {"type": "text", "text": "yes"},
        {"type": "refusal", "refusal": "but no"},
        7,
    ]
    message = plain({"content": content}).message

    assert (message.reasoning, message.text, message.refusal) == ("Hmm.", "Well: yes", "but no")


def test_reasoning_details_are_joined_by_index_and_go_back_as_they_came() -> None:
    first = {"type": "reasoning.text", "index": 0, "text": "Th", "signature": None}
    more = {"type": "reasoning.text", "index": 0, "text": "ink", "signature": "s"}
    other = {"type": "reasoning.encrypted", "index": 1, "data": "x"}
    message = streamed(*({"reasoning_details": [detail]} for detail in (first, "odd", more, other))).message

    assert message.extra == {
        "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "Think", "signature": "s"}, other]
    }


THINKING = [
    ("<think>a</think>b", "a", "b"),
    ("\n<think>\na\n</think>\n\nb", "\na\n", "b"),
    ("<think>a</thin", "a</thin", None),
    ("<thi", None, "<thi"),
    ("<thinker>", None, "<thinker>"),
    ("say <think>a</think>", None, "say <think>a</think>"),
    ("<think></think>b", None, "b"),
    ("<think>a</think>", "a", None),
    ("<think>a</think>\n", "a", None),
]


@pytest.mark.parametrize(("text", "reasoning", "said"), THINKING)
def test_a_leading_think_tag_is_reasoning_at_every_cut(text: str, reasoning: str | None, said: str | None) -> None:
    for cut in range(len(text) + 1):
        message = streamed({"content": text[:cut]}, {"content": text[cut:]}).message
        assert (message.reasoning, message.text) == (reasoning, said)
    characters = streamed(*({"content": character} for character in text)).message
    assert (characters.reasoning, characters.text) == (reasoning, said)


def test_think_tags_stay_text_where_the_profile_or_a_reasoning_field_says_so() -> None:
    text = "<think>a</think>b"

    assert plain({"content": text}, profile=Profile(think_tags=False)).message.text == text
    assert plain({"content": text, "reasoning": "r"}).message.text == text


def test_calls_written_into_the_text_are_read_one_after_the_other_or_left_when_broken() -> None:
    profile = Profile(text_tool_calls=True)
    call = '<tool_call>{"name": "a", "arguments": {"x": %d}}</tool_call>'
    both = streamed({"content": call % 1 + "\n" + call % 2 + " done"}, profile=profile, tools=["a"])
    broken = streamed({"content": "<tool_call>{x}</tool_call>"}, profile=profile, tools=["a"])

    assert (calls_of(both), both.message.text, both.finish_reason) == (
        [("a", {"x": 1}), ("a", {"x": 2})],
        "done",
        "tool_calls",
    )
    assert (calls_of(broken), broken.message.text) == ([], "<tool_call>{x}</tool_call>")


def test_deltas_are_given_as_they_come() -> None:
    decoder = Decoder(Profile(), [], {})
    seen: list[Delta] = []
    for delta in (
        {"reasoning": "r"},
        {"content": "<"},
        {"content": "b"},
        piece('{"x"', index=0, name="a"),
        piece(":1}", index=0),
    ):
        seen.extend(decoder.feed(event(chunk(delta))))
    decoder.feed(event(chunk({}, "tool_calls")))
    seen.extend(decoder.flush())

    assert seen == [
        ReasoningDelta("r"),
        TextDelta("<"),
        TextDelta("b"),
        ArgumentsDelta(0, "a", '{"x"'),
        ArgumentsDelta(0, "a", ":1}"),
    ]


def test_fields_of_the_chunks_and_the_last_usage_are_kept() -> None:
    decoder = Decoder(Profile(), [], {"x-request-id": "r"})
    decoder.feed(event(chunk({"content": "x"}, id="c", model="", usage={"prompt_tokens": 1})))
    decoder.feed(event(chunk({}, "stop", model="m", usage={"prompt_tokens": 2, "completion_tokens": 3})))
    decoder.feed(event({"choices": [], "usage": None}))
    response = decoder.close()

    assert (response.id, response.model, response.usage.input_tokens, response.headers) == (
        "c",
        "m",
        2,
        {"x-request-id": "r"},
    )
    assert response.raw == {"id": "c", "model": "m"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"prompt_tokens": "20", "completion_tokens": 7.0, "total_tokens": None}, (20, 7, 27, None)),
        ({"prompt_tokens": "many", "completion_tokens": True}, (0, 0, 0, None)),
        ({"prompt_tokens": -5, "completion_tokens": float("nan"), "cost": "0.5"}, (0, 0, 0, 0.5)),
        ({"prompt_tokens": 1, "completion_tokens": 1, "cost": {"total_cost": 0.25}}, (1, 1, 2, 0.25)),
        ([], (0, 0, 0, None)),
    ],
)
def test_numbers_of_usage_that_are_none_are_zero(raw: Any, expected: tuple[int, int, int, float | None]) -> None:
    usage = decode_usage(raw)

    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.cost_usd) == expected


Shape = Callable[[int, int], dict[str, Any]]


def part_of_arguments(number: int, total: int) -> str:
    """A piece of one object, which looks at the end of each piece as if the object might be over."""
    return '{"text":"' if number == 0 else '"}' if number == total - 1 else r"{\"word\":1}"


LONG: list[Any] = [
    pytest.param(lambda number, total: {"content": "word "}, id="text"),
    pytest.param(lambda number, total: {"content": "\n"}, id="blank lines before the text"),
    pytest.param(lambda number, total: {"content": "a < b " if number else "<think>"}, id="think tags"),
    pytest.param(
        lambda number, total: {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "word "}]},
        id="reasoning details",
    ),
    pytest.param(
        lambda number, total: piece(part_of_arguments(number, total), index=0, name="a"), id="the name with each piece"
    ),
    pytest.param(
        lambda number, total: piece(
            part_of_arguments(number, total), index=0, id=f"id{number:06}", **({} if number else {"name": "a"})
        ),
        id="an id with each piece",
    ),
    pytest.param(lambda number, total: piece({"x": number}, index=0, name="a"), id="arguments as objects"),
    pytest.param(lambda number, total: piece('{"x":1}', index=number, name="a"), id="many calls"),
    pytest.param(
        lambda number, total: piece(f'{{"x":{number:06}}}' if number else "[", index=0, name="a"), id="glued calls"
    ),
]


def work_of(shape: Shape, total: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """What `total` deltas cost: calls made, of Python and C functions, and characters that went through a parser."""
    calls = parsed = 0

    def count_calls(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    loads = _json.loads

    def counting(data: str | bytes | bytearray) -> Any:
        nonlocal parsed
        parsed += len(data)
        return loads(data)

    events = [event(chunk(shape(number, total))) for number in range(total)] + [event(chunk({}, "stop"))]
    decoder = Decoder(Profile(), ["a"], {})
    with monkeypatch.context() as patch:
        patch.setattr(_json, "loads", counting)
        previous = sys.getprofile()
        sys.setprofile(count_calls)
        try:
            for item in events:
                decoder.feed(item)
            decoder.close()
        finally:
            sys.setprofile(previous)
    return calls, parsed


@pytest.mark.parametrize("shape", LONG)
def test_ten_times_the_deltas_are_ten_times_the_work(shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    work_of(shape, 10, monkeypatch)  # the first parse loads the parser
    short, long = work_of(shape, 200, monkeypatch), work_of(shape, 2000, monkeypatch)

    assert long == pytest.approx((10 * short[0], 10 * short[1]), rel=0.05)


FILLER = "x" * 1000
GROWING: list[Any] = [
    pytest.param(lambda number: {"content": FILLER}, id="text"),
    pytest.param(lambda number: {"content": " " * 1000}, id="blanks before the text"),
    pytest.param(lambda number: {"content": FILLER if number else "<think>"}, id="think tags"),
    pytest.param(lambda number: {"reasoning_content": FILLER}, id="reasoning"),
    pytest.param(
        lambda number: {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": FILLER}]},
        id="reasoning details",
    ),
    pytest.param(lambda number: piece(FILLER if number else '{"x":"', index=0, name="a"), id="arguments"),
    pytest.param(
        lambda number: piece(FILLER + "}" if number else '{"x":"', index=0, id=f"id{number}", name="a" * (number == 0)),
        id="arguments with an id for each piece",
    ),
    pytest.param(lambda number: piece(None, index=0, name=f"{FILLER}{number}"), id="a name"),
]


@pytest.mark.parametrize("delta_of", GROWING)
def test_what_has_come_is_not_copied_for_the_next_delta(delta_of: Callable[[int], dict[str, Any]]) -> None:
    decoder = Decoder(Profile(), ["a"], {})
    for number in range(2000):  # two million characters
        decoder.feed(event(chunk(delta_of(number))))
    last = event(chunk(delta_of(2000)))

    tracemalloc.start()
    decoder.feed(last)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 100_000


_JSONISH = st.text(st.sampled_from('{}[]"\\ \n:,a1'), max_size=12)
_OBJECTS = st.recursive(
    st.sampled_from(['{"a":1}', "{}", '{"}":"{"}', '{"a":"\\\\"}', '{"a":"\\"}"}', '{"a":[{}]}']),
    lambda inner: inner.map(lambda text: f' {{"x": {text}}}\n'),
)


@given(st.lists(_JSONISH | _OBJECTS, max_size=6), st.lists(st.integers(0, 60), max_size=6) | st.none())
@example(['{"a":"\\\\\\"}"}'], None)
def test_whether_arguments_are_complete_is_known_at_each_piece(texts: list[str], cuts: list[int] | None) -> None:
    text = "".join(texts)
    edges = [0, *(cut for cut in range(len(text)) if cuts is None or cut in cuts), len(text)]
    pieces: list[str] = []
    brackets = Brackets(pieces)
    for start, end in itertools.pairwise(edges):
        pieces.append(text[start:end])
        assert brackets.closed() == is_complete(text[:end])


def test_a_number_too_large_for_json_is_the_models_mistake_in_arguments_and_left_out_elsewhere() -> None:
    delta = {
        **piece(None, index=0, name="a"),
        "reasoning_details": [{"index": 0, "n": 7}],
    }
    text = json.dumps(chunk(delta)).replace('"name": "a"', '"name": "a", "arguments": [1e400]').replace("7", "1e400")
    decoder = Decoder(Profile(), ["a"], {})
    decoder.feed(event(text.encode()))
    decoder.feed(event(chunk({}, "stop")))
    response = decoder.close()

    call = response.message.tool_calls[0]
    assert (call.arguments, call.arguments_text) == (None, "[inf]")
    assert str(call.problem).startswith("the arguments are not JSON: ")
    assert response.message.extra == {}
    assert response.warnings == ("reasoning_details cannot be sent back and was left out",)


def test_reasoning_that_comes_in_a_field_after_held_text_does_not_change_the_order_of_the_text() -> None:
    decoder = Decoder(Profile(), [], {})
    deltas = [{"content": "\n<th"}, {"reasoning_content": "Hm."}, {"content": "e end"}]

    given_out = [delta for item in deltas for delta in decoder.feed(event(chunk(item)))]

    assert given_out == [TextDelta("\n<th"), ReasoningDelta("Hm."), TextDelta("e end")]
    assert streamed(*deltas).message.text == "\n<the end"


def test_pieces_of_reasoning_details_keep_the_servers_order_of_fields() -> None:
    first = {"type": "reasoning.text", "text": "Th", "index": 0, "format": "f"}
    message = streamed({"reasoning_details": [first]}, {"reasoning_details": [{**first, "text": "ink"}]}).message

    assert json.dumps(message.extra["reasoning_details"]) == json.dumps([{**first, "text": "Think"}])
