"""One job that every gateway has to do: two calls at once, their results, an answer; plain, streamed and structured."""

from collections.abc import Mapping
from typing import Any

import pytest

from agentkit import Tool, tool
from agentkit.emulator import Call, Reply


@tool(effect="read")
def get_weather(city: str) -> str:
    """The weather in one city."""
    return f"{city}: 7 degrees"


@pytest.fixture
def weather() -> Tool[..., Any]:
    return get_weather


@pytest.fixture
def brain() -> Any:
    """Calls the tool for both cities, then answers; in JSON where the request asks for that."""

    def reply(request: Mapping[str, Any]) -> Reply:
        messages = request["messages"]
        if request.get("tools") and not any(message["role"] == "tool" for message in messages):
            return Reply(calls=(Call("get_weather", {"city": "Oslo"}), Call("get_weather", {"city": "Rome"})))
        if "response_format" in request or "JSON Schema" in messages[0].get("content", ""):
            return Reply('{"city": "Oslo", "degrees": 7}')
        return Reply("Oslo and Rome: 7 degrees")

    return reply
