"""llama.cpp's HTTP server, started once for all tests here, with a model that is made on the spot."""

import contextlib
import importlib.util
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentkit.providers import ChatCompletionsModel, LearnedProfiles

ANSWER = "Big words"  # what the model says
TEXT = "hut"  # what it writes where JSON has a text

OWN_FIELDS = pytest.mark.outside_openai("a field that llama.cpp has of its own")

_PATIENCE = 60.0  # seconds to load the model


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """A running server. `address` is without the `/v1`."""

    address: str
    process: subprocess.Popen[str]

    def model(self, **options: Any) -> ChatCompletionsModel:
        """A model at it that has learned nothing yet; `options` are those of `ChatCompletionsModel`."""
        own = {"base_url": f"{self.address}/v1", "gateway": "llamacpp", "learned": LearnedProfiles()}
        return ChatCompletionsModel("any", **{**own, **options})

    def slots(self) -> list[dict[str, Any]]:
        """What each slot is at: `is_processing`, `id_task`, and `n_prompt_tokens`, which counts the answer's too."""
        found: list[dict[str, Any]] = httpx.get(f"{self.address}/slots", trust_env=False).json()
        return found


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the model; skips the tests where llama.cpp is not installed."""
    for package in ("xllamacpp", "gguf"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: it is in the extra dev, where there is a wheel for the platform")
    from .tiny_model import write_model

    path = tmp_path_factory.mktemp("llama") / "tiny.gguf"
    write_model(path, answer=ANSWER, text=TEXT)
    return path


@pytest.fixture(scope="session")
def llama(tiny_model: Path) -> Iterator[LlamaServer]:
    """The server that all tests share."""
    with _serving(tiny_model, tiny_model.with_name("shared.log")) as server:
        yield server


@pytest.fixture
def mortal_llama(tiny_model: Path) -> Iterator[LlamaServer]:
    """A server for one test, which may kill it."""
    with _serving(tiny_model, tiny_model.with_name("mortal.log")) as server:
        yield server


@contextlib.contextmanager
def _serving(model: Path, log: Path) -> Iterator[LlamaServer]:
    """A server for the length of the block: it ends with its standard input, or is killed if it does not."""
    command = [sys.executable, str(Path(__file__).with_name("serve.py")), str(model)]
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        watchdog = threading.Timer(_PATIENCE, process.kill)
        watchdog.start()
        try:
            address = process.stdout.readline().strip() if process.stdout is not None else ""
            if not address:
                pytest.fail(f"llama.cpp's server did not start:\n{log.read_text(errors='replace')[-3000:]}")
            _wait_until_healthy(address)
            watchdog.cancel()
            yield LlamaServer(address, process)
        finally:
            watchdog.cancel()
            _stop(process)


def _wait_until_healthy(address: str) -> None:
    """Until /health says ok; the watchdog, which ends the process, bounds it."""
    with httpx.Client(base_url=address, trust_env=False) as client:
        while client.get("/health").status_code == httpx.codes.SERVICE_UNAVAILABLE:
            time.sleep(0.01)


def _stop(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
