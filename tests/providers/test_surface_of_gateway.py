"""A preset is for one surface: a model of another one is not made with it."""

from dataclasses import replace
from typing import Any

import pytest

from agentkit.errors import ConfigurationError
from agentkit.providers import (
    GATEWAYS,
    ChatCompletionsModel,
    Gateway,
    MessagesModel,
    ProviderModel,
    ResponsesModel,
    RunwareModel,
)

OWN = Gateway(name="own", base_url="http://127.0.0.1:9/v1", key_required=False)
MADE = "base_url= and no gateway=, or a Gateway made with surface="
REFUSED: list[tuple[type[ProviderModel], str | Gateway, str]] = [
    (
        MessagesModel,
        "toapis",
        "gateway='toapis' is asked through chat_completions, and MessagesModel through messages: use "
        "ChatCompletionsModel, or gateway='toapis/messages'",
    ),
    (
        MessagesModel,
        GATEWAYS["toapis/responses"],
        "gateway='toapis/responses' is asked through responses, and MessagesModel through messages: use "
        "ResponsesModel, or gateway='toapis/messages'",
    ),
    (
        ChatCompletionsModel,
        "runware/tasks",
        "gateway='runware/tasks' is asked through tasks, and ChatCompletionsModel through chat_completions: use "
        "RunwareModel, or gateway='runware'",
    ),
    (
        ChatCompletionsModel,
        "anthropic",
        "gateway='anthropic' is asked through messages, and ChatCompletionsModel through chat_completions: use "
        f"MessagesModel, or {MADE}'chat_completions'",
    ),
    (
        RunwareModel,
        "openai",
        f"gateway='openai' is asked through chat_completions, and RunwareModel through tasks: use "
        f"ChatCompletionsModel, or {MADE}'tasks'",
    ),
    (
        ResponsesModel,
        OWN,
        "gateway='own' is asked through chat_completions, and ResponsesModel through responses: use "
        f"ChatCompletionsModel, or {MADE}'responses'",
    ),
]


@pytest.mark.parametrize(("make", "gateway", "sentence"), REFUSED)
@pytest.mark.parametrize("options", [{}, {"base_url": "http://127.0.0.1:9/v1"}], ids=["at home", "elsewhere"])
def test_a_gateway_of_another_surface_is_refused_and_the_right_one_named(
    make: type[ProviderModel], gateway: str | Gateway, sentence: str, options: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make("m", gateway=gateway, **options)

    assert str(caught.value) == sentence


@pytest.mark.parametrize("name", GATEWAYS)
def test_each_preset_makes_a_model_of_its_surface(name: str) -> None:
    classes = {each.surface: each for each in (ChatCompletionsModel, ResponsesModel, MessagesModel, RunwareModel)}

    assert classes[GATEWAYS[name].surface]("m", gateway=name).base_url == GATEWAYS[name].base_url


def test_an_own_gateway_says_its_surface() -> None:
    assert ResponsesModel("m", gateway=replace(OWN, surface="responses")).name == "own:m"
