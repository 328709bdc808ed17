"""Messages as input items. Pure.

An answer of this wire goes back as the items that it came as (see `replay`); any other message, and an answer of
another wire, becomes the items that say the same.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from agentkit.messages import (
    AssistantMessage,
    FilePart,
    ImagePart,
    Message,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
    UserPart,
)
from agentkit.models import Profile
from agentkit.providers.arguments import sendable_text
from agentkit.providers.call_ids import fitted_id
from agentkit.providers.checks import check_said, check_vision
from agentkit.providers.responses.computer import computer_output, left_over
from agentkit.providers.responses.replay import Matched, matched


@dataclass(frozen=True, slots=True)
class Items:
    """Makes the items of a history's messages, for one profile.

    `stateless`: the server is told to store nothing, so it knows no item by its id.
    """

    profile: Profile
    stateless: bool

    @property
    def key(self) -> Hashable:
        """All that the items depend on besides the messages."""
        profile = self.profile
        return (
            "responses",
            self.stateless,
            profile.vision is False,
            profile.replay_reasoning,
            profile.system_role,
            profile.tool_id_length,
        )

    def encode(self, messages: Sequence[Message], index: int) -> list[dict[str, Any]]:
        """The items of one message.

        Raises:
            ConfigurationError: it has no content, or an image for a model without vision.
        """
        message = messages[index]
        match message:
            case SystemMessage(text):
                check_said(text.strip(), index, self.profile)
                return [{"role": self.profile.system_role, "content": text}]
            case UserMessage(parts):
                return [{"role": "user", "content": self._user_content(parts, index)}]
            case AssistantMessage():
                found = matched(message)
                return self._said(message) if found is None else self._replayed(found)
            case ToolMessage():
                return [self._result(messages, index, message)]
            case _:
                assert_never(message)

    def notes(self, messages: Sequence[Message], end: int) -> list[dict[str, Any]]:
        """What the computer's answers right before `end` say besides the screenshot, as a user's message.

        The answer to a computer call has room for one screenshot, and nothing else.
        """
        content: list[dict[str, Any]] = []
        start = end
        while start > 0 and isinstance(messages[start - 1], ToolMessage):
            start -= 1
        for index in range(start, end):
            message = messages[index]
            if isinstance(message, ToolMessage) and _computer_call(messages, index, message) is not None:
                parts = left_over(message)
                if parts:
                    said = f"Returned by {message.name} (call {message.call_id}):"
                    content.append({"type": "input_text", "text": said})
                    content.extend(_encode_part(part) for part in parts)
        return [{"role": "user", "content": content}] if content else []

    def _user_content(self, parts: Sequence[UserPart], index: int) -> Any:
        if len(parts) == 1 and isinstance(parts[0], TextPart):
            check_said(parts[0].text.strip(), index, self.profile)
            return parts[0].text
        said = [part for part in parts if not isinstance(part, TextPart) or part.text.strip()]
        check_said(said, index, self.profile)
        check_vision(said, index, self.profile)
        return [_encode_part(part) for part in said]

    def _result(self, messages: Sequence[Message], index: int, message: ToolMessage) -> dict[str, Any]:
        check_vision(message.parts, index, self.profile)
        call_id = fitted_id(message.call_id, self.profile)
        call = _computer_call(messages, index, message)
        if call is not None:
            return computer_output(message, call, call_id)
        output: Any = message.text
        if any(not isinstance(part, TextPart) for part in message.parts):
            output = [_encode_part(p) for p in message.parts if not isinstance(p, TextPart) or p.text]
        return {"type": "function_call_output", "call_id": call_id, "output": output}

    def _said(self, message: AssistantMessage) -> list[dict[str, Any]]:
        """The items of an answer of which nothing is known but its parts."""
        items: list[dict[str, Any]] = []
        for part in message.parts:
            if isinstance(part, (TextPart, RefusalPart)):
                if items and "content" in items[-1]:
                    items[-1]["content"] += part.text
                elif part.text:
                    items.append({"role": "assistant", "content": part.text})
            elif isinstance(part, ToolCall):
                items.append(self._call(part))
        return items or [{"role": "assistant", "content": ""}]

    def _replayed(self, found: Sequence[Matched]) -> list[dict[str, Any]]:
        """The items as they came. Reasoning goes with the item after it, and the ids of the others with reasoning."""
        keep = self.profile.replay_reasoning
        thoughts = [each.item for each in found if each.item["type"] == "reasoning"]
        paired = keep and not (self.stateless and any("encrypted_content" not in thought for thought in thoughts))
        items: list[dict[str, Any]] = []
        pending: list[dict[str, Any]] = []
        for each in found:
            kind = each.item["type"]
            if kind == "reasoning":
                pending.append(dict(each.item))
                continue
            if kind == "message":
                item = _message(each, paired=paired, keep=keep)
            elif kind == "function_call":
                item = {**(each.item if paired else {}), **self._call(each.call)}
            elif kind == "computer_call":
                item = {**each.item, "call_id": fitted_id(each.call.id, self.profile)}
            elif keep:
                item = dict(each.item)
            else:
                continue
            items.extend(pending if paired else ())
            pending = []
            items.append(item)
        return items or [{"role": "assistant", "content": ""}]

    def _call(self, call: ToolCall) -> dict[str, Any]:
        call_id = fitted_id(call.id, self.profile)
        return {"type": "function_call", "call_id": call_id, "name": call.name, "arguments": sendable_text(call)}


def _encode_part(part: UserPart) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "input_text", "text": text}
        case ImagePart(detail=detail):  # the API's own types say that an image has a detail
            return {"type": "input_image", "image_url": part.as_url(), "detail": detail or "auto"}
        case FilePart(name=name):
            return {"type": "input_file", "filename": name, "file_data": part.as_url()}
        case _:
            assert_never(part)


def _message(found: Matched, *, paired: bool, keep: bool) -> dict[str, Any]:
    item = found.item
    if not (paired and isinstance(item.get("id"), str)):
        phase = {"phase": item["phase"]} if keep and "phase" in item else {}
        return {"role": "assistant", "content": "".join(part.text for part in found.said), **phase}
    content: list[dict[str, Any]] = []
    for part, known in zip(found.said, item["content"], strict=True):
        if isinstance(part, TextPart):
            content.append({"annotations": [], **known, "type": "output_text", "text": part.text, "logprobs": []})
        else:
            content.append({**known, "type": "refusal", "refusal": part.text})
    return {"status": "completed", **item, "role": "assistant", "content": content}


def _computer_call(messages: Sequence[Message], index: int, message: ToolMessage) -> dict[str, Any] | None:
    """The item that a tool message answers, when it is a computer's."""
    for place in range(index - 1, -1, -1):
        asked = messages[place]
        if isinstance(asked, ToolMessage):
            continue
        if isinstance(asked, AssistantMessage):
            for each in matched(asked) or ():
                if each.item["type"] == "computer_call" and each.call.id == message.call_id:
                    return dict(each.item)
        return None
    return None
