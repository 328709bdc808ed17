"""How many tokens messages are likely to be, for limits and for compaction."""

from collections.abc import Sequence
from typing import assert_never

from agentkit.messages import (
    FilePart,
    History,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolCall,
)
from agentkit.tokens import estimate

_A_MESSAGE = 4  # what stands around a message
_A_CALL = 8
_AN_IMAGE = 800  # a middling price of one image, and the least of a file; the server's usage corrects it


def weights(history: History) -> list[int]:
    """Estimated tokens of each message; each is estimated once, whoever holds the history. Not to be changed."""
    return history.derived("tokens", message_tokens)


def message_tokens(messages: Sequence[Message], index: int) -> int:
    """Estimated tokens of the message at `index`, with what stands around it."""
    message = messages[index]
    if isinstance(message, SystemMessage):
        return _A_MESSAGE + estimate(message.text)
    return _A_MESSAGE + sum(map(_part_tokens, message.parts))


def _part_tokens(part: Part) -> int:
    match part:
        case TextPart(text) | ReasoningPart(text) | RefusalPart(text):
            return estimate(text)
        case ToolCall(arguments_text=text):
            return _A_CALL + estimate(text)
        case ImagePart() | FilePart():
            return _AN_IMAGE
        case _:
            assert_never(part)
