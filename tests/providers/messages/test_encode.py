"""What goes out: the body of each request to a Messages endpoint."""

import base64
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.emulator.surfaces.messages import Messages
from agentkit.errors import ConfigurationError
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
    UserMessage,
    UserPart,
)
from agentkit.models import ModelRequest, ModelSettings, Profile, ResponseFormat, ToolDefinition
from agentkit.providers.messages import blocks
from agentkit.providers.messages.encode import Encoder
from agentkit.providers.messages.model import MessagesWire

SAMPLE: Mapping[str, Any] = json.loads(
    (Path(__file__).parents[2] / "data" / "dialects" / "anthropic_messages.json").read_bytes()
)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
PNG_TEXT = base64.b64encode(PNG).decode()
PNG_BLOCK = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG_TEXT}}
LOOKUP = ToolDefinition("lookup", "Looks up.", {"type": "object", "properties": {}}, strict=True)
PLAIN = ToolDefinition("plain", "", {"type": "object", "properties": {}})
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
HI = UserMessage("Hi")
SIGNED = AssistantMessage(
    [ReasoningPart("Hm.", "thinking"), TextPart("Let me see.", "tool"), ToolCall("a", "lookup", {"x": 1})],
    extra={
        blocks.BLOCKS: [
            {"type": "redacted_thinking", "data": "c2VjcmV0"},
            {"part": 0, "signature": "sig"},
            {"part": 1},
            {"part": 2},
        ]
    },
)


def body(request: ModelRequest, profile: Profile | None = None, *, stream: bool = False) -> Any:
    return json.loads(Encoder("m", profile or Profile()).body(request, stream=stream))


def messages(*sent: Message, profile: Profile | None = None) -> Any:
    return body(ModelRequest(sent), profile)["messages"]


def configured(settings: ModelSettings, tools: tuple[ToolDefinition, ...] = ()) -> Any:
    """What a body holds besides the model and its message."""
    sent = body(ModelRequest([HI], settings=settings, tools=tools))
    return {name: value for name, value in sent.items() if name not in ("model", "messages", "tools")}


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


def result(call: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call, "content": content, **fields}


def use(call: str, name: str, given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call, "name": name, "input": given}


def as_blocks(sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sample's messages in that of the API's two spellings that agentkit uses, without defaults."""

    def content(message: dict[str, Any]) -> list[dict[str, Any]]:
        given = message["content"]
        found = [text(given)] if isinstance(given, str) else given
        return [{k: v for k, v in block.items() if (k, v) != ("is_error", False)} for block in found]

    return [{**message, "content": content(message)} for message in sent]


def test_the_documented_request_is_what_goes_out_for_it() -> None:
    sample = SAMPLE["request"]
    tool = sample["tools"][0]
    request = ModelRequest(
        [UserMessage("Weather in Oslo?")],
        instructions="Be terse.",
        tools=[ToolDefinition(tool["name"], tool["description"], tool["input_schema"], strict=False)],
        tool_choice="auto",
        response_format=ResponseFormat("json_schema", "output", sample["output_config"]["format"]["schema"]),
        settings=ModelSettings(max_tokens=1024, parallel_tool_calls=True, reasoning_effort="low"),
    )
    sent = json.loads(Encoder("claude-x", Profile()).body(request, stream=True))

    assert sent == {**sample, "messages": as_blocks(sample["messages"])}


def test_a_call_and_its_result_go_back_as_documented() -> None:
    call = AssistantMessage([ToolCall("toolu_1", "get_weather", {"city": "Oslo"})])

    sent = messages(UserMessage("Weather in Oslo?"), call, ToolMessage("toolu_1", "get_weather", "7 C"))

    assert sent[1:] == as_blocks(SAMPLE["followup_messages"])


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    assert Encoder("m", Profile()).body(ModelRequest([HI]), stream=False) == (
        b'{"model":"m","max_tokens":4096,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}'
    )


@pytest.mark.parametrize(
    ("settings", "profile", "bound"),
    [
        (ModelSettings(max_tokens=7), Profile(max_output=64_000), 7),
        (ModelSettings(), Profile(max_output=64_000), 64_000),
        (ModelSettings(), Profile(), 4096),
    ],
)
def test_the_bound_on_the_output_is_always_sent(settings: ModelSettings, profile: Profile, bound: int) -> None:
    assert body(ModelRequest([HI], settings=settings), profile)["max_tokens"] == bound


def test_each_setting_that_the_api_has_goes_out_under_its_name() -> None:
    settings = ModelSettings(
        max_tokens=10,
        temperature=0,
        top_p=0.5,
        stop="END",
        n=1,
        parallel_tool_calls=False,
        reasoning_effort="max",
        service_tier="auto",
        user="u",
        timeout=9,
        extra={"thinking": {"type": "adaptive"}, "cache_control": {"type": "ephemeral"}, "top_k": 3},
    )

    assert configured(settings, (PLAIN,)) == {
        "max_tokens": 10,
        "temperature": 0,
        "top_p": 0.5,
        "stop_sequences": ["END"],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "output_config": {"effort": "max"},
        "service_tier": "auto",
        "metadata": {"user_id": "u"},
        "thinking": {"type": "adaptive"},
        "cache_control": {"type": "ephemeral"},
        "top_k": 3,
    }
    assert configured(ModelSettings(stop=("a", "b")))["stop_sequences"] == ["a", "b"]


REFUSED: Mapping[str, Any] = {
    "presence_penalty": 1,
    "frequency_penalty": 1,
    "seed": 1,
    "prediction": "x",
    "verbosity": "low",
    "logprobs": True,
    "top_logprobs": 1,
    "logit_bias": {"5": 1},
    "prompt_cache_key": "k",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_setting_that_the_api_does_not_have_is_refused_by_name(name: str) -> None:
    request = ModelRequest([HI], settings=ModelSettings(**{name: REFUSED[name]}))

    with pytest.raises(ConfigurationError, match=f"{name}=.*Messages API.*g is asked through.*leave it out"):
        body(request, Profile(gateway="g"))


def test_every_setting_is_sent_or_refused() -> None:
    sent = {"max_tokens", "temperature", "top_p", "stop", "parallel_tool_calls", "reasoning_effort", "service_tier"}
    elsewhere = {"n", "timeout"}  # `n` may only be 1, which is what the API does; `timeout` is the client's

    assert {field.name for field in fields(ModelSettings)} == {*sent, "user", "extra", *elsewhere, *REFUSED}


def test_an_object_of_the_callers_own_is_joined_with_ours() -> None:
    settings = ModelSettings(
        reasoning_effort="low", user="u", extra={"output_config": {"task_budget": 5}, "metadata": {"user_id": "v"}}
    )

    sent = configured(settings)

    assert sent["output_config"] == {"effort": "low", "task_budget": 5}
    assert sent["metadata"] == {"user_id": "v"}


@pytest.mark.parametrize(("name", "instead"), [("system", "instructions"), ("max_tokens", "settings.max_tokens")])
def test_a_field_that_agentkit_sets_is_not_taken_as_an_extra_one(name: str, instead: str) -> None:
    with pytest.raises(ConfigurationError, match=f"extra holds {name}.*use {instead}"):
        configured(ModelSettings(extra={name: "x"}))


@pytest.mark.parametrize(
    ("choice", "taken", "parallel", "sent"),
    [
        (None, None, None, None),
        ("auto", None, None, {"type": "auto"}),
        ("required", None, None, {"type": "any"}),
        ("none", None, True, {"type": "none"}),
        ("lookup", None, False, {"type": "tool", "name": "lookup", "disable_parallel_tool_use": True}),
        ("lookup", {"auto", "required"}, None, {"type": "any"}),
        ("lookup", {"auto"}, None, {"type": "auto"}),
        ("required", set[str](), None, None),
        (None, None, False, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_the_choice_goes_out_as_the_nearest_that_is_taken(
    choice: str | None, taken: set[str] | None, parallel: bool | None, sent: Any
) -> None:
    profile = Profile() if taken is None else Profile(tool_choices=frozenset(taken))
    settings = ModelSettings(parallel_tool_calls=parallel)
    request = ModelRequest([HI], tools=[LOOKUP], tool_choice=choice, settings=settings)

    assert body(request, profile).get("tool_choice") == sent


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, ("parallel_tool_calls=False was left out: the server has no place for it without tools",)),
        (
            {"tools": [LOOKUP], "tool_choice": "none"},
            ("parallel_tool_calls=False was left out: the server has no place for it with tool_choice 'none'",),
        ),
        ({"tools": [LOOKUP]}, ()),
    ],
)
def test_what_has_no_place_in_a_request_is_told_with_the_answer(options: Any, told: tuple[str, ...]) -> None:
    request = ModelRequest([HI], settings=ModelSettings(parallel_tool_calls=False), **options)
    answer = json.dumps({"type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"})

    response = MessagesWire("m", Profile()).decoder(request, {}, secret="").plain(answer.encode())

    assert response.warnings == told


def test_no_choice_goes_out_without_tools() -> None:
    request = ModelRequest([HI], tool_choice="none", settings=ModelSettings(parallel_tool_calls=False))

    assert "tool_choice" not in body(request)


def test_tools_carry_strict_only_when_it_is_set_and_taken() -> None:
    request = ModelRequest([HI], tools=[LOOKUP, PLAIN])
    lookup = {"name": "lookup", "description": "Looks up.", "input_schema": LOOKUP.parameters}
    plain = {"name": "plain", "input_schema": PLAIN.parameters}

    assert body(request)["tools"] == [{**lookup, "strict": True}, plain]
    assert body(request, Profile(strict=False))["tools"] == [lookup, plain]


def test_a_tool_that_is_no_function_is_refused() -> None:
    screen = ToolDefinition("computer", "", {"type": "object"}, kind="computer")

    with pytest.raises(ConfigurationError, match="'computer'"):
        body(ModelRequest([HI], tools=[screen]))


def test_a_schema_is_the_format_of_the_output_and_plain_json_is_refused() -> None:
    asked = ModelRequest([HI], response_format=ResponseFormat("json_schema", "report", SCHEMA, strict=True))

    assert body(asked)["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    for refused in (ResponseFormat("json_object"), ResponseFormat("json_schema")):
        with pytest.raises(ConfigurationError, match="no such output: give a schema"):
            body(ModelRequest([HI], response_format=refused))


def test_instructions_and_leading_system_messages_are_the_top_level_system() -> None:
    request = ModelRequest([SystemMessage("A."), SystemMessage("B."), HI], instructions="First.")

    sent = body(request)

    assert sent["system"] == "First.\n\nA.\n\nB."
    assert sent["messages"] == [user(text("Hi"))]
    assert "system" not in body(ModelRequest([HI], instructions=" "))


def test_a_later_system_message_is_a_marked_text_of_the_user() -> None:
    sent = messages(HI, AssistantMessage("Yes?"), SystemMessage("Be brief."), UserMessage("Go on."))

    assert sent == [
        user(text("Hi")),
        assistant(text("Yes?")),
        user(text("<system>\nBe brief.\n</system>"), text("Go on.")),
    ]


def test_results_of_one_turn_and_what_the_user_says_next_are_one_message() -> None:
    asked = AssistantMessage(
        [TextPart("Both.", "tool"), ToolCall("a", "lookup", {}), ToolCall("b", "lookup", {"x": 2})]
    )
    sent = messages(
        HI,
        asked,
        ToolMessage("a", "lookup", "one"),
        ToolMessage("b", "lookup", "broken", is_error=True),
        UserMessage("And?"),
        UserMessage("Well?"),
    )

    assert sent == [
        user(text("Hi")),
        assistant(text("Both."), use("a", "lookup", {}), use("b", "lookup", {"x": 2})),
        user(result("a", "one"), result("b", "broken", is_error=True), text("And?"), text("Well?")),
    ]


def test_an_answer_with_nothing_that_can_be_sent_leaves_no_gap() -> None:
    silent = AssistantMessage([ReasoningPart("Hm."), TextPart(" \n", "tool")])

    assert messages(silent, HI, silent, AssistantMessage([]), UserMessage("Hello?"), silent) == [
        user(text("Hi"), text("Hello?"))
    ]


def test_images_and_files_are_blocks() -> None:
    uri = f"data:image/png;base64,{PNG_TEXT}"
    parts: list[UserPart] = [
        TextPart("Look:"),
        TextPart(" "),
        ImagePart(data=PNG, detail="low"),
        ImagePart(url="https://example.com/a.png"),
        ImagePart(url=uri),
        ImagePart(url="data:image/svg+xml,%3Csvg/%3E"),
        FilePart(b"%PDF", "application/pdf", "a.pdf"),
        FilePart("né".encode(), "text/csv", ""),
        FilePart(b"\xff", "text/plain", "b.txt"),
    ]

    assert messages(UserMessage(parts)) == [
        user(
            text("Look:"),
            PNG_BLOCK,
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            PNG_BLOCK,
            {"type": "image", "source": {"type": "base64", "media_type": "image/svg+xml", "data": "PHN2Zy8+"}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
                "title": "a.pdf",
            },
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "né"}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "text/plain", "data": "/w=="},
                "title": "b.txt",
            },
        )
    ]


@pytest.mark.parametrize("uri", ["data:image/png", "data:image/png;base64,%%%"])
def test_a_data_uri_that_cannot_be_read_is_refused(uri: str) -> None:
    with pytest.raises(ConfigurationError, match=r"messages\[0\] has an image whose data URI cannot be read"):
        messages(UserMessage([ImagePart(url=uri)]))


def test_what_a_tool_returns_may_be_an_image_or_nothing() -> None:
    asked = AssistantMessage([ToolCall(letter, "shot", {}) for letter in "abcd"])
    sent = messages(
        HI,
        asked,
        ToolMessage("a", "shot", [TextPart("Here:", "tool"), ImagePart(data=PNG)]),
        ToolMessage("b", "shot", ""),
        ToolMessage("c", "shot", "", is_error=True),
        ToolMessage("d", "shot", [ImagePart(data=PNG)], is_error=True),
    )

    assert sent[2] == user(
        result("a", [text("Here:"), PNG_BLOCK]),
        {"type": "tool_result", "tool_use_id": "b"},
        result("c", "The tool failed.", is_error=True),
        result("d", [text("The tool failed."), PNG_BLOCK]),
    )


@pytest.mark.parametrize(
    "message", [UserMessage([ImagePart(data=PNG)]), ToolMessage("a", "shot", [ImagePart(data=PNG)])]
)
def test_an_image_for_a_model_without_vision_is_refused(message: Message) -> None:
    with pytest.raises(ConfigurationError, match=r"messages\[1\] has an image, and g documents no vision"):
        messages(AssistantMessage([ToolCall("a", "shot", {})]), message, profile=Profile(gateway="g", vision=False))


@pytest.mark.parametrize("message", [UserMessage(" "), UserMessage([])])
def test_an_empty_message_is_refused(message: Message) -> None:
    with pytest.raises(ConfigurationError, match=r"messages\[1\] has no content, and g refuses"):
        messages(HI, message, profile=Profile(gateway="g"))


def test_instructions_alone_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="wants a message besides the instructions: give a prompt"):
        body(ModelRequest([SystemMessage("A.")], instructions="Be terse."))


def test_signed_and_redacted_thinking_goes_back_where_it_stood() -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
    redacted = {"type": "redacted_thinking", "data": "c2VjcmV0"}
    spoken = (text("Let me see."), use("a", "lookup", {"x": 1}))
    again = History.from_json(History([HI, SIGNED]).to_json())

    assert messages(*again) == [user(text("Hi")), assistant(redacted, thought, *spoken)]
    assert messages(HI, SIGNED, profile=Profile(replay_reasoning=False))[1] == assistant(*spoken)


def test_blocks_of_the_servers_own_tools_go_back_between_the_texts() -> None:
    searched = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    ]
    cited = {"part": 1, "citations": [{"type": "char_location"}]}
    message = AssistantMessage(
        [TextPart("I search.", "tool"), TextPart("Found. ", "tool")],
        extra={blocks.BLOCKS: [{"part": 0}, *searched, cited]},
    )

    for profile in (Profile(), Profile(replay_reasoning=False)):
        assert messages(HI, message, profile=profile)[1] == assistant(
            text("I search."), *searched, {**text("Found."), "citations": [{"type": "char_location"}]}
        )


@pytest.mark.parametrize(
    "entries",
    [
        None,
        "x",
        [1, None, {"part": "0"}, {"part": True}, {"type": 3}, {}],
        [{"part": 7}, {"part": -1}],
        [{"part": 0}] * 2,
    ],
)
def test_entries_that_are_not_what_they_should_be_lose_no_part(entries: Any) -> None:
    message = AssistantMessage([TextPart("Yes.", "tool"), ToolCall("a", "b", {})], extra={blocks.BLOCKS: entries})

    assert messages(HI, message)[1] == assistant(text("Yes."), use("a", "b", {}))


def test_an_answer_of_another_wire_goes_without_its_thinking_and_its_fields() -> None:
    message = AssistantMessage(
        [ReasoningPart("Hm."), TextPart("Yes.", "tool"), ToolCall("a", "b", {}, "{ }", extra={"google": {"x": 1}})],
        extra={"reasoning_details": [{"type": "reasoning.text"}]},
    )

    assert messages(HI, message)[1] == assistant(text("Yes."), use("a", "b", {}))


def test_an_id_that_the_api_would_refuse_is_told_in_another_form_to_both_sides() -> None:
    odd = "functions.get_weather:0"
    sent = messages(HI, AssistantMessage([ToolCall(odd, "b", {})]), ToolMessage(odd, "b", "7"))

    told = sent[1]["content"][0]["id"]
    assert told.isascii()
    assert told.replace("_", "").isalnum()
    assert sent[2]["content"][0]["tool_use_id"] == told


def test_ids_are_as_long_as_the_profile_says() -> None:
    history = (HI, AssistantMessage([ToolCall("toolu_1", "b", {})]), ToolMessage("toolu_1", "b", "7"))
    sent = messages(*history, profile=Profile(tool_id_length=9))

    assert len(sent[1]["content"][0]["id"]) == 9
    assert sent[2]["content"][0]["tool_use_id"] == sent[1]["content"][0]["id"]


def test_arguments_that_were_no_json_go_back_as_an_object() -> None:
    sent = messages(HI, AssistantMessage([ToolCall("a", "b", None, '{"x":', "cut")]))

    assert sent[1]["content"] == [use("a", "b", {"invalid_json": '{"x":'})]


def test_a_refusal_goes_back_as_text_and_blanks_at_the_end_of_an_answer_do_not() -> None:
    assert messages(HI, AssistantMessage([RefusalPart("No. \n")]))[1] == assistant(text("No."))
    assert messages(HI, AssistantMessage("{ "))[1] == assistant(text("{"))


def test_a_request_begins_with_the_bytes_of_the_one_before() -> None:
    encoder = Encoder("m", Profile())
    history = History([SystemMessage("A."), HI])
    steps: list[list[Message]] = [
        [],
        [AssistantMessage([TextPart("Wait. ", "tool"), ToolCall("a", "lookup", {}), ToolCall("b", "lookup", {})])],
        [ToolMessage("a", "lookup", "1")],
        [ToolMessage("b", "lookup", "2"), UserMessage("And?")],
        [UserMessage("Well?")],
        [AssistantMessage("Yes.")],
    ]
    before = b""
    for step in steps:
        history = history.extended(step)
        sent = encoder.body(ModelRequest(history, tools=[LOOKUP], instructions="I."), stream=False)
        assert sent.startswith(before)
        before = sent.removesuffix(b"]}]}")


def test_each_message_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    original = Encoder._encode_message

    def counted(encoder: Encoder, messages: Any, index: int) -> bytes:
        encoded.append(index)
        return original(encoder, messages, index)

    monkeypatch.setattr(Encoder, "_encode_message", counted)
    encoder = Encoder("m", Profile())
    history = History([HI])
    for turn in range(3):
        encoder.body(ModelRequest(history), stream=False)
        history = history.extended([AssistantMessage(f"{turn}"), UserMessage("On.")])
    encoder.body(ModelRequest(history), stream=True)

    assert encoded == [0, 1, 2, 3, 4, 5, 6]


WORDS = st.text(max_size=4)
SAID = WORDS.filter(str.strip)
SEEN = SAID.map(TextPart) | st.just(ImagePart(data=PNG)) | st.just(FilePart(b"a", "text/plain", "a"))
THOUGHT = st.builds(ReasoningPart, WORDS, st.sampled_from(["thinking", "reasoning_content", "think"]))
SPOKEN = st.lists(st.builds(TextPart, WORDS) | THOUGHT | st.builds(RefusalPart, WORDS), max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """Histories as runs leave them, over whatever wire: each call has its result; the last word is the user's."""
    history: list[Message] = [UserMessage([draw(SEEN)])]
    for turn in range(draw(st.integers(0, 4))):
        ids = [
            f"{draw(st.sampled_from(['toolu_', 'functions.a:', '', 'é']))}{turn}{n}"
            for n in range(draw(st.integers(0, 3)))
        ]
        calls = [ToolCall(call, "lookup", draw(st.none() | st.just({"x": 1})), draw(WORDS)) for call in ids]
        history.append(AssistantMessage([*draw(SPOKEN), *calls]))
        given = [(call, draw(st.lists(SEEN, max_size=2)), draw(st.booleans())) for call in ids]
        history.extend(ToolMessage(call, "lookup", parts, is_error=failed) for call, parts, failed in given)
        history.extend(draw(st.lists(st.builds(SystemMessage, SAID) | st.builds(UserMessage, SAID), max_size=2)))
    return [*draw(st.lists(st.builds(SystemMessage, SAID), max_size=2)), *history, UserMessage(draw(SAID))]


@given(history=conversations(), vision=st.sampled_from([None, True]), length=st.sampled_from([None, 9]))
@settings(max_examples=150, deadline=None)
def test_any_conversation_is_one_that_the_api_takes(
    history: list[Message], vision: bool | None, length: int | None
) -> None:
    request = ModelRequest(history, tools=[PLAIN])
    sent = body(request, Profile(vision=vision, tool_id_length=length))

    Messages().chat(sent)  # raises on what the API would refuse: roles, order, ids, orphans, empty blocks
    assert sent == body(
        ModelRequest(History.from_json(History(history).to_json()), tools=[PLAIN]), Profile(tool_id_length=length)
    )
