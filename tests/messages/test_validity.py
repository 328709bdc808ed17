"""Histories from anywhere: what is wrong with them is said, and repaired they are taken by the strictest server."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit.emulator import Emulator, Reply
from agentkit.emulator.checks.history import check_messages
from agentkit.emulator.dialects import DIALECTS
from agentkit.messages import (
    AssistantMessage,
    History,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    Repair,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
    repaired,
    violations,
)
from agentkit.models import ModelRequest, Profile
from agentkit.providers import ProviderModel
from agentkit.providers.chat_completions.encode import Encoder

ASKED = UserMessage("Weather in Oslo?")
NO_RESULT = "No result: this call was never answered, and its outcome is not known."
IDS = st.sampled_from(["", "a", "b", "c", "a_2", "call", "call_2"])
TEXTS = st.one_of(st.sampled_from(["", " ", "\n", "cold", "{}"]), st.text(max_size=8))
# Decoded arguments, and the text that they came from; the two do not always fit.
ARGUMENTS = st.sampled_from(
    [
        ({"city": "Oslo"}, '{"city":"Oslo"}'),
        ({"city": "Oslo"}, ""),
        ({}, ""),
        (None, '{"city":'),
        (None, ""),
        ({"city": "Oslo"}, '{"city":"Os'),
        ({"city": "Oslo"}, "[1]"),
        ({"n": float("nan")}, ""),
        ({"n": {1, 2}}, ""),
    ]
)
CALLS = st.builds(
    lambda call_id, name, arguments: ToolCall(call_id, name, *arguments),
    IDS,
    st.sampled_from(["look", "look", "save", ""]),
    ARGUMENTS,
)
SHOWN = st.lists(st.one_of(TEXTS.map(TextPart), st.just(ImagePart(url="https://example.org/a.png"))), max_size=3)
SAID = st.one_of(TEXTS.map(TextPart), TEXTS.map(lambda text: ReasoningPart(text, "think")), TEXTS.map(RefusalPart))
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    TEXTS.map(SystemMessage),
    SHOWN.map(UserMessage),
    st.builds(lambda said, calls: AssistantMessage([*said, *calls]), st.lists(SAID, max_size=2), st.lists(CALLS)),
    st.builds(lambda calls: AssistantMessage(calls), st.lists(CALLS, min_size=1, max_size=3)),
    st.builds(ToolMessage, IDS, st.sampled_from(["look", ""]), SHOWN, is_error=st.booleans()),
    st.builds(ToolMessage, IDS, st.just("look"), TEXTS),
)
HISTORIES = st.lists(MESSAGES, max_size=9)


def calls(*ids: str) -> AssistantMessage:
    return AssistantMessage([ToolCall(call_id, "look", {}, "{}") for call_id in ids])


def answer(call_id: str, text: str = "cold") -> ToolMessage:
    return ToolMessage(call_id, "look", text)


def unknown(call_id: str) -> ToolMessage:
    return ToolMessage(call_id, "look", NO_RESULT, is_error=True, trust="system")


@pytest.fixture(scope="module", params=["chat", "responses", "messages"])
def model(request: pytest.FixtureRequest) -> Iterator[Callable[[], ProviderModel]]:
    """Models that ask an embedded gateway, through each of the wires in turn."""
    dialect = "anthropic" if request.param == "messages" else "openai"
    surface: Any = request.param
    with Emulator(lambda request: Reply(text="cold"), gateway=dialect) as gateway:

        def make() -> ProviderModel:
            made: ProviderModel = gateway.model(surface=surface)
            return made

        yield make


def test_a_history_as_the_loop_leaves_it_is_valid_and_is_left_as_it_is() -> None:
    messages = (
        SystemMessage("Be brief."),
        ASKED,
        calls("a", "b"),
        answer("a"),
        answer("b", ""),
        SystemMessage("Be briefer."),
        AssistantMessage([ToolCall("c", "look", None, '{"city":', "cut")]),
        answer("c"),
        AssistantMessage([RefusalPart("no")]),
        UserMessage([ImagePart(data=b"\x89PNG\r\n\x1a\n")]),
    )
    assert violations(messages) == ()
    repair = repaired(messages)
    assert repair == Repair(messages, ())
    assert all(one is other for one, other in zip(repair.messages, messages, strict=True))
    assert (violations(()), repaired(())) == ((), Repair((), ()))


@pytest.mark.parametrize(
    ("messages", "found", "left", "changes"),
    [
        pytest.param(
            [ASKED, calls("a"), ASKED],
            ["messages[1]: no answer before the next message to: 'a'"],
            [ASKED, calls("a"), unknown("a"), ASKED],
            ["messages[1]: answered the call 'a', which had no answer, with an error"],
            id="a call without its answer",
        ),
        pytest.param(
            [ASKED, calls("a", "b"), answer("b")],
            ["messages[1]: no answer before the next message to: 'a'"],
            [ASKED, calls("a", "b"), unknown("a"), answer("b")],
            ["messages[1]: answered the call 'a', which had no answer, with an error"],
            id="calls that are open at the end",
        ),
        pytest.param(
            [answer("a"), ASKED, answer("b")],
            [
                "messages[0]: the answer to 'a' follows no message with calls",
                "messages[2]: the answer to 'b' follows no message with calls",
            ],
            [ASKED],
            [
                "messages[0]: dropped a result of 'look': no call 'a' before it",
                "messages[2]: dropped a result of 'look': no call 'b' before it",
            ],
            id="answers without a call",
        ),
        pytest.param(
            [calls("a"), answer("a"), answer("a", "warm"), answer("x")],
            [
                "messages[2]: the call 'a' is answered a second time",
                "messages[3]: no call before it has the id 'x'",
            ],
            [calls("a"), answer("a")],
            [
                "messages[2]: dropped a second answer to 'a'",
                "messages[3]: dropped a result of 'look': no call 'x' before it",
            ],
            id="two answers to one call",
        ),
        pytest.param(
            [calls("a", "b"), answer("b"), answer("a")],
            ["messages[0]: the answers are not in the order of the calls"],
            [calls("a", "b"), answer("a"), answer("b")],
            ["messages[2]: moved the answer to 'a' behind its call, in call order"],
            id="answers out of order",
        ),
        pytest.param(
            [calls("a"), ASKED, answer("a")],
            [
                "messages[0]: no answer before the next message to: 'a'",
                "messages[2]: the answer to 'a' follows no message with calls",
            ],
            [calls("a"), answer("a"), ASKED],
            ["messages[2]: moved the answer to 'a' behind its call, in call order"],
            id="an answer that came late",
        ),
        pytest.param(
            [calls("a"), answer("a"), calls("a"), answer("a", "warm"), calls("a_2"), answer("a_2")],
            ["messages[2]: the id 'a' belongs to an earlier call"],
            [calls("a"), answer("a"), calls("a_3"), answer("a_3", "warm"), calls("a_2"), answer("a_2")],
            ["messages[2]: renamed the call 'a', whose id is missing or used before, to 'a_3'"],
            id="an id that was used before",
        ),
        pytest.param(
            [calls("a", "a"), answer("a"), answer("a", "warm")],
            ["messages[0]: the id 'a' belongs to an earlier call"],
            [calls("a", "a_2"), answer("a"), answer("a_2", "warm")],
            ["messages[0]: renamed the call 'a', whose id is missing or used before, to 'a_2'"],
            id="one id for two calls at once",
        ),
        pytest.param(
            [AssistantMessage([ToolCall("", "", {}, "{}")]), ToolMessage("", "", "cold")],
            ["messages[0]: a call of '' has no id", "messages[0]: the call '' names no tool"],
            [AssistantMessage([ToolCall("call_2", "unnamed_tool", {}, "{}")]), ToolMessage("call_2", "", "cold")],
            [
                "messages[0]: renamed the call '', whose id is missing or used before, to 'call_2'",
                "messages[0]: named the tool of the call 'call_2' 'unnamed_tool': it had no name",
            ],
            id="a call without id and name",
        ),
        pytest.param(
            [UserMessage(" "), AssistantMessage([ReasoningPart("Hm.")]), SystemMessage(""), ASKED],
            [f"messages[{index}]: the message is empty" for index in range(3)],
            [ASKED],
            [f"messages[{index}]: dropped the empty message" for index in range(3)],
            id="empty messages",
        ),
    ],
)
def test_each_fault_is_named_and_repaired(
    messages: list[Message], found: list[str], left: list[Message], changes: list[str]
) -> None:
    assert violations(messages) == tuple(found)
    assert repaired(messages) == Repair(tuple(left), tuple(changes))


def test_cut_arguments_are_kept_as_text_beside_the_reason() -> None:
    cut = AssistantMessage(
        [TextPart("Now.", "tool"), ToolCall("a", "look", {"city": "Os"}, '{"city":"Os', extra={"k": 1})]
    )
    (found,) = violations([cut, answer("a")])
    assert found.startswith("messages[0]: the call 'a': the arguments are not JSON: ")
    message, kept = repaired([cut, answer("a")]).messages
    assert isinstance(message, AssistantMessage)
    assert message.parts[0] is cut.parts[0]
    (call,) = message.tool_calls
    problem = found.removeprefix("messages[0]: the call 'a': ")
    assert call == ToolCall("a", "look", None, '{"city":"Os', problem, extra={"k": 1})
    assert kept == answer("a")


def test_a_result_answers_the_nearest_call_before_it_and_never_one_that_comes_later() -> None:
    messages: list[Message] = [calls("a"), ASKED, calls("a"), answer("a", "warm"), ASKED, answer("b"), calls("b")]
    assert repaired(messages).messages == (
        calls("a"),
        unknown("a"),
        ASKED,
        calls("a_2"),
        answer("a_2", "warm"),
        ASKED,
        calls("b"),
        unknown("b"),
    )


@settings(max_examples=150, deadline=None)
@given(HISTORIES)
def test_whatever_the_messages_repaired_they_are_valid_and_stay_so(messages: list[Message]) -> None:
    repair = repaired(messages)
    assert violations(repair.messages) == ()
    again = repaired(repair.messages)
    assert again == Repair(repair.messages, ())
    assert all(one is other for one, other in zip(again.messages, repair.messages, strict=True))
    assert bool(repair.changes) == bool(violations(messages))
    assert (repaired(History(messages)), violations(History(messages))) == (repair, violations(messages))


@settings(max_examples=100, deadline=None)
@given(HISTORIES, HISTORIES)
def test_what_was_valid_at_the_beginning_stands_untouched(messages: list[Message], more: list[Message]) -> None:
    valid = repaired(messages).messages
    longer = repaired([*valid, *more]).messages
    assert all(one is other for one, other in zip(valid, longer, strict=False))
    assert len(longer) >= len(valid)


@settings(max_examples=100, deadline=None)
@given(HISTORIES)
def test_every_word_of_users_and_models_and_every_call_survives_in_order(messages: list[Message]) -> None:
    after = repaired(messages).messages
    assert _said(after) == _said(messages)
    assert [name or "unnamed_tool" for name in _called(messages)] == _called(after)
    assert (_results(after) - _results(messages)).keys() <= {NO_RESULT}


@settings(max_examples=600, deadline=None)
@given(HISTORIES)
def test_the_strictest_server_finds_nothing_in_repaired_messages(messages: list[Message]) -> None:
    assert list(_problems(repaired(messages).messages)) == []


@settings(max_examples=150, deadline=None)
@given(HISTORIES)
def test_messages_in_which_nothing_is_wrong_are_taken_by_the_strictest_server(messages: list[Message]) -> None:
    if violations(messages) == ():
        assert list(_problems(messages)) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=HISTORIES)
def test_the_gateway_answers_repaired_messages_on_every_wire(
    model: Callable[[], ProviderModel], messages: list[Message]
) -> None:
    async def main() -> str | None:
        async with model() as asked:
            request = ModelRequest([ASKED, *repaired(messages).messages, ASKED])
            return (await asked.respond(request)).message.text

    assert anyio.run(main) == "cold"


@pytest.mark.parametrize(
    "block",
    [
        pytest.param([ASKED, calls("a"), answer("a")], id="one id for all"),
        pytest.param([calls("a"), ASKED], id="no answers"),
        pytest.param([answer("a"), UserMessage("")], id="nothing to keep"),
    ],
)
def test_ten_thousand_messages_are_looked_at_a_few_times_each(block: list[Message]) -> None:
    def looked_at(count: int) -> int:
        counted = _Counted(block * count)
        assert violations(repaired(counted).messages) == ()
        violations(counted)
        return counted.looked_at

    few, many = looked_at(500), looked_at(5000)
    assert many <= few * 10 + 100


def test_the_calls_of_one_message_are_answered_in_one_pass() -> None:
    ids = [f"call_{index}" for index in range(10_000)]
    messages: list[Message] = [calls(*ids), *(answer(call_id) for call_id in reversed(ids))]
    assert violations(messages) == ("messages[0]: the answers are not in the order of the calls",)
    assert repaired(messages).messages == (calls(*ids), *(answer(call_id) for call_id in ids))
    assert len(violations([calls(*["a"] * 10_000)])) == 10_000
    assert violations(repaired([calls(*["a"] * 10_000)]).messages) == ()


class _Counted(Sequence[Any]):
    def __init__(self, messages: list[Message]) -> None:
        self._messages = messages
        self.looked_at = 0

    def __len__(self) -> int:
        return len(self._messages)

    def __getitem__(self, index: Any) -> Any:
        found = self._messages[index]
        self.looked_at += len(found) if isinstance(index, slice) else 1
        return found


def _problems(messages: Sequence[Message]) -> Iterator[object]:
    if not messages:
        return
    body = json.loads(Encoder("gpt-5-mini", Profile()).body(ModelRequest(messages), stream=False))
    yield from check_messages(body["messages"], DIALECTS["openai"])


def _said(messages: Sequence[Message]) -> list[str]:
    """What users and models said, word by word; messages in which nobody said anything do not count."""
    said: list[str] = []
    for message in messages:
        if isinstance(message, UserMessage):
            seen = any(isinstance(part, ImagePart) for part in message.parts)
            said += [message.text] if message.text.strip() or seen else []
        elif isinstance(message, AssistantMessage):
            text = (message.text or "") + (message.refusal or "")
            said += [text] if text.strip() or message.tool_calls else []
    return said


def _called(messages: Sequence[Message]) -> list[str]:
    return [call.name for message in messages if isinstance(message, AssistantMessage) for call in message.tool_calls]


def _results(messages: Sequence[Message]) -> Counter[str]:
    return Counter(message.text for message in messages if isinstance(message, ToolMessage))
