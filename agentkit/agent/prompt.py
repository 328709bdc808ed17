"""A prompt as messages."""

from collections.abc import Sequence

from agentkit.errors import ConfigurationError
from agentkit.messages import FilePart, ImagePart, TextPart, UserMessage, UserPart


def as_messages(prompt: str | Sequence[str | UserPart]) -> tuple[UserMessage, ...]:
    """The user message of a prompt.

    Raises:
        ConfigurationError: it is empty, or holds something that is no part.
    """
    if isinstance(prompt, str):
        if not prompt.strip():
            raise ConfigurationError("the prompt is empty: say what is wanted")
        return (UserMessage(prompt),)
    parts = [TextPart(part) if isinstance(part, str) else part for part in prompt]
    for part in parts:
        if not isinstance(part, (TextPart, ImagePart, FilePart)):
            raise ConfigurationError(f"{part!r} cannot be part of a prompt: give text, TextPart, ImagePart or FilePart")
    if not parts:
        raise ConfigurationError("the prompt is empty: say what is wanted")
    return (UserMessage(parts),)
