"""A request as the fields of ModelStream's page: one `prompt`, one `system_prompt`, a list of images. Pure.

The page documents this form beside an endpoint that takes `messages` as well. It is opt-in (`"modelstream/form:..."`),
and what it cannot carry is refused: a conversation is never flattened into one text.
"""

from collections.abc import Iterator
from typing import Any

from agentkit import _json
from agentkit.errors import ConfigurationError
from agentkit.messages import ImagePart, SystemMessage, TextPart, UserMessage
from agentkit.models import ModelRequest, Profile
from agentkit.providers.chat_completions.encode import encode_settings
from agentkit.providers.checks import vendor_tools

_FIELDS = frozenset(
    (
        "temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "max_completion_tokens",
        "reasoning_effort", "verbosity",
    )
)  # fmt: skip
_OWN = frozenset(("prompt", "system_prompt", "image_urls", "image_detail"))


class FormEncoder:
    """Encodes requests for one (model, profile)."""

    def __init__(self, model: str, profile: Profile) -> None:
        self._model = model
        self._profile = profile

    def body(self, request: ModelRequest, *, stream: bool) -> bytes:
        """The request's body.

        Raises:
            ConfigurationError: the form has no place for something in the request.
        """
        question = self._question(request)
        fields: dict[str, Any] = {"model": self._model}
        system = "\n\n".join(_system_texts(request))
        if system:
            fields["system_prompt"] = system
        fields["prompt"] = question.text
        images = [part for part in question.parts if isinstance(part, ImagePart)]
        if images and self._profile.vision is False:
            raise ConfigurationError(f"{self._profile.gateway} documents no vision for {self._model}: leave images out")
        if images:
            fields["image_urls"] = [image.as_url() for image in images]
            fields.update(self._detail(images))
        fields.update(self._settings(request))
        if request.response_format is not None:
            fields["response_format"] = request.response_format.type
        if stream:
            fields["stream"] = True
        return _json.dumps(fields)

    def _question(self, request: ModelRequest) -> UserMessage:
        """The only user message."""
        if request.tools or vendor_tools(request.settings):
            raise self._no_place("tools")
        said = [message for message in request.messages if not isinstance(message, SystemMessage)]
        if len(said) != 1 or not isinstance(said[0], UserMessage):
            raise self._no_place("a conversation of several turns")
        if any(not isinstance(part, (TextPart, ImagePart)) for part in said[0].parts):
            raise self._no_place("files")
        if not said[0].text.strip():
            raise ConfigurationError(f"the prompt is empty, and {self._profile.gateway} requires one: add text")
        return said[0]

    def _detail(self, images: list[ImagePart]) -> dict[str, Any]:
        details = {image.detail for image in images}
        if len(details) > 1:
            raise self._no_place("a detail for each image: it has one for all")
        detail = images[0].detail
        return {} if detail is None else {"image_detail": detail}

    def _settings(self, request: ModelRequest) -> dict[str, Any]:
        fields = encode_settings(request.settings, self._profile)
        extra = request.settings.extra or {}
        taken = sorted(_OWN & extra.keys())
        if taken:
            raise ConfigurationError(
                f"settings.extra holds {', '.join(taken)}, which agentkit sets itself for {self._profile.gateway}"
            )
        strange = sorted(fields.keys() - _FIELDS - extra.keys())
        if strange:
            raise self._no_place(", ".join(strange))
        if request.response_format is not None and request.response_format.type != "json_object":
            raise self._no_place("a schema: its response_format is a word")
        return fields

    def _no_place(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"the form of {self._profile.gateway} has no place for {what}: use 'modelstream:', which takes messages"
        )


def _system_texts(request: ModelRequest) -> Iterator[str]:
    if request.instructions:
        yield request.instructions
    yield from (message.text for message in request.messages if isinstance(message, SystemMessage))
