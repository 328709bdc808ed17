"""Histories that do not fit, and histories from outside that are not valid to send."""

from collections.abc import Mapping
from typing import Any

import pytest

from agentkit import Agent, ContextOverflow, ModelSettings
from agentkit.emulator import Emulator, Raw, Reply
from agentkit.messages import (
    AssistantMessage,
    History,
    Message,
    ToolCall,
    ToolMessage,
    UserMessage,
    violations,
)
from agentkit.models import Profile
from agentkit.runtime import DropOldest, Summarise

pytestmark = pytest.mark.anyio

OVERFLOW = Raw(
    (
        b'{"error":{"message":"This model\'s maximum context length is 400 tokens, however you requested more.",'
        b'"type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}',
    ),
    status=400,
)


def talk(turns: int) -> list[Message]:
    messages: list[Message] = []
    for turn in range(turns):
        messages += [UserMessage(f"Question {turn}: " + "why " * 40), AssistantMessage(f"Answer {turn}: " + "so " * 40)]
    return messages


def small_server(request: Mapping[str, Any]) -> Reply | Raw:
    """Takes ten messages."""
    return OVERFLOW if len(request["messages"]) > 10 else Reply("done")


async def test_a_refused_history_is_compacted_once_and_sent_again() -> None:
    with Emulator(small_server, gateway="openai") as gateway:
        settings = ModelSettings(max_tokens=50)
        agent = Agent(gateway.model(), compaction=DropOldest(), settings=settings)
        result = await agent.run("And now?", history=talk(10))

    assert result.output == "done"
    assert len(gateway.requests) == 2
    assert violations(result.messages) == ()
    assert result.messages[-2] == UserMessage("And now?")
    assert result.new_messages == (UserMessage("And now?"), AssistantMessage("done"))
    assert any("the history was compacted from 21 to" in warning for warning in result.warnings)


async def test_one_that_is_refused_again_is_the_error_that_it_is() -> None:
    with Emulator(lambda _: OVERFLOW, gateway="openai") as gateway, pytest.raises(ContextOverflow) as caught:
        await Agent(gateway.model(), compaction=DropOldest()).run("And now?", history=talk(10))

    assert len(gateway.requests) == 2
    assert caught.value.history is not None


async def test_without_a_compaction_nothing_is_left_out() -> None:
    with Emulator(lambda _: OVERFLOW, gateway="openai") as gateway, pytest.raises(ContextOverflow):
        await Agent(gateway.model()).run("And now?", history=talk(10))

    assert len(gateway.requests) == 1


async def test_a_declared_context_is_kept_without_a_refusal() -> None:
    with Emulator(lambda _: Reply("done"), gateway="openai") as gateway:
        model = gateway.model(profile=Profile(gateway="openai", context=800, max_output=100))
        result = await Agent(model, compaction=DropOldest()).run("And now?", history=talk(20))

    assert result.output == "done"
    assert len(gateway.requests) == 1
    assert len(gateway.requests[0].body["messages"]) < 20


async def test_a_summary_is_asked_of_the_runs_own_model_and_counts() -> None:
    def reply(request: Mapping[str, Any]) -> Reply | Raw:
        told = request["messages"][0]["content"]
        return Reply("They talked.") if "Summarise" in str(told) else small_server(request)

    with Emulator(reply, gateway="openai") as gateway:
        agent = Agent(gateway.model(), compaction=Summarise(), settings=ModelSettings(max_tokens=50))
        result = await agent.run("And now?", history=talk(10))

    assert result.output == "done"
    assert result.usage.requests == 3
    assert any("They talked." in getattr(message, "text", "") for message in result.messages)


async def test_a_history_from_outside_is_repaired_and_the_repair_is_told() -> None:
    broken: list[Message] = [
        UserMessage("Hi"),
        AssistantMessage([ToolCall("call_1", "look", {}, "{}"), ToolCall("call_1", "look", {}, "{}")]),
        ToolMessage("call_1", "look", "7 C"),
        ToolMessage("call_9", "look", "nobody asked"),
    ]
    with Emulator([Reply("fine"), Reply("still fine")]) as gateway:
        first = await Agent(gateway.model()).run("Go on", history=broken)
        second = await Agent(gateway.model()).run("Go on", history=first.messages)

    assert violations(first.messages) == ()
    assert all(warning.startswith("the history was repaired: ") for warning in first.warnings)
    assert first.warnings
    assert (second.output, second.warnings) == ("still fine", ())


async def test_a_valid_history_is_the_callers_own_and_is_looked_at_once() -> None:
    history = History(talk(2))
    with Emulator([Reply("a"), Reply("b")]) as gateway:
        result = await Agent(gateway.model()).run("Go on", history=history)

    assert history.is_sound
    assert result.messages.is_sound
    assert result.messages[:4] == history[:]
    assert not result.messages.prefix(5).is_sound
