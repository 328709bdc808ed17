"""What a wire adapter is: the pure half of a provider model.

Above: `ProviderModel`, which sends the bytes, retries, negotiates and reads what comes. Below: nothing that does I/O.
Each package beside this file implements `Wire` and `Decoder` for one API, and knows none of the others.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from agentkit.messages import AssistantMessage
from agentkit.models import ArgumentsDelta, ModelRequest, ModelResponse, Profile, ReasoningDelta, TextDelta
from agentkit.transport import ServerSentEvent

Delta: TypeAlias = TextDelta | ReasoningDelta | ArgumentsDelta


class Decoder(Protocol):
    """Reads one answer, whole (`plain`) or event by event (`feed`, then `close`)."""

    @property
    def done(self) -> bool:
        """Whether the last event has come, so that nothing can follow."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the answer is complete, even if more could follow (usage, say)."""
        ...

    def plain(self, body: bytes) -> ModelResponse:
        """The answer of a whole body.

        Raises:
            GatewayError: it is an error, or cannot be read.
        """
        ...

    def feed(self, event: ServerSentEvent) -> Sequence[Delta]:
        """What an event adds.

        Raises:
            GatewayError: the event is an error, or cannot be read; `partial` has what had come.
        """
        ...

    def flush(self) -> Sequence[Delta]:
        """Deltas that were held back; the stream has ended."""
        ...

    def close(self) -> ModelResponse:
        """The answer, when the stream has ended.

        Raises:
            StreamTruncated: the end of the answer never came.
        """
        ...

    def partial(self) -> AssistantMessage | None:
        """What has come so far, without calls; None when nothing has."""
        ...


class Wire(Protocol):
    """One API, for one model id and one profile."""

    @property
    def path(self) -> str:
        """What comes after the base URL, as in `/chat/completions`."""
        ...

    @property
    def fields(self) -> Mapping[str, str]:
        """Where settings stand on this wire: place -> setting, where the place is not the setting's name.

        `output_config.effort` is a field of an object: a server may refuse the field, or the object, with all that
        stands in it, even when it has no use for one of its fields only. A name that means itself (`store`) is what the
        wire says unasked.
        """
        ...

    def tool_choice(self, request: ModelRequest) -> str | None:
        """The kind of tool_choice that a request carries: auto, required, none or named; None when it carries none."""
        ...

    def max_tokens(self, request: ModelRequest) -> int | None:
        """The bound on the output that a request carries, asked for or not; None when it carries none."""
        ...

    def body(self, request: ModelRequest, *, stream: bool) -> bytes:
        """The bytes of a request.

        Raises:
            ConfigurationError: this wire cannot carry it; nothing is left out in silence.
        """
        ...

    def decoder(self, request: ModelRequest, headers: Mapping[str, str], *, secret: str) -> Decoder:
        """A reader for the answer to `request`. `secret` is the key, which is taken out of the texts of errors."""
        ...


class MakeWire(Protocol):
    """Makes the wire of an API."""

    def __call__(self, model: str, profile: Profile) -> Wire: ...
