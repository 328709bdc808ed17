"""Keys: where they come from, which are refused, and that none is ever shown."""

from contextlib import aclosing

import pytest

from agentkit.emulator import Emulator, Raw, Reply
from agentkit.errors import AuthenticationError, ConfigurationError, GatewayError, MissingKey
from agentkit.messages import UserMessage
from agentkit.models import AttemptStarting, ModelRequest
from agentkit.providers import ChatCompletionsModel
from agentkit.transport import RetryPolicy

pytestmark = pytest.mark.anyio
SECRET = "tk-3f9a-do-not-show"
HI = ModelRequest([UserMessage("Hi")])

BAD = [
    ("", "is empty"),
    (f"{SECRET}\n", "has a newline in it"),
    (f"{SECRET}\r\nx-evil: 1", "has a newline in it"),
    (f"Bearer {SECRET}", 'begins with "Bearer", which agentkit adds itself'),
    (f"bearer {SECRET}", 'begins with "Bearer", which agentkit adds itself'),
    (f" {SECRET}", "has a blank in it"),
    (f"{SECRET}\t", "has a blank in it"),
    (f"{SECRET}é", "has characters that are not printable ASCII"),
    (f"{SECRET}\x00", "has characters that are not printable ASCII"),
]


async def first(model: ChatCompletionsModel) -> object:
    async with aclosing(model.events(HI, stream=False)) as events:
        return await anext(events)


@pytest.mark.parametrize(("key", "problem"), BAD)
async def test_a_key_that_cannot_be_one_is_refused_without_showing_it(key: str, problem: str) -> None:
    model = ChatCompletionsModel("m", gateway="toapis", api_key=key)

    with pytest.raises(ConfigurationError) as caught:
        await first(model)

    assert str(caught.value) == (
        f"the key given as api_key= {problem}: set it to the bare key, as the gateway's page shows it"
    )
    assert SECRET not in str(caught.value) + repr(caught.value.__context__) + repr(model)


async def test_a_bad_key_in_the_environment_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOAPIS_API_KEY", f"{SECRET}\n")

    with pytest.raises(ConfigurationError, match="the key in TOAPIS_API_KEY has a newline in it") as caught:
        await first(ChatCompletionsModel("m", gateway="toapis"))

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("gateway", "variable"),
    [
        ("toapis", "TOAPIS_API_KEY"),
        ("bytespike", "BYTESPIKE_API_KEY"),
        ("modelstream", "MODELSTREAM_API_KEY"),
        ("runware", "RUNWARE_API_KEY"),
        ("openai", "OPENAI_API_KEY"),
    ],
)
async def test_a_missing_key_names_the_variable_before_any_request(gateway: str, variable: str) -> None:
    with pytest.raises(MissingKey) as caught:
        await first(ChatCompletionsModel("m", gateway=gateway))

    assert (caught.value.variable, str(caught.value)) == (
        variable,
        f"{gateway} wants an API key: set the environment variable {variable}, or pass api_key=",
    )


@pytest.mark.parametrize("gateway", ["ollama", "llamacpp", "vllm", "lmstudio"])
async def test_a_local_server_needs_no_key(gateway: str) -> None:
    assert await first(ChatCompletionsModel("m", gateway=gateway)) == AttemptStarting(1)


async def test_the_key_is_looked_up_at_the_first_request_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ChatCompletionsModel("m", gateway="toapis")
    monkeypatch.setenv("TOAPIS_API_KEY", SECRET)

    assert await first(model) == AttemptStarting(1)


async def test_a_presets_key_is_not_sent_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOAPIS_API_KEY", SECRET)

    with Emulator([Reply("Hello")], key="other") as gateway:
        async with ChatCompletionsModel("gpt-5-4-mini-official", gateway="toapis", base_url=gateway.url) as model:
            with pytest.raises(AuthenticationError):
                await model.respond(HI)

    sent = gateway.requests[0].headers
    assert SECRET not in repr(dict(sent))
    assert "authorization" not in sent


@pytest.mark.parametrize("status", [401, 200])
@pytest.mark.parametrize(
    "said",
    [
        b'{"error": {"message": "tk-3f9a-do-not-show", "code": "tk-3f9a-do-not-show", "a": ["tk-3f9a-do-not-show"]}}',
        b"<h1>tk-3f9a-do-not-show is not known</h1>",
    ],
    ids=["JSON", "HTML"],
)
async def test_an_answer_that_repeats_the_key_does_not_bring_it_into_the_error(status: int, said: bytes) -> None:
    with Emulator([Raw((said,), status=status)], key=SECRET) as gateway:
        async with gateway.model(retry=RetryPolicy(retries=0)) as model:
            with pytest.raises(GatewayError) as caught:
                await model.respond(HI)

    assert SECRET not in repr(vars(caught.value)) + str(caught.value)
    assert "[key]" in str(caught.value)


def test_a_password_in_a_base_url_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ChatCompletionsModel("m", base_url="http://user:hunter2@127.0.0.1:9/v1")
    assert "hunter2" not in str(caught.value)
    assert "base_url= holds a user or password" in str(caught.value)
