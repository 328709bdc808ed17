"""Tools that a server brings itself go out after the request's own, as they stand."""

import json
from typing import Any

import anyio
import pytest

from agentkit.emulator import Emulator, Raw
from agentkit.errors import BadRequest, ConfigurationError
from agentkit.messages import AssistantMessage, History, UserMessage
from agentkit.models import ModelRequest, ModelSettings, Profile, ToolDefinition
from agentkit.providers import ChatCompletionsModel, LearnedProfiles, RunwareModel
from agentkit.providers.chat_completions.model import ChatCompletionsWire
from agentkit.providers.messages.model import MessagesWire
from agentkit.providers.responses.model import ResponsesWire
from agentkit.providers.wire import MakeWire

HI = UserMessage("Hi")
LOOKUP = ToolDefinition("lookup", "Looks up.", {"type": "object", "properties": {}})
SEARCH = {"type": "web_search", "filters": {"domains": ["example.org"]}}
WIRES = [ChatCompletionsWire, MessagesWire, ResponsesWire]


def with_search(*tools: Any) -> ModelSettings:
    return ModelSettings(extra={"tools": [*tools]})


@pytest.mark.parametrize("make", WIRES)
def test_they_stand_after_the_requests_own(make: MakeWire) -> None:
    wire = make("m", Profile())

    def tools(*own: ToolDefinition, settings: ModelSettings | None = None) -> Any:
        body = wire.body(ModelRequest([HI], tools=own, settings=settings), stream=False)
        return json.loads(body).get("tools")

    (lookup,) = tools(LOOKUP)
    assert tools(LOOKUP, settings=with_search(SEARCH)) == [lookup, SEARCH]
    assert tools(settings=with_search(SEARCH)) == [SEARCH]
    assert tools(settings=with_search()) is None
    assert tools(LOOKUP) == [lookup]


@pytest.mark.parametrize("make", WIRES)
def test_a_request_begins_with_the_bytes_of_the_one_before(make: MakeWire) -> None:
    wire, history = make("m", Profile()), History([HI])
    longer = history.extended([AssistantMessage("Hello"), UserMessage("And?")])
    first, second = (
        wire.body(ModelRequest(each, tools=(LOOKUP,), settings=with_search(SEARCH)), stream=True)
        for each in (history, longer)
    )

    assert second.startswith(first.rstrip(b"]}"))


@pytest.mark.anyio
@pytest.mark.parametrize("given", ["web_search", {"type": "web_search"}, ["web_search"], 5])
async def test_what_is_no_list_of_objects_is_refused_before_the_request(given: Any) -> None:
    model = ChatCompletionsModel("m", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ConfigurationError, match=r"settings.extra holds tools=.* no list of objects"):
        await model.respond(ModelRequest([HI], settings=ModelSettings(extra={"tools": given})))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (ChatCompletionsModel("m", gateway="modelstream/form", api_key="k"), "has no place for tools"),
        (RunwareModel("m", api_key="k"), "settings.extra holds tools"),
        (ChatCompletionsModel("m", base_url="http://127.0.0.1:9", profile=Profile(tools=False)), "takes no tools"),
    ],
)
async def test_where_there_is_no_place_for_them_they_are_refused(model: ChatCompletionsModel, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        await model.respond(ModelRequest([HI], settings=with_search(SEARCH)))


@pytest.mark.anyio
@pytest.mark.outside_openai("ByteSpike's page has web search as a tool of Chat Completions")
async def test_a_server_that_refuses_them_gets_no_request_without_them() -> None:
    said = {"error": {"message": "Unknown parameter: 'tools'.", "type": "invalid_request_error", "param": "tools"}}
    with Emulator([Raw((json.dumps(said).encode(),), status=400)], gateway="bytespike") as gateway:
        with anyio.fail_after(5):
            async with gateway.model(learned=LearnedProfiles()) as model:
                with pytest.raises(BadRequest):
                    await model.respond(ModelRequest([HI], settings=with_search(SEARCH)))

    assert len(gateway.requests) <= 1
