"""Presets as data, and the registry that turns a written name into a model."""

import datetime

import pytest

from agentkit.emulator import Emulator, Reply
from agentkit.errors import ConfigurationError
from agentkit.messages import UserMessage
from agentkit.models import ModelRequest, Profile
from agentkit.providers import GATEWAYS, ChatCompletionsModel, Gateway, Registry, default_registry
from agentkit.providers.model import ProviderModel
from agentkit.usage import Price, Usage

HI = ModelRequest([UserMessage("Hi")])


@pytest.mark.parametrize(
    ("name", "url", "model"),
    [
        ("toapis", "https://toapis.com/v1", "gpt-5-4-mini-official"),
        ("bytespike", "https://llm.bytespike.ai/v1", "gpt-5-4-mini"),
        ("modelstream", "https://api.modelstream.ai/v1", "gpt-4o-mini"),
        ("runware", "https://api.runware.ai/v1", "openai:gpt@5.4-mini"),
        ("llamacpp", "http://127.0.0.1:8080/v1", "default"),
    ],
)
def test_a_gateway_alone_means_the_model_of_its_page(name: str, url: str, model: str) -> None:
    found = Registry().model(name)

    assert isinstance(found, ChatCompletionsModel)
    assert (found.name, found.base_url, found.model) == (f"{name}:{model}", url, model)
    assert found.profile == GATEWAYS[name].profile_of(model)
    assert found.profile.gateway == name


@pytest.mark.parametrize("name", GATEWAYS)
def test_every_gateway_resolves_with_any_model_id(name: str) -> None:
    found = Registry().model(f"{name}:ft:gpt-4o-mini:acme::1a2b")

    assert isinstance(found, ProviderModel)
    assert found.surface == GATEWAYS[name].surface
    assert found.model == "ft:gpt-4o-mini:acme::1a2b"
    assert found.profile == GATEWAYS[name].profile


def test_a_name_is_split_at_its_first_colon() -> None:
    assert Registry().model("runware:openai:gpt@5.4-mini").name == "runware:openai:gpt@5.4-mini"


def test_an_unknown_gateway_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Registry().model("nowhere:gpt")

    assert str(caught.value) == (
        "'nowhere' is not a known gateway; known are toapis, bytespike, modelstream, runware, openai, anthropic, "
        "ollama, llamacpp, vllm, lmstudio: use 'gateway:model', or ChatCompletionsModel(model, base_url=...) for any "
        "other OpenAI-compatible server"
    )


def test_an_unknown_surface_of_a_gateway_is_refused_with_those_it_has() -> None:
    with pytest.raises(ConfigurationError, match="known are toapis, toapis/responses, toapis/messages: "):
        Registry().model("toapis/tasks:gpt")


@pytest.mark.parametrize("name", GATEWAYS)
def test_a_name_and_the_profile_of_its_errors_agree(name: str) -> None:
    gateway = GATEWAYS[name]

    assert {profile.gateway for profile in (gateway.profile, *gateway.models.values())} == {name}


@pytest.mark.parametrize("name", ["openai", "openai:", "ollama"])
def test_a_gateway_without_a_model_of_its_own_asks_for_one(name: str) -> None:
    gateway = name.partition(":")[0]

    with pytest.raises(ConfigurationError) as caught:
        Registry().model(name)

    assert str(caught.value) == (
        f"{name!r} names no model: write '{gateway}:' and the model's id, as in '{gateway}:name'"
    )


def test_the_same_name_gives_the_same_model_and_registries_share_nothing() -> None:
    one, other = Registry(), Registry()

    assert one.model("toapis") is one.model("toapis")
    assert one.model("toapis") is not other.model("toapis")
    assert default_registry() is default_registry()


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-5-4-mini-official", Price(0.60, 3.60, as_of=datetime.date(2026, 5, 2))),
        ("gpt-5-4-nano-official", Price(0.16, 0.96, as_of=datetime.date(2026, 5, 2))),
    ],
)
def test_prices_are_those_of_the_page_with_its_date(model: str, price: Price) -> None:
    assert GATEWAYS["toapis"].profile_of(model).price == price


def test_a_price_is_for_a_million_tokens_and_cached_input_has_its_own_where_known() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=500_000, cached_tokens=400_000)

    assert Price(0.60, 3.60).cost(usage) == pytest.approx(0.60 + 1.80)
    assert Price(0.60, 3.60, cached=0.06).cost(usage) == pytest.approx(0.36 + 0.024 + 1.80)


def test_an_unlisted_model_has_no_price_rather_than_a_wrong_one() -> None:
    assert GATEWAYS["toapis"].profile_of("gpt-9").price is None


def test_a_gateway_of_ones_own_is_used_like_a_preset() -> None:
    own = Gateway(name="own", base_url="http://127.0.0.1:9/v1/", key_required=False, profile=Profile(gateway="own"))
    model = ChatCompletionsModel("m", gateway=own)

    assert (model.name, model.base_url) == ("own:m", "http://127.0.0.1:9/v1")
    assert repr(model) == "ChatCompletionsModel('m', base_url='http://127.0.0.1:9/v1')"


def test_a_model_needs_an_address() -> None:
    with pytest.raises(ConfigurationError) as nowhere:
        ChatCompletionsModel("m")
    with pytest.raises(ConfigurationError) as wrong:
        ChatCompletionsModel("m", base_url="localhost:8080")

    assert str(nowhere.value) == "model 'm' needs base_url=, or gateway= with the name of a known one"
    assert str(wrong.value) == "base_url='localhost:8080' is not an http or https URL, such as 'https://host/v1'"


@pytest.mark.anyio
async def test_headers_of_ones_own_go_out_and_may_replace_agentkits() -> None:
    headers = {"User-Agent": "mine", "X-Title": "demo"}
    with Emulator([Reply("Hello")]) as gateway:
        async with gateway.model(headers=headers) as model:
            await model.respond(HI)

    sent = gateway.requests[0].headers
    assert (sent["user-agent"], sent["x-title"], sent["content-type"]) == ("mine", "demo", "application/json")


@pytest.mark.anyio
@pytest.mark.parametrize("dialect", ["toapis", "bytespike", "modelstream", "openai"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_each_gateways_dialect_is_spoken(dialect: str, stream: bool) -> None:
    with Emulator([Reply("Hello")], gateway=dialect) as gateway:
        async with gateway.model() as model:
            response = await model.respond(HI, stream=stream)

    assert (response.message.text, response.finish_reason) == ("Hello", "stop")
    assert response.usage.output_tokens > 0
    assert response.model == gateway.requests[0].body["model"]
    assert response.id.startswith("chatcmpl-")


@pytest.mark.anyio
async def test_limit_quota_and_request_headers_are_on_the_response() -> None:
    with Emulator([Reply("Hello")], gateway="bytespike") as gateway:
        async with gateway.model() as model:
            response = await model.respond(HI)

    assert {"x-request-id", "content-length"} & set(response.headers) == {"x-request-id"}
    assert any("quota" in name or "ratelimit" in name for name in response.headers)
