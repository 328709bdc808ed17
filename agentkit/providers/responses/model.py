"""A model behind a Responses endpoint."""

from collections.abc import Mapping
from types import MappingProxyType

from agentkit.models import ModelRequest, Profile
from agentkit.providers.model import ProviderModel
from agentkit.providers.responses.decode import Decoder
from agentkit.providers.responses.encode import Encoder
from agentkit.providers.tool_choice import tool_choice_kind

_FIELDS = MappingProxyType(
    {
        "max_output_tokens": "max_tokens",
        "reasoning.effort": "reasoning_effort",
        "text.verbosity": "verbosity",
        "text.format": "response_format",
        "include.logprobs": "logprobs",
        "strict": "strict",
        "store": "store",
        "include": "include",
    }
)


class ResponsesWire:
    """Responses, for one model id and one profile."""

    path = "/responses"
    fields: Mapping[str, str] = _FIELDS

    def __init__(self, model: str, profile: Profile) -> None:
        self._profile = profile
        self._encoder = Encoder(model, profile)

    def tool_choice(self, request: ModelRequest) -> str | None:
        """See `Wire.tool_choice`."""
        return tool_choice_kind(request, self._profile)

    def max_tokens(self, request: ModelRequest) -> int | None:
        """See `Wire.max_tokens`."""
        return request.settings.max_tokens

    def body(self, request: ModelRequest, *, stream: bool) -> bytes:
        """See `Wire.body`."""
        return self._encoder.body(request, stream=stream)

    def decoder(self, request: ModelRequest, headers: Mapping[str, str], *, secret: str) -> Decoder:
        """See `Wire.decoder`."""
        return Decoder(self._profile, request.tools, headers, secret=secret)


class ResponsesModel(ProviderModel):
    """A model id at an endpoint that speaks OpenAI's Responses: `POST base_url/responses`. See `ProviderModel`.

    Each request carries the whole conversation; nothing is left to the server's memory but, where it stores answers,
    the reasoning that it does not hand out.
    """

    surface = "responses"
    make_wire = ResponsesWire
