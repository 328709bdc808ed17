"""A model behind a Chat Completions endpoint."""

from collections.abc import Mapping
from types import MappingProxyType

from agentkit.models import ModelRequest, Profile
from agentkit.providers.chat_completions.decode import Decoder
from agentkit.providers.chat_completions.encode import Encoder
from agentkit.providers.chat_completions.form import FormEncoder
from agentkit.providers.model import ProviderModel
from agentkit.providers.tool_choice import tool_choice_kind

_FIELDS = MappingProxyType({"max_tokens": "max_tokens", "max_completion_tokens": "max_tokens"})
_FORM_FIELDS = MappingProxyType({"max_completion_tokens": "max_tokens"})


class ChatCompletionsWire:
    """Chat Completions, for one model id and one profile."""

    path = "/chat/completions"

    def __init__(self, model: str, profile: Profile) -> None:
        is_form = profile.form == "prompt"
        self.fields: Mapping[str, str] = _FORM_FIELDS if is_form else _FIELDS
        self._profile = profile
        self._encoder = FormEncoder(model, profile) if is_form else Encoder(model, profile)

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
        return Decoder(self._profile, [tool.name for tool in request.tools], headers, secret=secret)


class ChatCompletionsModel(ProviderModel):
    """A model id at an OpenAI-compatible endpoint: `POST base_url/chat/completions`. See `ProviderModel`."""

    surface = "chat_completions"
    make_wire = ChatCompletionsWire
