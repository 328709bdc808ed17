"""The task API as a wire."""

from collections.abc import Mapping
from types import MappingProxyType

from agentkit.errors import ConfigurationError
from agentkit.models import ModelRequest, Profile
from agentkit.providers.runware.decode import TaskDecoder
from agentkit.providers.runware.encode import DEFAULT_MAX_TOKENS, TaskEncoder, TaskOptions
from agentkit.providers.tool_choice import tool_choice_kind

_WIRE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "maxTokens": "max_tokens",
        "topP": "top_p",
        "thinkingLevel": "reasoning_effort",
        "presencePenalty": "presence_penalty",
        "frequencyPenalty": "frequency_penalty",
        "stopSequences": "stop",
        "toolChoice": "tool_choice",
        "outputFormat": "response_format",
        "jsonSchema": "response_format",
    }
)


class TaskWire:
    """`textInference`, for one model id and one profile."""

    path = ""
    fields: Mapping[str, str] = _WIRE_NAMES

    def __init__(self, model: str, profile: Profile, *, options: TaskOptions, experimental_tools: bool) -> None:
        self._profile = profile
        self._encoder = TaskEncoder(model, profile, options)
        self._experimental_tools = experimental_tools

    def tool_choice(self, request: ModelRequest) -> str | None:
        """See `Wire.tool_choice`."""
        return tool_choice_kind(request, self._profile)

    def max_tokens(self, request: ModelRequest) -> int | None:
        """See `Wire.max_tokens`."""
        asked = request.settings.max_tokens
        return DEFAULT_MAX_TOKENS if asked is None else asked

    def body(self, request: ModelRequest, *, stream: bool) -> bytes:
        """See `Wire.body`."""
        if request.tools and not self._experimental_tools:
            raise ConfigurationError(
                "runware does not document how its task API answers with tool calls: use 'runware:' for the "
                "OpenAI-compatible surface, or RunwareModel(..., experimental_tools=True) to try it"
            )
        return self._encoder.body(request, stream=stream)

    def decoder(self, request: ModelRequest, headers: Mapping[str, str], *, secret: str) -> TaskDecoder:
        """See `Wire.decoder`."""
        return TaskDecoder(self._profile, request, headers, secret=secret)
