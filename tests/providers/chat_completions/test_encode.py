"""What goes out: the body of each request, as bytes and as OpenAI's own schema reads them."""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentkit.messages import (
    AssistantMessage,
    FilePart,
    History,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    ToolPart,
    UserMessage,
)
from agentkit.models import ModelRequest, ModelSettings, Profile, ResponseFormat, ToolDefinition
from agentkit.providers import GATEWAYS
from agentkit.providers.chat_completions import encode
from agentkit.providers.chat_completions.encode import Encoder

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
PNG_URI = "data:image/png;base64,iVBORw0KGgoAAAAAAAAAAA=="
LOOKUP = ToolDefinition("lookup", "Looks up.", {"type": "object", "properties": {}}, strict=True)
PLAIN = ToolDefinition("plain", "", {"type": "object", "properties": {}})
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
Valid = Callable[[Any], None]


def body(request: ModelRequest, profile: Profile | None = None, *, stream: bool = False) -> Any:
    return json.loads(Encoder("m", profile or Profile()).body(request, stream=stream))


def messages(*sent: Message, profile: Profile | None = None, instructions: str | None = None) -> Any:
    return body(ModelRequest(sent, instructions=instructions), profile)["messages"]


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    assert Encoder("m", Profile()).body(ModelRequest([UserMessage("Hi")]), stream=False) == (
        b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'
    )


def test_the_schema_that_checks_these_bodies_refuses_a_wrong_one(valid_request: Valid) -> None:
    with pytest.raises(AssertionError, match='"messages" is a required property'):
        valid_request({"model": "m"})
    with pytest.raises(AssertionError, match="temperature"):
        valid_request({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "temperature": 3})


def test_streaming_asks_for_usage_unless_the_profile_says_that_it_is_not_taken() -> None:
    request = ModelRequest([UserMessage("Hi")])

    assert body(request, stream=True) == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "Hi"}],
    }
    assert "stream_options" not in body(request, Profile(stream_usage=False), stream=True)


def test_each_setting_goes_out_under_the_wires_name(valid_request: Valid) -> None:
    settings = ModelSettings(
        max_tokens=10,
        temperature=0,
        top_p=0.5,
        stop=("a", "b"),
        presence_penalty=1,
        frequency_penalty=-1,
        seed=3,
        n=1,
        prediction="said",
        parallel_tool_calls=False,
        reasoning_effort="low",
        verbosity="low",
        logprobs=True,
        top_logprobs=2,
        logit_bias={"5": -1},
        service_tier="auto",
        prompt_cache_key="k",
        user="u",
        timeout=9,
        extra={"metadata": {"a": "b"}},
    )
    sent = body(ModelRequest([UserMessage("Hi")], settings=settings))

    valid_request(sent)
    assert sent == {
        "model": "m",
        "max_tokens": 10,
        "temperature": 0,
        "top_p": 0.5,
        "stop": ["a", "b"],
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "seed": 3,
        "prediction": {"type": "content", "content": "said"},
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "verbosity": "low",
        "logprobs": True,
        "top_logprobs": 2,
        "logit_bias": {"5": -1},
        "service_tier": "auto",
        "prompt_cache_key": "k",
        "user": "u",
        "metadata": {"a": "b"},
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_the_output_limit_goes_out_under_the_name_that_the_gateway_takes() -> None:
    request = ModelRequest([UserMessage("Hi")], settings=ModelSettings(max_tokens=10, stop="END"))

    assert body(request, Profile(max_tokens_field="max_completion_tokens")) == {
        "model": "m",
        "max_completion_tokens": 10,
        "stop": "END",
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_images_go_out_by_url_data_uri_bytes_and_path_with_detail(tmp_path: Path, valid_request: Valid) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    shown = UserMessage(
        [
            TextPart("What is on them?"),
            ImagePart(url="https://example.org/a.png"),
            ImagePart(url=PNG_URI, detail="low"),
            ImagePart(data=PNG, detail="high"),
            ImagePart.from_path(path),
        ]
    )
    sent = body(ModelRequest([shown]))

    valid_request(sent)
    assert sent["messages"][0]["content"] == [
        {"type": "text", "text": "What is on them?"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "image_url", "image_url": {"url": PNG_URI, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": PNG_URI, "detail": "high"}},
        {"type": "image_url", "image_url": {"url": PNG_URI}},
    ]


def test_a_file_goes_out_by_name_with_its_data(valid_request: Valid) -> None:
    sent = body(ModelRequest([UserMessage([FilePart(b"%PDF", "application/pdf", "a.pdf")])]))

    valid_request(sent)
    assert sent["messages"][0]["content"] == [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}}
    ]


def calls(*ids: str) -> AssistantMessage:
    return AssistantMessage([ToolCall(call, "camera", {}, "{}") for call in ids])


def test_images_of_tools_follow_in_one_user_message_after_the_group(valid_request: Valid) -> None:
    image = ImagePart(data=PNG)
    conversation: list[Message] = [
        UserMessage("Look."),
        calls("a", "b"),
        ToolMessage("a", "camera", [TextPart("front"), image]),
        ToolMessage("b", "camera", [image]),
    ]
    followed = {
        "role": "user",
        "content": [
            {"type": "text", "text": "Returned by camera (call a):"},
            {"type": "image_url", "image_url": {"url": PNG_URI}},
            {"type": "text", "text": "Returned by camera (call b):"},
            {"type": "image_url", "image_url": {"url": PNG_URI}},
        ],
    }
    sent = body(ModelRequest(conversation))
    then = messages(*conversation, UserMessage("And?"))

    valid_request(sent)
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "tool", "tool", "user"]
    assert [message.get("content") for message in sent["messages"][2:4]] == ["front", ""]
    assert sent["messages"][4] == followed
    assert then == [*sent["messages"], {"role": "user", "content": "And?"}]


@pytest.mark.parametrize(
    ("gateway", "choice", "sent"),
    [
        ("toapis", "auto", "auto"),
        ("toapis", "none", "none"),
        ("toapis", "required", "required"),
        ("toapis", "lookup", {"type": "function", "function": {"name": "lookup"}}),
        ("bytespike", "auto", "auto"),
        ("bytespike", "none", "none"),
        ("bytespike", "required", "auto"),
        ("bytespike", "lookup", {"type": "function", "function": {"name": "lookup"}}),
    ],
)
def test_tool_choice_takes_the_form_that_the_gateway_knows(
    gateway: str, choice: str, sent: Any, valid_request: Valid
) -> None:
    profile = GATEWAYS[gateway].profile
    encoded = body(ModelRequest([UserMessage("Hi")], tools=[LOOKUP, PLAIN], tool_choice=choice), profile)

    valid_request(encoded)
    assert encoded["tool_choice"] == sent


@pytest.mark.parametrize(("taken", "sent"), [({"auto", "required"}, "required"), ({"auto"}, "auto")])
def test_a_named_tool_is_asked_for_as_nearly_as_the_gateway_can(taken: set[str], sent: str) -> None:
    profile = Profile(tool_choices=frozenset(taken))

    assert body(ModelRequest([UserMessage("Hi")], tools=[LOOKUP], tool_choice="lookup"), profile)["tool_choice"] == sent


def test_tools_go_out_with_what_they_declare_and_strict_only_where_it_is_taken(valid_request: Valid) -> None:
    request = ModelRequest([UserMessage("Hi")], tools=[LOOKUP, PLAIN])
    sent = body(request)

    valid_request(sent)
    assert sent["tools"] == [
        {
            "type": "function",
            "function": {"name": "lookup", "description": "Looks up.", "parameters": LOOKUP.parameters, "strict": True},
        },
        {"type": "function", "function": {"name": "plain", "parameters": PLAIN.parameters}},
    ]
    assert "strict" not in body(request, Profile(strict=False))["tools"][0]["function"]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (ResponseFormat("json_object"), {"type": "json_object"}),
        (
            ResponseFormat("json_schema", "report", SCHEMA, strict=True),
            {"type": "json_schema", "json_schema": {"name": "report", "schema": SCHEMA, "strict": True}},
        ),
        (
            ResponseFormat("json_schema", "report", SCHEMA),
            {"type": "json_schema", "json_schema": {"name": "report", "schema": SCHEMA}},
        ),
    ],
)
def test_each_response_format_goes_out(given: ResponseFormat, sent: Any, valid_request: Valid) -> None:
    encoded = body(ModelRequest([UserMessage("Give JSON.")], response_format=given))

    valid_request(encoded)
    assert encoded["response_format"] == sent


def test_system_messages_stand_first_and_are_merged_where_one_only_is_taken() -> None:
    sent = (SystemMessage("b"), SystemMessage("c"), UserMessage("Hi"))
    said = {"role": "user", "content": "Hi"}

    assert messages(*sent, instructions="a") == [
        {"role": "system", "content": "a"},
        {"role": "system", "content": "b"},
        {"role": "system", "content": "c"},
        said,
    ]
    assert messages(*sent, instructions="a", profile=Profile(merge_system=True)) == [
        {"role": "system", "content": "a\n\nb\n\nc"},
        said,
    ]


def test_reasoning_goes_back_in_the_field_it_came_in_where_it_is_wanted() -> None:
    thought = AssistantMessage(
        [ReasoningPart("Think.", "reasoning"), TextPart("Yes.", "tool")], extra={"reasoning_details": [{"data": "x"}]}
    )
    unsent = AssistantMessage([ReasoningPart("Think.", "think"), TextPart("Yes.", "tool")])

    assert messages(thought) == [
        {"role": "assistant", "content": "Yes.", "reasoning": "Think.", "reasoning_details": [{"data": "x"}]}
    ]
    assert messages(thought, profile=Profile(replay_reasoning=False)) == [{"role": "assistant", "content": "Yes."}]
    assert messages(unsent) == [{"role": "assistant", "content": "Yes."}]


def test_calls_go_back_as_they_came_and_broken_arguments_as_json(valid_request: Valid) -> None:
    asked = AssistantMessage(
        [
            ToolCall("a", "lookup", {"x": 1}, '{ "x": 1 }', extra={"google": {"thought_signature": "c2ln"}}),
            ToolCall("b", "lookup", None, '{"x":', "not JSON"),
            ToolCall("c", "lookup", {"x": 2}),
        ]
    )
    answers = [ToolMessage(call, "lookup", "1") for call in "abc"]
    sent = body(ModelRequest([UserMessage("Hi"), asked, *answers]))

    valid_request(sent)
    assert sent["messages"][1] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "a",
                "type": "function",
                "function": {"name": "lookup", "arguments": '{ "x": 1 }'},
                "extra_content": {"google": {"thought_signature": "c2ln"}},
            },
            {
                "id": "b",
                "type": "function",
                "function": {"name": "lookup", "arguments": '{"invalid_json":"{\\"x\\":"}'},
            },
            {"id": "c", "type": "function", "function": {"name": "lookup", "arguments": '{"x":2}'}},
        ],
    }


def test_a_refusal_goes_back_as_the_assistants_words() -> None:
    assert messages(AssistantMessage([RefusalPart("No.")])) == [{"role": "assistant", "content": "No."}]


def turn(number: int) -> list[Message]:
    call = f"call_{number}"
    image: str | list[ToolPart] = [TextPart("seen"), ImagePart(data=PNG)] if number % 3 == 0 else "seen"
    return [calls(call), ToolMessage(call, "camera", image)]


def test_ten_turns_each_begin_with_the_bytes_of_the_turn_before() -> None:
    encoder = Encoder("m", Profile())
    history, bodies = History([UserMessage("Look around.")]), list[bytes]()
    for number in range(10):
        request = ModelRequest(history, tools=(LOOKUP,), instructions="Be brief.", settings=ModelSettings(seed=1))
        bodies.append(encoder.body(request, stream=True))
        history = history.extended(turn(number))

    for before, after in itertools.pairwise(bodies):
        assert before.endswith(b"]}")
        assert after.startswith(before[:-2])


def test_each_message_is_encoded_once_over_ten_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    original = encode.encode_message

    def counted(message: Message, index: int, profile: Profile) -> dict[str, Any]:
        encoded.append(index)
        return original(message, index, profile)

    monkeypatch.setattr(encode, "encode_message", counted)
    encoder, history = Encoder("m", Profile()), History([UserMessage("Look around.")])
    for number in range(10):
        encoder.body(ModelRequest(history), stream=False)
        history = history.extended(turn(number))

    assert encoded == list(range(19))


def test_two_profiles_that_encode_differently_do_not_share_what_was_encoded() -> None:
    history = History([AssistantMessage([ReasoningPart("Think.", "reasoning"), TextPart("Yes.", "tool")])])
    request = ModelRequest(history)
    sent: Sequence[Any] = [
        body(request, Profile(replay_reasoning=replay))["messages"] for replay in (True, False, True)
    ]

    assert [set(messages[0]) for messages in sent] == [
        {"role", "content", "reasoning"},
        {"role", "content"},
        {"role", "content", "reasoning"},
    ]
