"""A model behind a Messages endpoint."""

from collections.abc import Mapping
from types import MappingProxyType

from agentkit.models import ModelRequest, Profile
from agentkit.providers.gateways import messages_profile
from agentkit.providers.messages.decode import Decoder
from agentkit.providers.messages.encode import Encoder, left_out, sent_max_tokens, sent_tool_choice
from agentkit.providers.model import ProviderModel

_FIELDS = MappingProxyType(
    {
        "stop_sequences": "stop",
        "output_config.effort": "reasoning_effort",
        "output_config.format": "response_format",
        "output_format": "response_format",
        "metadata.user_id": "user",
        "tool_choice.disable_parallel_tool_use": "parallel_tool_calls",
    }
)


class MessagesWire:
    """The Messages API, for one model id and one profile."""

    path = "/messages"
    fields: Mapping[str, str] = _FIELDS

    def __init__(self, model: str, profile: Profile) -> None:
        self._profile = profile
        self._encoder = Encoder(model, profile)

    def tool_choice(self, request: ModelRequest) -> str | None:
        """See `Wire.tool_choice`."""
        return sent_tool_choice(request, self._profile)

    def max_tokens(self, request: ModelRequest) -> int:
        """See `Wire.max_tokens`."""
        return sent_max_tokens(request.settings, self._profile)

    def body(self, request: ModelRequest, *, stream: bool) -> bytes:
        """See `Wire.body`."""
        return self._encoder.body(request, stream=stream)

    def decoder(self, request: ModelRequest, headers: Mapping[str, str], *, secret: str) -> Decoder:
        """See `Wire.decoder`."""
        return Decoder(self._profile, headers, secret=secret, warnings=left_out(request, self._profile))


class MessagesModel(ProviderModel):
    """A model id at an endpoint that speaks Anthropic's API: `POST base_url/messages`. See `ProviderModel`.

    The key goes into `x-api-key`, unless the gateway's preset names another header. An answer whose `stop_reason` is
    `pause_turn` (the server's own tools want more time) has `finish_reason` "other", which is an error to a run; with
    `respond`, send the history with the answer at its end again, and the server goes on.
    """

    surface = "messages"
    key_header = "x-api-key"
    make_wire = MessagesWire

    def _fixed_headers(self) -> dict[str, str]:
        return {"anthropic-version": "2023-06-01"}

    def _undeclared(self, host: str) -> Profile:
        return messages_profile(host)
