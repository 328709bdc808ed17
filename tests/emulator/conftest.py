"""A client for the embedded gateway that is not agentkit's own, so that the two cannot be wrong in the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import httpx
import pytest

from agentkit.emulator import Emulator


class Ask(Protocol):
    """Posts one chat request: a minimal valid body with the fields in `changes` set or, where `...`, left out."""

    def __call__(
        self, gateway: Emulator, headers: Mapping[str, str] | None = None, /, **changes: Any
    ) -> httpx.Response: ...


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield client


@pytest.fixture
def ask(client: httpx.Client) -> Ask:
    def ask(gateway: Emulator, headers: Mapping[str, str] | None = None, /, **changes: Any) -> httpx.Response:
        sent = {"authorization": f"Bearer {gateway.key}", **(headers or {})}
        models = client.get(f"{gateway.url}/models", headers={"authorization": f"Bearer {gateway.key}"}).json()
        body = {"model": models["data"][0]["id"], "messages": [{"role": "user", "content": "Hi"}], **changes}
        body = {name: value for name, value in body.items() if value is not ...}
        return client.post(f"{gateway.url}/chat/completions", json=body, headers=sent)

    return ask
