"""Messages to JSON and back, exactly: decoding what was encoded gives equal messages."""

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, assert_never

from agentkit import _json
from agentkit.messages.message import AssistantMessage, Message, SystemMessage, ToolMessage, UserMessage
from agentkit.messages.parts import FilePart, ImagePart, Part, ReasoningPart, RefusalPart, TextPart, ToolCall


def encode_messages(messages: Iterable[Message]) -> bytes:
    """A JSON array of messages."""
    return _json.dumps([encode_message(message) for message in messages])


def decode_messages(data: str | bytes) -> list[Message]:
    """The messages of a JSON array.

    Raises:
        ValueError: the text is not JSON or not such an array; the message names the entry.
    """
    entries = _json.loads(data)
    if not isinstance(entries, list):
        raise ValueError(f"messages are a JSON array, this is a {type(entries).__name__}")
    return [_decode_entry(entry, index) for index, entry in enumerate(entries)]


def encode_message(message: Message) -> dict[str, Any]:
    """A message as a JSON object."""
    match message:
        case SystemMessage(text):
            return {"role": "system", "text": text}
        case UserMessage(parts):
            return {"role": "user", "parts": [encode_part(part) for part in parts]}
        case AssistantMessage(parts, extra):
            encoded: dict[str, Any] = {"role": "assistant", "parts": [encode_part(part) for part in parts]}
            return {**encoded, "extra": dict(extra)} if extra else encoded
        case ToolMessage(call_id, name, parts, is_error):
            encoded = {"role": "tool", "call_id": call_id, "name": name, "parts": [encode_part(part) for part in parts]}
            return {**encoded, "is_error": True} if is_error else encoded
        case _:
            assert_never(message)


def decode_message(entry: Mapping[str, Any]) -> Message:
    """The message of a JSON object.

    Raises:
        KeyError, TypeError, ValueError: the object is not a message.
    """
    match entry["role"]:
        case "system":
            return SystemMessage(entry["text"])
        case "user":
            return UserMessage([decode_part(part) for part in entry["parts"]])
        case "assistant":
            parts = [decode_part(part) for part in entry["parts"]]
            return AssistantMessage(parts, extra=entry["extra"]) if "extra" in entry else AssistantMessage(parts)
        case "tool":
            parts = [decode_part(part) for part in entry["parts"]]
            return ToolMessage(entry["call_id"], entry["name"], parts, is_error=entry.get("is_error", False))
        case role:
            raise ValueError(f"unknown role {role!r}")


def encode_part(part: Part) -> dict[str, Any]:
    """A part as a JSON object."""
    match part:
        case TextPart(text, trust):
            return {"type": "text", "text": text, "trust": trust}
        case ImagePart(url, data, media_type, detail, trust, acknowledged):
            fields = {"url": url, "data": _base64(data), "media_type": media_type, "detail": detail}
            agreed = {"acknowledged": [*acknowledged]} if acknowledged else {}
            return {"type": "image", **{k: v for k, v in fields.items() if v is not None}, "trust": trust, **agreed}
        case FilePart(data, media_type, name, trust):
            return {"type": "file", "data": _base64(data), "media_type": media_type, "name": name, "trust": trust}
        case ReasoningPart(text, field):
            return {"type": "reasoning", "text": text, "field": field}
        case RefusalPart(text):
            return {"type": "refusal", "text": text}
        case ToolCall(id, name, arguments, arguments_text, problem, extra):
            call: dict[str, Any] = {"type": "tool_call", "id": id, "name": name, "arguments": arguments}
            call["arguments_text"] = arguments_text
            if problem is not None:
                call["problem"] = problem
            return {**call, "extra": dict(extra)} if extra else call
        case _:
            assert_never(part)


def decode_part(entry: Any) -> Any:
    """The part of a JSON object.

    Raises:
        KeyError, TypeError, ValueError: the object is not a part.
    """
    if not isinstance(entry, Mapping):
        raise TypeError(f"a part is a JSON object, this is a {type(entry).__name__}")
    if not isinstance(entry.get("text", ""), str):
        raise TypeError(f"the text of a part is a string, this is a {type(entry['text']).__name__}")
    fields = {key: value for key, value in entry.items() if key != "type"}
    if isinstance(fields.get("data"), str):
        fields["data"] = base64.b64decode(fields["data"], validate=True)
    if "acknowledged" in fields:
        fields["acknowledged"] = _ids(fields["acknowledged"])
    kind = entry["type"]
    if kind not in _PARTS:
        raise ValueError(f"unknown part {kind!r}")
    return _PARTS[kind](**fields)


_PARTS: Mapping[str, Callable[..., Part]] = {
    "text": TextPart,
    "image": ImagePart,
    "file": FilePart,
    "reasoning": ReasoningPart,
    "refusal": RefusalPart,
    "tool_call": ToolCall,
}


def _decode_entry(entry: Any, index: int) -> Message:
    try:
        return decode_message(entry)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"messages[{index}] is not a message of agentkit: {error!r}") from error


def _ids(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError(f"acknowledged is a list of ids, this is {value!r}")
    return tuple(value)


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
