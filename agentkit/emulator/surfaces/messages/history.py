"""The messages of a request as Chat Completions messages: results come first and at once, thinking as it was said."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

from agentkit._json import dumps
from agentkit.emulator.surfaces.messages.blocks import cached, part, parts, text_of, words
from agentkit.emulator.surfaces.messages.signature import signed
from agentkit.emulator.surfaces.node import Node

THOUGHT = "_t"
"""How the id of a call ends that came after a thinking block, so that a client that loses the block can be told."""

_ID = re.compile(r"[a-zA-Z0-9_-]+", re.ASCII)
_HEARD = ("text", "image", "document", "tool_result")
_SAID = ("text", "tool_use", "thinking", "redacted_thinking")
_THOUGHT = ("thinking", "redacted_thinking")


def messages(root: Node, *, thinking: bool) -> list[dict[str, Any]]:
    """The conversation; `thinking` says whether the request has that turned on."""
    made: list[dict[str, Any]] = []
    if (system := root.maybe("system")) and (told := parts(system, "text")):
        made.append({"role": "system", "content": _plain(told)})
    given = root.need("messages").items()
    if not given:
        raise root.need("messages").says("at least one message is required")
    calls: dict[str, Node] = {}  # the calls of the message before, by their ids
    seen: set[str] = set()
    for index, message in enumerate(given):
        message.only("role", "content")
        role = message.need("role").one_of("user", "assistant")
        if index == 0 and role != "user":
            raise message.says('first message must use the "user" role')
        if role == "user":
            made += _user(message, calls)
            calls = {}
            continue
        _unanswered(calls, ())
        calls = _calls(message, seen)
        made += _assistant(message, calls, thinking=thinking)
    _unanswered(calls, ())
    if given[-1].value["role"] == "assistant":
        raise root.need("messages").says("the conversation must end with a user message; prefill is not supported")
    return made


def _blocks(message: Node) -> list[Node]:
    """The content blocks; a string counts as none."""
    content = message.need("content")
    if isinstance(content.value, str):
        words(content)
        return []
    if not content.items():
        raise message.says("all messages must have non-empty content")
    return content.items()


def _plain(made: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """One text as a string, anything more as parts."""
    return made[0]["text"] if len(made) == 1 and made[0]["type"] == "text" else made


def _user(message: Node, calls: Mapping[str, Node]) -> list[dict[str, Any]]:
    blocks = _blocks(message)
    answers = _answers(blocks, calls)
    _unanswered(calls, answers)
    made: list[dict[str, Any]] = [{"role": "tool", "tool_call_id": used, "content": answers[used][0]} for used in calls]
    said = [image for used in calls for image in answers[used][1]]
    if blocks:
        said += [part(block) for block in blocks if block.value["type"] != "tool_result"]
    else:
        said += parts(message.need("content"))
    return [*made, {"role": "user", "content": _plain(said)}] if said else made


def _answers(blocks: Sequence[Node], calls: Mapping[str, Node]) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """The text and the images of each result, by the id of its call."""
    answers: dict[str, tuple[str, list[dict[str, Any]]]] = {}
    for index, block in enumerate(blocks):
        if block.kind(*_HEARD) != "tool_result":
            continue
        used = block.need("tool_use_id").filled()
        if used not in calls:
            text = f"unexpected `tool_use_id` found in `tool_result` blocks: {used}. Each `tool_result` block must"
            raise block.says(f"{text} have a corresponding `tool_use` block in the previous message.")
        if used in answers:
            text = f"each tool_use must have a single result. Found multiple `tool_result` blocks with id: {used}"
            raise block.says(text)
        if len(answers) < index:
            raise block.says("`tool_result` blocks must come first in the content, before any text")
        answers[used] = _result(block)
    return answers


def _result(block: Node) -> tuple[str, list[dict[str, Any]]]:
    """What a tool gave: its text, and its images apart, which a tool message of Chat Completions cannot hold."""
    block.only("type", "tool_use_id", "content", "is_error", "cache_control")
    cached(block)
    failed = block.need("is_error").flag() if block.has("is_error") else False
    content = block.maybe("content")
    if content is None or content.value == "":
        text, images = "", []
    else:
        given = parts(content)
        text = "\n".join(one["text"] for one in given if one["type"] == "text")
        images = [one for one in given if one["type"] == "image_url"]
    if failed and not text:
        raise block.says("content cannot be empty if `is_error` is true")
    return (f"Error: {text}" if failed else text), images


def _unanswered(calls: Mapping[str, Node], answers: Container[str]) -> None:
    missing = [used for used in calls if used not in answers]
    if missing:
        message = calls[missing[0]]
        text = f"`tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(missing)}. Each"
        raise message.says(
            f"{text} `tool_use` block must have a corresponding `tool_result` block in the next message."
        )


def _calls(message: Node, seen: set[str]) -> dict[str, Node]:
    calls: dict[str, Node] = {}
    for block in _blocks(message):
        if block.kind(*_SAID) != "tool_use":
            continue
        made = block.need("id")
        if not _ID.fullmatch(made.filled()):
            raise made.says(f"String should match pattern '^{_ID.pattern}$'")
        if made.value in seen:
            raise made.says("`tool_use` ids must be unique")
        seen.add(made.value)
        calls[made.value] = message
    return calls


def _assistant(message: Node, calls: Mapping[str, Node], *, thinking: bool) -> list[dict[str, Any]]:
    blocks = _blocks(message)
    if not blocks:
        return [{"role": "assistant", "content": message.value["content"]}]
    thoughts, texts, made = [], [], []
    for block in blocks:
        match block.value["type"]:
            case "text":
                texts.append(text_of(block))
            case "tool_use":
                made.append(_call(block))
            case "thinking":
                thoughts.append(_thinking(block))
            case _:
                block.only("type", "data").need("data").filled()
    first = blocks[0].value["type"]
    if thinking and first not in _THOUGHT and any(used.endswith(THOUGHT) for used in calls):
        text = "Expected `thinking` or `redacted_thinking`, but found"
        raise blocks[0].says(
            f"{text} `{first}`. When `thinking` is enabled, thinking blocks must be sent back unchanged."
        )
    answer: dict[str, Any] = {"role": "assistant", "content": "\n\n".join(texts) or None}
    if any(thoughts):
        answer["reasoning_content"] = "\n\n".join(filter(None, thoughts))
    if made:
        answer["tool_calls"] = made
    return [answer] if texts or made else []


def _call(block: Node) -> dict[str, Any]:
    block.only("type", "id", "name", "input", "cache_control")
    cached(block)
    arguments = dumps(dict(block.need("input").mapping())).decode()
    function = {"name": block.need("name").filled(), "arguments": arguments}
    return {"id": block.value["id"], "type": "function", "function": function}


def _thinking(block: Node) -> str:
    block.only("type", "thinking", "signature")
    text = block.need("thinking").text()
    if not signed(text, block.need("signature").text()):
        raise block.says("Invalid `signature` in `thinking` block")
    return text
