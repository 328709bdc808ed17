"""Messages to JSON and back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import History
from agentkit.messages import (
    AssistantMessage,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)

_text = st.text(st.characters(codec="utf-8"), max_size=20)
_trust = st.sampled_from(["system", "user", "tool", "web"])
_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=8,
)
_object = st.dictionaries(_text, _json, max_size=3)
_detail = st.sampled_from([None, "auto", "low", "high"])
_texts = st.builds(TextPart, _text, _trust)
_images = st.builds(ImagePart, url=_text, detail=_detail, trust=_trust) | st.builds(
    ImagePart, data=st.binary(), media_type=st.sampled_from(["image/png", "image/avif"]), detail=_detail, trust=_trust
)
_files = st.builds(FilePart, st.binary(), _text, _text, _trust)
_calls = st.builds(ToolCall, _text, _text, st.none() | _object, _text, st.none() | _text, _object)
_said = _texts | _images | _files
_answered = _texts | st.builds(ReasoningPart, _text, _text) | st.builds(RefusalPart, _text) | _calls
_messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(SystemMessage, _text),
    st.builds(UserMessage, st.lists(_said, max_size=3)),
    st.builds(AssistantMessage, st.lists(_answered, max_size=4), extra=_object),
    st.builds(ToolMessage, _text, _text, st.lists(_said, max_size=3), is_error=st.booleans()),
)


@given(st.lists(_messages, max_size=5))
def test_decoding_what_was_encoded_gives_equal_messages(messages: list[Message]) -> None:
    history = History(messages)
    again = History.from_json(history.to_json())
    assert again == history
    assert repr(again) == repr(history)  # 1 and 1.0 and True are equal, their reprs are not
    assert again.to_json() == history.to_json()


def test_the_json_is_what_it_is() -> None:
    call = ToolCall("c", "add", {"a": 1}, '{"a": 1}', extra={"sig": "x"})
    history = History(
        [
            SystemMessage("be brief"),
            UserMessage(
                [TextPart("what?"), ImagePart(data=b"\xff\xd8\xff", detail="low"), ImagePart(url="https://i.test")]
            ),
            AssistantMessage([ReasoningPart("hm", "think"), TextPart("so", "tool"), call], extra={"annotations": []}),
            ToolMessage("c", "add", [TextPart("1", "web"), FilePart(b"x", "a/b", "n")], is_error=True),
            AssistantMessage([RefusalPart("no"), ToolCall("d", "add", None, "{", "not JSON")]),
        ]
    )
    assert json.loads(history.to_json()) == [
        {"role": "system", "text": "be brief"},
        {
            "role": "user",
            "parts": [
                {"type": "text", "text": "what?", "trust": "user"},
                {"type": "image", "data": "/9j/", "media_type": "image/jpeg", "detail": "low", "trust": "user"},
                {"type": "image", "url": "https://i.test", "trust": "user"},
            ],
        },
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "text": "hm", "field": "think"},
                {"type": "text", "text": "so", "trust": "tool"},
                {
                    "type": "tool_call",
                    "id": "c",
                    "name": "add",
                    "arguments": {"a": 1},
                    "arguments_text": '{"a": 1}',
                    "extra": {"sig": "x"},
                },
            ],
            "extra": {"annotations": []},
        },
        {
            "role": "tool",
            "call_id": "c",
            "name": "add",
            "parts": [
                {"type": "text", "text": "1", "trust": "web"},
                {"type": "file", "data": "eA==", "media_type": "a/b", "name": "n", "trust": "user"},
            ],
            "is_error": True,
        },
        {
            "role": "assistant",
            "parts": [
                {"type": "refusal", "text": "no"},
                {
                    "type": "tool_call",
                    "id": "d",
                    "name": "add",
                    "arguments": None,
                    "arguments_text": "{",
                    "problem": "not JSON",
                },
            ],
        },
    ]
    assert History.from_json(history.to_json().decode()) == history


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{}", "messages are a JSON array, this is a dict"),
        ("[", "line 1 column 2"),
        ('["hi"]', r"messages\[0\] is not a message of agentkit"),
        ('[{"role":"system","text":"x"},{}]', r"messages\[1\] is not a message of agentkit: KeyError\('role'\)"),
        ('[{"role":"narrator"}]', "unknown role 'narrator'"),
        ('[{"role":"user","parts":[{"type":"video"}]}]', "unknown part 'video'"),
        ('[{"role":"user","parts":[{"type":"text"}]}]', "missing 1 required positional argument: 'text'"),
        ('[{"role":"user","parts":[{"type":"file","data":"?","media_type":"a","name":"b"}]}]', "not a message"),
        ('[{"role":"user","parts":[{"type":"image","url":"u","acknowledged":"a"}]}]', "a list of ids"),
        ('[{"role":"user","parts":[{"type":["text"],"text":"x"}]}]', "not a message"),
        ('[{"role":"system","text":NaN}]', "NaN is not JSON"),
    ],
)
def test_what_is_no_history_is_refused_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        History.from_json(text)
