"""A conversation as one text, for a model that is to read it and not to take part in it."""

from collections.abc import Iterable, Iterator
from typing import assert_never

from agentkit.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    ToolPart,
    UserMessage,
    UserPart,
)
from agentkit.tokens import estimate
from agentkit.tools import cut

_LONGEST = 8_000  # characters of one message
_SHORTEST = 125


def transcript(messages: Iterable[Message], *, tokens: int) -> str:
    """Who said what, in order, in about `tokens` tokens at most; long texts lose their middle, all at one length.

    Reasoning and developers' messages are left out, and images and files are named only.
    """
    entries = [entry for message in messages for entry in _entries(message)]
    length = _LONGEST
    while True:
        text = "\n\n".join(f"{who}: {cut(said, length)}" for who, said in entries)
        size = estimate(text)
        if size <= tokens:
            return text
        if length <= _SHORTEST:
            return cut(text, len(text) * tokens // size)
        length //= 2


def _entries(message: Message) -> Iterator[tuple[str, str]]:
    match message:
        case SystemMessage():
            return
        case UserMessage(parts):
            yield "User", _said(parts)
        case ToolMessage(name=name, parts=parts, is_error=is_error):
            yield f"{'Error' if is_error else 'Result'} of {name}", _said(parts)
        case AssistantMessage():
            text = message.text or message.refusal
            if text:
                yield "Assistant", text
            yield from (_called(call) for call in message.tool_calls)
        case _:
            assert_never(message)


def _called(call: ToolCall) -> tuple[str, str]:
    return f"Assistant calls {call.name}", call.arguments_text or str(call.arguments)


def _said(parts: Iterable[UserPart | ToolPart]) -> str:
    return "\n".join(part.text if isinstance(part, TextPart) else f"[{_KINDS[type(part).__name__]}]" for part in parts)


_KINDS = {"ImagePart": "an image", "FilePart": "a file"}
