"""What goes out: the body of each request, as bytes and as OpenAI's own schema reads them."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

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
)
from agentkit.models import ModelRequest, ModelSettings, Profile, ResponseFormat, ToolDefinition
from agentkit.providers.chat_completions.encode import Encoder as ChatEncoder
from agentkit.providers.responses.encode import Encoder
from agentkit.providers.responses.items import Items

SAMPLE: Mapping[str, Any] = json.loads(
    (Path(__file__).parents[2] / "data" / "dialects" / "openai_responses.json").read_bytes()
)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
PNG_URI = "data:image/png;base64,iVBORw0KGgoAAAAAAAAAAA=="
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = ToolDefinition("get_weather", "", PARAMETERS)
STRICT = ToolDefinition("strict", "Strict.", {**PARAMETERS, "additionalProperties": False}, strict=True)
THOUGHT: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "..."}
CALL = ToolCall("call_1", "get_weather", {"city": "Oslo"}, '{"city":"Oslo"}')
CALL_ITEM = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Oslo"}'}
HIGH = ModelSettings(reasoning_effort="high")

Known = Callable[[Any], None]


@pytest.fixture
def known(request_schema: Any) -> Known:
    """Fails the test when a body is not what OpenAI's schema of this surface names."""

    def check(body: Any) -> None:
        assert request_schema.invalid("/responses", body) + request_schema.unknown("/responses", body) == []

    return check


def body(request: ModelRequest, profile: Profile | None = None, *, stream: bool = False) -> Any:
    return json.loads(Encoder("m", profile or Profile()).body(request, stream=stream))


def items(*sent: Message, profile: Profile | None = None, settings: ModelSettings | None = None) -> Any:
    return body(ModelRequest(sent, settings=settings), profile)["input"]


def answer(*parts: Any, kept: Sequence[Mapping[str, Any]] = ()) -> AssistantMessage:
    return AssistantMessage(parts, extra={"output_items": list(kept)} if kept else {})


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    assert Encoder("m", Profile()).body(ModelRequest([UserMessage("Hi")]), stream=False) == (
        b'{"model":"m","input":[{"role":"user","content":"Hi"}]}'
    )


def test_the_sample_request_is_what_its_model_request_means(known: Known) -> None:
    wanted = SAMPLE["request"]
    described = wanted["text"]["format"]
    request = ModelRequest(
        [UserMessage("Weather in Oslo?")],
        tools=[WEATHER],
        tool_choice="auto",
        response_format=ResponseFormat("json_schema", described["name"], described["schema"], strict=True),
        settings=ModelSettings(
            max_tokens=1024,
            parallel_tool_calls=True,
            verbosity="low",
            reasoning_effort="low",
            extra={"reasoning": {"summary": "auto"}},
        ),
    )
    sent = json.loads(Encoder("gpt-5.4-mini", Profile()).body(request, stream=True))
    assert sent == wanted
    known(sent)


def test_the_sample_followup_is_the_reasoning_the_call_and_its_output(known: Known) -> None:
    kept = [THOUGHT, {"type": "function_call", "name": "get_weather"}]
    history: list[Message] = [UserMessage("?"), answer(CALL, kept=kept), ToolMessage("call_1", "get_weather", "7 C")]
    sent = body(ModelRequest(history, settings=HIGH))
    assert sent["input"][1:] == SAMPLE["followup_input_items"]
    known(sent)


def test_every_setting_is_sent_under_its_name(known: Known) -> None:
    settings = ModelSettings(
        max_tokens=16,
        temperature=0.5,
        top_p=0.9,
        parallel_tool_calls=False,
        logprobs=True,
        top_logprobs=3,
        reasoning_effort="none",
        verbosity="high",
        service_tier="flex",
        prompt_cache_key="k",
        user="u",
        extra={"metadata": {"a": "b"}, "include": ["message.input_image.image_url"], "text": {}},
    )
    sent = body(ModelRequest([UserMessage("Hi")], settings=settings))
    known(sent)
    assert sent == {
        "model": "m",
        "max_output_tokens": 16,
        "temperature": 0.5,
        "top_p": 0.9,
        "parallel_tool_calls": False,
        "top_logprobs": 3,
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "user": "u",
        "reasoning": {"effort": "none"},
        "text": {"verbosity": "high"},
        "metadata": {"a": "b"},
        "include": ["message.output_text.logprobs", "message.input_image.image_url"],
        "input": [{"role": "user", "content": "Hi"}],
    }


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (ModelSettings(stop="."), "stop"),
        (ModelSettings(presence_penalty=1), "presence_penalty"),
        (ModelSettings(frequency_penalty=1), "frequency_penalty"),
        (ModelSettings(seed=1), "seed"),
        (ModelSettings(logit_bias={"1": 1}), "logit_bias"),
        (ModelSettings(prediction="x"), "prediction"),
        (ModelSettings(extra={"input": ["x"]}), "input"),
        (ModelSettings(extra={"instructions": "x"}), "instructions"),
        (ModelSettings(extra={"previous_response_id": "resp_1"}), "previous_response_id"),
        (ModelSettings(extra={"conversation": "conv_1"}), "conversation"),
        (ModelSettings(extra={"background": True}), "background"),
        (ModelSettings(extra={"reasoning": "high"}), "reasoning"),
    ],
)
def test_what_this_api_does_not_have_is_refused_by_name(settings: ModelSettings, name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        body(ModelRequest([UserMessage("Hi")], settings=settings))


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        (ModelSettings(), {}),
        (ModelSettings(reasoning_effort="none"), {"reasoning": {"effort": "none"}}),
        (
            HIGH,
            {"reasoning": {"effort": "high"}, "store": False, "include": ["reasoning.encrypted_content"]},
        ),
        (
            ModelSettings(extra={"reasoning": {"summary": "auto"}}),
            {"reasoning": {"summary": "auto"}, "store": False, "include": ["reasoning.encrypted_content"]},
        ),
        (
            ModelSettings(reasoning_effort="high", extra={"store": True}),
            {"reasoning": {"effort": "high"}, "store": True},
        ),
        (ModelSettings(extra={"store": False}), {"store": False}),
    ],
)
def test_reasoning_is_asked_for_encrypted_when_it_is_asked_for_at_all(
    settings: ModelSettings, sent: dict[str, Any]
) -> None:
    whole = body(ModelRequest([UserMessage("Hi")], settings=settings))
    assert {name: whole[name] for name in whole if name not in ("model", "input")} == sent


def test_a_server_that_takes_no_reasoning_back_is_not_asked_for_it() -> None:
    sent = body(ModelRequest([UserMessage("Hi")], settings=HIGH), Profile(replay_reasoning=False))
    assert "include" not in sent
    assert "store" not in sent


def test_strict_is_said_either_way_because_its_absence_means_true(known: Known) -> None:
    loose = ResponseFormat("json_schema", "x", PARAMETERS)
    sent = body(ModelRequest([UserMessage("Hi")], tools=[WEATHER, STRICT], response_format=loose))
    known(sent)
    assert [tool["strict"] for tool in sent["tools"]] == [False, True]
    assert sent["text"]["format"]["strict"] is False
    without = body(
        ModelRequest([UserMessage("Hi")], tools=[WEATHER, STRICT], response_format=loose), Profile(strict=False)
    )
    assert "strict" not in json.dumps(without["tools"] + [without["text"]]).replace('"name": "strict"', "")


def test_json_object_and_the_choices_of_tools() -> None:
    asked = ModelRequest(
        [UserMessage("JSON")],
        tools=[WEATHER],
        tool_choice="get_weather",
        response_format=ResponseFormat("json_object"),
        settings=ModelSettings(verbosity="low"),
    )
    sent = body(asked)
    assert sent["tool_choice"] == {"type": "function", "name": "get_weather"}
    assert sent["text"] == {"format": {"type": "json_object"}, "verbosity": "low"}
    fewer = Profile(tool_choices=frozenset({"auto", "required"}))
    assert body(asked, fewer)["tool_choice"] == "required"


def test_instructions_have_their_own_field_and_system_messages_their_place(known: Known) -> None:
    history: list[Message] = [SystemMessage("One."), UserMessage("Hi"), SystemMessage("Two.")]
    sent = body(ModelRequest(history, instructions="Be brief."), Profile(system_role="developer"))
    known(sent)
    assert sent["instructions"] == "Be brief."
    assert [item["role"] for item in sent["input"]] == ["developer", "user", "developer"]
    merged = body(ModelRequest(history, instructions="Be brief."), Profile(merge_system=True))
    assert merged["instructions"] == "Be brief.\n\nOne."
    assert [item["role"] for item in merged["input"]] == ["user", "system"]


def test_images_and_files_of_the_user_and_of_tools(known: Known) -> None:
    shown = UserMessage([TextPart("Look."), ImagePart(data=PNG), ImagePart("https://e.org/a.png", detail="low")])
    pdf = FilePart(b"%PDF", "application/pdf", "a.pdf")
    history: list[Message] = [
        shown,
        UserMessage([pdf]),
        AssistantMessage([CALL]),
        ToolMessage("call_1", "get_weather", [TextPart("Seen."), TextPart(""), ImagePart(data=PNG)]),
    ]
    sent = body(ModelRequest(history))
    known(sent)
    image = {"type": "input_image", "image_url": PNG_URI, "detail": "auto"}
    assert sent["input"] == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look."},
                image,
                {"type": "input_image", "image_url": "https://e.org/a.png", "detail": "low"},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}
            ],
        },
        CALL_ITEM,
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [{"type": "input_text", "text": "Seen."}, image],
        },
    ]
    for blind in (history[:1], history[2:]):
        with pytest.raises(ConfigurationError, match="vision"):
            body(ModelRequest(blind), Profile(vision=False))


@pytest.mark.parametrize("empty", [UserMessage(" "), UserMessage([]), SystemMessage("")])
def test_an_empty_message_is_refused(empty: Message) -> None:
    with pytest.raises(ConfigurationError, match=r"messages\[0\] has no content"):
        items(empty)


def test_an_answer_of_another_wire_becomes_the_items_that_say_the_same(known: Known) -> None:
    broken = ToolCall("b", "get_weather", None, '{"city"', "cut")
    bare = ToolCall("c", "get_weather", {"x": 1}, "", extra={"google": {"thought_signature": "s"}})
    chat = AssistantMessage(
        [ReasoningPart("Hm."), TextPart("One ", "tool"), TextPart("two.", "tool"), CALL, broken, bare],
        extra={"reasoning_details": [{"type": "x"}]},
    )
    outputs = [ToolMessage(call_id, "get_weather", "7 C") for call_id in ("call_1", "b", "c")]
    sent = body(ModelRequest([UserMessage("Hi"), chat, *outputs, AssistantMessage([RefusalPart("No.")])]))
    known(sent)
    assert sent["input"][1:5] == [
        {"role": "assistant", "content": "One two."},
        CALL_ITEM,
        {**CALL_ITEM, "call_id": "b", "arguments": '{"invalid_json":"{\\"city\\""}'},
        {**CALL_ITEM, "call_id": "c", "arguments": '{"x":1}'},
    ]
    assert sent["input"][-1] == {"role": "assistant", "content": "No."}
    assert items(UserMessage("Hi"), AssistantMessage([]))[1:] == [{"role": "assistant", "content": ""}]


KEPT: list[dict[str, Any]] = [
    {"type": "message", "id": "msg_1", "phase": "commentary", "content": [{"type": "output_text"}]},
    THOUGHT,
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"type": "reasoning", "id": "rs_2", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "e"},
    {"type": "function_call", "id": "fc_1", "name": "get_weather"},
    {
        "type": "message",
        "id": "msg_2",
        "status": "incomplete",
        "content": [{"type": "output_text", "annotations": []}, {"type": "refusal"}],
    },
]
RICH = answer(
    TextPart("Let me see.", "tool"),
    ReasoningPart("Hm.", "summary"),
    CALL,
    TextPart("So", "tool"),
    RefusalPart("no."),
    kept=KEPT,
)
RESULT = ToolMessage("call_1", "get_weather", "7 C")


def test_an_answer_of_this_wire_goes_back_as_the_items_that_it_came_as(known: Known) -> None:
    restored = History.from_json(History([UserMessage("Hi"), RICH, RESULT]).to_json())
    sent = body(ModelRequest(restored, settings=HIGH))
    known(sent)
    text = {"type": "output_text", "annotations": [], "logprobs": []}
    message = {"type": "message", "role": "assistant"}
    assert sent["input"][1:-1] == [
        {
            **message,
            "id": "msg_1",
            "status": "completed",
            "phase": "commentary",
            "content": [{**text, "text": "Let me see."}],
        },
        THOUGHT,
        KEPT[2],
        KEPT[3],
        {**CALL_ITEM, "id": "fc_1"},
        {
            **message,
            "id": "msg_2",
            "status": "incomplete",
            "content": [{**text, "text": "So"}, {"type": "refusal", "refusal": "no."}],
        },
    ]


def test_a_server_that_knows_no_items_gets_no_ids_without_the_reasoning(known: Known) -> None:
    stored: list[dict[str, Any]] = [
        {"type": "reasoning", "id": "rs_9", "summary": []},
        {"type": "function_call", "id": "fc_9"},
    ]
    history: list[Message] = [UserMessage("Hi"), answer(CALL, kept=stored), RESULT]
    by_id = body(ModelRequest(history))["input"][1:3]
    assert by_id == [stored[0], {**CALL_ITEM, "id": "fc_9"}]
    stateless = body(ModelRequest(history, settings=HIGH))
    known(stateless)
    assert stateless["input"][1:] == [CALL_ITEM, {"type": "function_call_output", "call_id": "call_1", "output": "7 C"}]


def test_without_replay_only_what_the_parts_say_goes_back() -> None:
    sent = items(UserMessage("Hi"), RICH, RESULT, profile=Profile(replay_reasoning=False))
    assert sent[1:-1] == [
        {"role": "assistant", "content": "Let me see."},
        CALL_ITEM,
        {"role": "assistant", "content": "Sono."},
    ]


@pytest.mark.parametrize(
    "kept",
    [
        [THOUGHT],
        [THOUGHT, {"type": "function_call", "name": "other"}],
        [{"type": "message", "content": [{"type": "refusal"}]}, {"type": "function_call"}],
        [{"type": "message", "content": [3]}, {"type": "function_call"}],
        ["nonsense"],
        [{"type": ["list"]}],
        "nonsense",
        [{"type": "function_call"}, {"type": "function_call"}],
    ],
)
def test_items_that_the_parts_no_longer_fit_are_left_out(kept: Any) -> None:
    changed = AssistantMessage([TextPart("Yes.", "tool"), CALL], extra={"output_items": kept})
    assert items(UserMessage("Hi"), changed, RESULT)[1:-1] == [{"role": "assistant", "content": "Yes."}, CALL_ITEM]


def test_a_history_of_this_wire_says_nothing_strange_on_chat_completions(request_schema: Any) -> None:
    sent = json.loads(ChatEncoder("m", Profile()).body(ModelRequest([UserMessage("Hi"), RICH, RESULT]), stream=False))
    assert request_schema.invalid("/chat/completions", sent) + request_schema.unknown("/chat/completions", sent) == []
    assert sent["messages"][1] == {
        "role": "assistant",
        "content": "Let me see.So",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}
        ],
    }


def test_short_ids_stay_the_same_in_call_and_output() -> None:
    sent = items(UserMessage("Hi"), RICH, RESULT, profile=Profile(tool_id_length=9), settings=HIGH)
    ids = [item["call_id"] for item in sent if "call_id" in item]
    assert len(ids[0]) == 9
    assert ids[0] == ids[1]


def test_request_n_plus_one_begins_with_request_n_and_encodes_only_what_is_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    encode = Items.encode

    def counted(self: Items, messages: Any, index: int) -> list[dict[str, Any]]:
        made.append(index)
        return encode(self, messages, index)

    monkeypatch.setattr(Items, "encode", counted)
    encoder = Encoder("m", Profile())
    history = History([UserMessage("Hi")])
    before = encoder.body(ModelRequest(history, tools=[WEATHER], instructions="Be brief."), stream=True)
    for message in (RICH, RESULT, UserMessage("And?")):
        history = history.extended([message])
        after = encoder.body(ModelRequest(history, tools=[WEATHER], instructions="Be brief."), stream=True)
        assert after.startswith(before[:-2])
        before = after
    assert made == [0, 1, 2, 3]
