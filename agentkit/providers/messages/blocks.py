"""A message as the content blocks of the Messages API. Pure.

What the server wrote besides text and calls (signed or redacted thinking, blocks of its own tools, citations) stands in
`AssistantMessage.extra[BLOCKS]`: one entry for each block, in the server's order. `{"part": 0, ...}` is the block of
the message's part 0 with further fields; an entry without `part` is a block that is no part, as it came. So it goes
back where it stood, and a message that came over another wire, which has no entries, goes out without thinking.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, assert_never
from urllib.parse import unquote_to_bytes

from agentkit import _json
from agentkit.errors import ConfigurationError
from agentkit.messages import (
    AssistantMessage,
    AssistantPart,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
    UserPart,
)
from agentkit.models import Profile
from agentkit.providers.arguments import sendable
from agentkit.providers.call_ids import fitted_id
from agentkit.providers.checks import check_said, check_vision

BLOCKS = "message_blocks"
THINKING = ("thinking", "redacted_thinking")

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def encode_blocks(message: Message, index: int, profile: Profile) -> list[dict[str, Any]]:
    """The blocks of a message; none for an answer that holds nothing which can be sent.

    `index` names the message in errors. A system message in the middle of a conversation, for which the API has no
    place, is a text between `<system>` tags.

    Raises:
        ConfigurationError: a message of the user without content, or an image for a model without vision.
    """
    match message:
        case SystemMessage(text):
            check_said(text.strip(), index, profile)
            return [{"type": "text", "text": f"<system>\n{text}\n</system>"}]
        case UserMessage(parts):
            said = _said(parts)
            check_said(said, index, profile)
            return [_user_block(part, index, profile) for part in said]
        case AssistantMessage():
            return _trimmed(_assistant_blocks(message, profile))
        case ToolMessage():
            return [_result_block(message, index, profile)]
        case _:
            assert_never(message)


def _said(parts: Sequence[UserPart]) -> list[UserPart]:
    """The parts without empty texts, which the API refuses."""
    return [part for part in parts if not isinstance(part, TextPart) or part.text.strip()]


def _user_block(part: UserPart, index: int, profile: Profile) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart():
            check_vision([part], index, profile)
            return {"type": "image", "source": _image_source(part, index)}
        case FilePart(name=name):
            block: dict[str, Any] = {"type": "document", "source": _document_source(part)}
            return {**block, "title": name} if name else block
        case _:
            assert_never(part)


def _image_source(part: ImagePart, index: int) -> dict[str, Any]:
    """By URL, or the bytes in base64: the API reads no data URIs. It knows no `detail`, which is a hint."""
    if part.data is not None:
        return _base64_source(part.media_type or "", part.data)
    url = part.url or ""
    if url[:5].lower() != "data:":
        return {"type": "url", "url": url}
    head, comma, encoded = url[5:].partition(",")
    media_type, *options = head.split(";")
    if comma and "base64" in options:
        try:
            return _base64_source(media_type, base64.b64decode(unquote_to_bytes(encoded), validate=True))
        except binascii.Error:
            comma = ""
    if not comma:
        raise ConfigurationError(f"messages[{index}] has an image whose data URI cannot be read: give data= instead")
    return _base64_source(media_type, unquote_to_bytes(encoded))


def _document_source(part: FilePart) -> dict[str, Any]:
    """Texts go as plain text, everything else in base64; which kinds are read is the server's business."""
    if part.media_type.startswith("text/"):
        try:
            return {"type": "text", "media_type": "text/plain", "data": part.data.decode()}
        except UnicodeDecodeError:
            pass
    return _base64_source(part.media_type, part.data)


def _base64_source(media_type: str, data: bytes) -> dict[str, Any]:
    return {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}


def _result_block(message: ToolMessage, index: int, profile: Profile) -> dict[str, Any]:
    """The result of a call. The API wants text, and nothing else, from one marked as an error.

    So a failure that shows something else says in words that it is one.
    """
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": _sent_id(message.call_id, profile)}
    said = _said(message.parts)
    shows = not all(isinstance(part, TextPart) for part in said)
    if message.is_error and (shows or not said):
        said = [TextPart("The tool failed."), *said]
    if len(said) == 1 and isinstance(said[0], TextPart):
        block["content"] = said[0].text
    elif said:
        block["content"] = [_user_block(part, index, profile) for part in said]
    if message.is_error and not shows:
        block["is_error"] = True
    return block


def _assistant_blocks(message: AssistantMessage, profile: Profile) -> list[dict[str, Any]]:
    parts, blocks, placed = message.parts, list[dict[str, Any]](), set[int]()
    for entry in _entries(message):
        place = entry.get("part")
        if place is None:
            if profile.replay_reasoning or entry["type"] not in THINKING:
                blocks.append(dict(entry))
        elif 0 <= place < len(parts) and place not in placed:
            placed.add(place)
            added = {name: value for name, value in entry.items() if name != "part"}
            blocks.extend({**block, **added} for block in _part_blocks(parts[place], profile, signed=bool(added)))
    for place, part in enumerate(parts):
        if place not in placed:
            blocks.extend(_part_blocks(part, profile, signed=False))
    return blocks


def _entries(message: AssistantMessage) -> list[Mapping[str, Any]]:
    """What `BLOCKS` holds, as far as it is what it should be: a history may come out of a file."""
    entries = message.extra.get(BLOCKS)
    if not isinstance(entries, (list, tuple)):
        return []
    return [entry for entry in entries if isinstance(entry, Mapping) and _is_entry(entry)]


def _is_entry(entry: Mapping[str, Any]) -> bool:
    place = entry.get("part")
    return isinstance(entry.get("type"), str) if place is None else type(place) is int


def _part_blocks(part: AssistantPart, profile: Profile, *, signed: bool) -> list[dict[str, Any]]:
    """The block of a part, in a list; an empty text and thinking that no server has signed have none."""
    match part:
        case TextPart(text) | RefusalPart(text):
            return [{"type": "text", "text": text}] if text.strip() else []
        case ReasoningPart(text):
            return [{"type": "thinking", "thinking": text}] if signed and profile.replay_reasoning else []
        case ToolCall(name=name):
            return [{"type": "tool_use", "id": _sent_id(part.id, profile), "name": name, "input": sendable(part)}]
        case _:
            assert_never(part)


def _trimmed(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks without blanks at the end of the last text: the API refuses them at the end of a conversation.

    They are cut everywhere, so that a message has the same bytes wherever it stands.
    """
    if blocks and blocks[-1]["type"] == "text" and isinstance(blocks[-1].get("text"), str):
        blocks[-1]["text"] = blocks[-1]["text"].rstrip()
    return blocks


def _sent_id(call_id: str, profile: Profile) -> str:
    """The id of a call as the API takes it: ids of other wires may hold dots and colons, which it refuses."""
    fitted = fitted_id(call_id, profile)
    if _ID.fullmatch(fitted):
        return fitted
    return "call_" + hashlib.sha256(call_id.encode(errors="surrogatepass")).hexdigest()[:24]


def encoded(blocks: Sequence[Mapping[str, Any]]) -> bytes:
    """Blocks as JSON, without the brackets of a list around them."""
    return _json.dumps(blocks)[1:-1]
