"""Input items to Chat Completions messages: each item's shape, what must stand beside it, what it means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agentkit.emulator.surface import Invalid
from agentkit.emulator.surfaces.node import Node
from agentkit.emulator.surfaces.responses.computer import NAME, arguments_of, screenshot
from agentkit.emulator.surfaces.responses.content import heard, result, said
from agentkit.emulator.surfaces.responses.sealed import opened
from agentkit.emulator.surfaces.responses.turns import Turns

_STATUS = ("in_progress", "completed", "incomplete")
_ROLES = ("user", "assistant", "system", "developer")
_KINDS = (
    "message",
    "function_call",
    "function_call_output",
    "reasoning",
    "computer_call",
    "computer_call_output",
)
_PREFIXES: Mapping[str, str] = {"message": "msg", "function_call": "fc", "reasoning": "rs", "computer_call": "cu"}
_LONGEST = 64  # characters of an id
_PAIRED = re.compile(r"_(?P<response>[0-9a-f]{16})_(?P<place>\d+)r")  # the id of an item that had reasoning before it


def messages(root: Node) -> list[dict[str, Any]]:
    """The conversation that `instructions` and `input` make."""
    turns = Turns()
    if instructions := root.maybe("instructions"):
        turns.hears("system", instructions.filled())
    given = root.need("input")
    if isinstance(given.value, str):
        turns.hears("user", given.filled())
        return turns.messages()
    items = given.items()
    if not items:
        raise given.wrong("a non-empty array")
    stored = root.get("store") is None or root.need("store").flag()
    seen: set[str] = set()
    for before, item in zip([None, *items], items, strict=False):
        _identity(item, before, seen)
        _take(turns, item, stored=stored)
    if _kind(items[-1]) == "reasoning":
        raise _alone(items[-1])
    return turns.messages()


def _kind(item: Node) -> str:
    if isinstance(item.value, dict) and "type" not in item.value and "role" in item.value:
        return "message"
    return item.kind(*_KINDS)


def _identity(item: Node, before: Node | None, seen: set[str]) -> None:
    """That ids are not used twice, and that reasoning and the item after it stay together."""
    kind = _kind(item)
    follows = kind in ("message", "function_call", "computer_call") and item.value.get("role") in (None, "assistant")
    if before is not None and _kind(before) == "reasoning" and not follows:
        raise _alone(before)
    if not (given := item.maybe("id")):
        return
    made = given.filled()
    prefix = _PREFIXES.get(kind, "")
    if not made.startswith(prefix) or len(made) > _LONGEST:
        raise given.wrong(f"an ID that begins with '{prefix}' and has at most {_LONGEST} characters")
    if made in seen:
        raise given.invalid(f"Duplicate item found with id {made}. Remove duplicate items from your input.")
    seen.add(made)
    if (paired := _PAIRED.search(made)) and (before is None or _kind(before) != "reasoning"):
        needed = f"rs_{paired['response']}_{int(paired['place']) - 1}"
        text = f"Item '{made}' of type '{kind}' was provided without its required 'reasoning' item: '{needed}'."
        raise item.invalid(text)


def _alone(item: Node) -> Invalid:
    made = item.need("id").filled()
    return item.invalid(f"Item '{made}' of type 'reasoning' was provided without its required following item.")


def _take(turns: Turns, item: Node, *, stored: bool) -> None:
    if status := item.maybe("status"):
        status.one_of(*_STATUS)
    match _kind(item):
        case "message":
            _message(turns, item)
        case "reasoning":
            turns.reasons(_reasoning(item, stored=stored))
        case "function_call":
            item.only("type", "id", "call_id", "name", "arguments", "status")
            turns.calls("function_call", item, item.need("name").filled(), item.need("arguments").text())
        case "function_call_output":
            item.only("type", "id", "call_id", "output", "status")
            turns.answers("function_call", item, *result(item.need("output")))
        case "computer_call":
            turns.calls("computer_call", item, NAME, arguments_of(item))
        case _:
            item.only("type", "id", "call_id", "output", "acknowledged_safety_checks", "status")
            turns.answers("computer_call", item, "screenshot", [screenshot(item.need("output"))])


def _message(turns: Turns, item: Node) -> None:
    role = item.need("role").one_of(*_ROLES)
    if role == "assistant":
        item.only("type", "role", "content", "id", "status", "phase")
        if phase := item.maybe("phase"):
            phase.one_of("commentary", "final_answer")
        turns.says(*said(item.need("content")))
        return
    item.only("type", "role", "content", "id", "status")
    # What the model is told is one thing to a brain, whoever tells it.
    turns.hears("user" if role == "user" else "system", heard(item.need("content"), images=role == "user"))


def _reasoning(item: Node, *, stored: bool) -> str:
    item.only("type", "id", "summary", "content", "encrypted_content", "status")
    made = item.need("id").filled()
    parts = item.need("summary").items()
    for part in parts:
        part.only("type", "text").kind("summary_text")
    summary = "\n\n".join(part.need("text").text() for part in parts)
    sealed = item.maybe("encrypted_content")
    if sealed is None:
        if not stored:
            text = f"Item with id '{made}' not found. Items are not persisted when `store` is set to false."
            raise item.invalid(text)
        return summary
    reasoning = opened(sealed.filled())
    if reasoning is None:
        text = f"The encrypted content for item {made} could not be verified. This server did not make it."
        raise sealed.invalid(text)
    return reasoning
