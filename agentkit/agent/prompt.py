"""A prompt as messages."""

from collections.abc import Sequence

from agentkit.errors import ConfigurationError
from agentkit.messages import FilePart, ImagePart, TextPart, UserMessage, UserPart


def as_messages(prompt: str | Sequence[object]) -> tuple[UserMessage, ...]:
    """The user message of a prompt: text, or a sequence of texts and parts.

    Raises:
        ConfigurationError: it is empty, or holds something that is no part.
    """
    parts = [_as_part(part) for part in ([prompt] if isinstance(prompt, str) else prompt)]
    if not any(not isinstance(part, TextPart) or part.text.strip() for part in parts):
        raise ConfigurationError("the prompt is empty: say what is wanted")
    return (UserMessage(parts),)


def _as_part(part: object) -> UserPart:
    if isinstance(part, str):
        return TextPart(part)
    if isinstance(part, (TextPart, ImagePart, FilePart)):
        return part
    raise ConfigurationError(f"{part!r} cannot be part of a prompt: give text, TextPart, ImagePart or FilePart")
