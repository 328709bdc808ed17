"""Fixtures for every test: both async backends, and an environment without keys or proxies."""

import os

import pytest

_LEFT_OUT = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine has set must not decide a test."""
    for name in list(os.environ):
        if name.upper() in _LEFT_OUT or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
