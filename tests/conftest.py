"""For every test: both async backends, an environment without keys or proxies, and OpenAI's schema of what is sent."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentkit.providers.learned import process_profiles

from .request_schema import RequestSchema
from .sent_requests import SentRequests

_LEFT_OUT = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_SCHEMA = Path(__file__).parents[2] / "shared" / "reference" / "openai-requests.schema.json"


def pytest_configure(config: pytest.Config) -> None:
    if _SCHEMA.exists():
        config.pluginmanager.register(SentRequests(RequestSchema.read(_SCHEMA)), "sent_requests")


@pytest.fixture
def sent_requests(pytestconfig: pytest.Config) -> SentRequests:
    """The plugin that watches what is sent; skips the test where OpenAI's request schema is not there."""
    plugin = pytestconfig.pluginmanager.get_plugin("sent_requests")
    if plugin is None:
        pytest.skip("OpenAI's request schema is not beside this checkout")
    assert isinstance(plugin, SentRequests)
    return plugin


@pytest.fixture
def request_schema(sent_requests: SentRequests) -> RequestSchema:
    return sent_requests.schema


@pytest.fixture
def valid_request(request_schema: RequestSchema) -> Callable[[Any], None]:
    """Fails the test when a decoded body is not a valid Chat Completions request; fields of vendors are let through."""

    def check(body: Any) -> None:
        assert request_schema.invalid("/chat/completions", body) == []

    return check


@pytest.fixture
def known_request(request_schema: RequestSchema) -> Callable[[Any], None]:
    """As `valid_request`, and fails the test for a field that OpenAI does not name."""

    def check(body: Any) -> None:
        assert request_schema.unknown("/chat/completions", body) == []

    return check


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what the machine has set nor what another test has learned of a port decides a test."""
    process_profiles.cache_clear()
    for name in list(os.environ):
        if name.upper() in _LEFT_OUT or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
