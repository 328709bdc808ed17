"""The handle that users hold: starts and stops the gateway, gives its address, its key and a model that talks to it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from agentkit.emulator.brain import Answerer, Brain, Step, as_brain
from agentkit.emulator.dialects import SurfaceName, dialect
from agentkit.emulator.endpoints import PATHS
from agentkit.emulator.exchange import RecordedRequest
from agentkit.emulator.faults import Fault, Faults
from agentkit.emulator.gateway import Gateway
from agentkit.emulator.refusals import Refusal
from agentkit.errors import ConfigurationError

if TYPE_CHECKING:
    from agentkit.emulator.server import Server
    from agentkit.providers import (
        ChatCompletionsModel,
        MessagesModel,
        ProviderModel,
        ResponsesModel,
        RunwareModel,
    )

_KEEP = 10_000  # requests


class Emulator:
    """A gateway on 127.0.0.1 that answers like a real one, for examples, tests and trying things out.

    It is no language model: what it says comes from `brain`, by default a small deterministic program.

    ```python
    with Emulator() as gateway:
        agent = Agent(gateway.model(), tools=[...])
    ```
    """

    def __init__(
        self,
        brain: Brain | Answerer | Sequence[Step] | None = None,
        *,
        gateway: str = "toapis",
        faults: Sequence[str | Fault] = (),
        key: str | None = None,
        port: int = 0,
        latency: float = 0.0,
        refuses: Sequence[str | Refusal] = (),
        polls: int = 1,
    ) -> None:
        """Does no I/O; the server starts with `with` or `start()`.

        Args:
            brain: who answers: a `Brain`, a function of the request, or a sequence of replies, one a request. None:
                `DemoBrain()`.
            gateway: whose dialect it speaks: toapis, bytespike, modelstream, runware, openai or anthropic.
            faults: what goes wrong, in order; see `Fault.parse` for the spelling.
            key: the API key that clients must send. None: one is made up.
            port: 0 takes a free one.
            latency: seconds that each answer waits before it begins.
            refuses: what it does not take besides what its dialect does not take anyway, as `"stream_options"` or
                `Refusal("strict", style="fastapi")`; see `Refusal` for the names.
            polls: how often `getResponse` says of one of Runware's asynchronous tasks that it is being processed.

        Raises:
            ConfigurationError: an unknown gateway, fault or refusal.
        """
        self._dialect = dialect(gateway)
        self._faults = Faults(faults)
        self._key = _new_key(self._dialect.key_prefix) if key is None else key
        chosen = _demo() if brain is None else as_brain(brain)
        refusals = [Refusal(refused) if isinstance(refused, str) else refused for refused in refuses]
        self._gateway = Gateway(self._dialect, chosen, self._key, self._faults, latency, _KEEP, refusals, polls)
        self._wanted_port = port
        self._server: Server | None = None
        self._running = False

    def __repr__(self) -> str:
        where = self.url if self._server is not None else "not started"
        return f"Emulator(gateway={self._dialect.name!r}, {where})"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when the server accepts connections; does nothing when it runs already.

        Raises:
            ConfigurationError: the port cannot be had.
        """
        from agentkit.emulator.server import Server

        if self._running:
            return
        server = Server(self._gateway, self._wanted_port)
        try:
            server.start()
        except OSError as error:
            text = f"cannot listen on port {self._wanted_port}: {error}; choose another, or 0"
            raise ConfigurationError(text) from error
        self._server, self._running = server, True

    def stop(self) -> None:
        """Ends the server and every connection to it; does nothing when it does not run."""
        if self._running and self._server is not None:
            self._running = False
            self._server.stop()

    def wait(self) -> None:
        """Blocks until the server is stopped from another thread, or Ctrl-C."""
        if self._server is not None:
            self._server.wait()

    @property
    def url(self) -> str:
        """The base URL, `http://127.0.0.1:PORT/v1`; after `stop()` still the one that it had.

        Raises:
            ConfigurationError: it has not been started.
        """
        if self._server is None:
            raise ConfigurationError("the emulator has no address yet: use `with Emulator() as gateway:`, or start()")
        return f"http://127.0.0.1:{self._server.port}/v1"

    @property
    def urls(self) -> Mapping[str, str]:
        """The address of each surface that this gateway serves, by its name: chat, responses, messages, tasks.

        Raises:
            ConfigurationError: it has not been started.
        """
        root = self.url.removesuffix("/v1")
        return {name: root + PATHS[name] for name in self._dialect.surfaces}

    @property
    def key(self) -> str:
        """The API key that clients must send."""
        return self._key

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far, in order of arrival; the newest 10,000 of them."""
        return self._gateway.requests

    @property
    def connections(self) -> int:
        """How many connections have been accepted since the start."""
        return 0 if self._server is None else self._server.connections

    @property
    def curl(self) -> str:
        """One shell line that asks it something."""
        body: dict[str, Any] = {"messages": [{"role": "user", "content": "Who are you?"}]}
        name = self._dialect.surfaces[0]
        headers = [f"Authorization: Bearer {self._key}", "Content-Type: application/json"]
        if name == "messages":
            headers.append("anthropic-version: 2023-06-01")
            body["max_tokens"] = 1024
        words = ["curl", "--noproxy", "127.0.0.1", self.urls[name]]
        words += [word for header in headers for word in ("-H", header)]
        return shlex.join([*words, "-d", json.dumps({"model": self._dialect.models[0], **body})])

    def inject(self, fault: str | Fault) -> None:
        """One more fault, after those still to come.

        Raises:
            ConfigurationError: there is no such fault.
        """
        self._faults.add(fault)

    @overload
    def model(
        self, model_id: str | None = None, *, surface: Literal["chat"], **options: Any
    ) -> ChatCompletionsModel: ...
    @overload
    def model(
        self, model_id: str | None = None, *, surface: Literal["responses"], **options: Any
    ) -> ResponsesModel: ...
    @overload
    def model(self, model_id: str | None = None, *, surface: Literal["messages"], **options: Any) -> MessagesModel: ...
    @overload
    def model(self, model_id: str | None = None, *, surface: Literal["tasks"], **options: Any) -> RunwareModel: ...
    @overload
    def model(
        self, model_id: str | None = None, *, surface: SurfaceName | None = None, **options: Any
    ) -> ProviderModel: ...
    def model(
        self, model_id: str | None = None, *, surface: SurfaceName | None = None, **options: Any
    ) -> ProviderModel:
        """A model that talks to this gateway, by default the one of its seed page.

        `surface` is how it is asked, by its name in `urls`; by default the first of them. `options` go to the model's
        class: `ChatCompletionsModel`, `ResponsesModel`, `MessagesModel` or `RunwareModel`.

        Raises:
            ConfigurationError: it has not been started, or is not asked in that way.
        """
        from agentkit.providers.gateways import on_surface
        from agentkit.providers.registry import model_class

        served = self._dialect.surfaces
        chosen = served[0] if surface is None else surface
        preset = on_surface(self._dialect.name, "chat_completions" if chosen == "chat" else chosen)
        if chosen not in served or preset is None:
            raise ConfigurationError(
                f"{self._dialect.name} has no surface {chosen!r}; it serves {', '.join(served)}: use "
                f"gateway.model(surface={served[0]!r})"
            )
        make = model_class(preset.surface)
        asked_for = self._dialect.models[0] if model_id is None else model_id
        return make(asked_for, base_url=self.url, api_key=self._key, gateway=preset, **options)


def _demo() -> Brain:
    from agentkit.emulator.demo import DemoBrain

    return DemoBrain()


def _new_key(prefix: str) -> str:
    import secrets

    return prefix + secrets.token_hex(16)
