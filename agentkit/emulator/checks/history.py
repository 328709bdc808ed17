"""The messages of a request: each one's shape, and that every tool call is answered once, in order, right after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentkit.emulator.checks.content import check_content
from agentkit.emulator.dialects import Dialect, Problem

_FIELDS: Mapping[str, frozenset[str]] = {
    "system": frozenset({"role", "content", "name"}),
    "developer": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "tool": frozenset({"role", "content", "tool_call_id", "name"}),
    # The last line is what servers send back and clients replay as it came.
    "assistant": frozenset({"role", "content", "name", "tool_calls", "refusal", "audio", "function_call"})
    | {"annotations", "parsed", "reasoning_content", "reasoning", "reasoning_details", "extra_content"},
}
_MAY_BE_NULL = frozenset({"content", "refusal", "audio", "function_call", "tool_calls", "parsed", "annotations"})


def check_messages(messages: object, dialect: Dialect) -> Iterator[Problem]:
    """What is wrong with the messages, in their order; each problem names the message's index."""
    if not isinstance(messages, list):
        yield Problem("messages is required and must be an array", "messages")
        return
    if not messages:
        yield Problem("messages must not be empty", "messages")
        return
    open_calls: list[str] = []
    caller = 0
    for index, message in enumerate(messages):
        yield from _shape(message, f"messages[{index}]", dialect)
        if message["role"] == "tool":
            yield from _answer(message, index, open_calls)
            continue
        yield from _unanswered(open_calls, caller)
        open_calls, caller = [call["id"] for call in message.get("tool_calls") or ()], index
    yield from _unanswered(open_calls, caller)


def _shape(message: object, path: str, dialect: Dialect) -> Iterator[Problem]:
    if not isinstance(message, Mapping):
        yield Problem(f"{path} must be an object", path)
        return
    role = message.get("role")
    if role not in dialect.roles:
        known = ", ".join(dialect.roles)
        yield Problem(f"{path}.role must be one of {known}, not {role!r}", f"{path}.role")
        return
    yield from _fields(message, str(role), path)
    yield from check_content(message, path)
    yield from _tool_calls(message.get("tool_calls"), f"{path}.tool_calls")
    if role == "tool" and not _is_text(message.get("tool_call_id")):
        where = f"{path}.tool_call_id"
        yield Problem(f"{where} is required and must be a non-empty string", where)


def _fields(message: Mapping[str, Any], role: str, path: str) -> Iterator[Problem]:
    for name, value in message.items():
        where = f"{path}.{name}"
        if name not in _FIELDS[role]:
            yield Problem(f"unknown parameter: {where!r}", where, kind="unsupported_parameter")
        elif value is None and not (role == "assistant" and name in _MAY_BE_NULL):
            yield Problem(f"{where} must not be null", where)


def _tool_calls(calls: object, path: str) -> Iterator[Problem]:
    if calls is None:
        return
    if not isinstance(calls, list) or not calls:
        yield Problem(f"{path} must be a non-empty array when it is given", path)
        return
    seen: set[str] = set()
    for index, call in enumerate(calls):
        where = f"{path}[{index}]"
        yield from _tool_call(call, where)
        if call["id"] in seen:
            yield Problem(f"{where}.id {call['id']!r} is used twice", f"{where}.id")
        seen.add(call["id"])


def _tool_call(call: object, where: str) -> Iterator[Problem]:
    if not isinstance(call, Mapping) or call.get("type") != "function" or not isinstance(call.get("function"), Mapping):
        yield Problem(f'{where} must be {{"id", "type": "function", "function": {{...}}}}', where)
        return
    function = call["function"]
    if not _is_text(call.get("id")):
        yield Problem(f"{where}.id is required and must be a non-empty string", f"{where}.id")
    if not _is_text(function.get("name")):
        yield Problem(f"{where}.function.name must be a non-empty string", f"{where}.function.name")
    if not isinstance(function.get("arguments"), str):
        inner = f"{where}.function.arguments"
        yield Problem(f"{inner} must be a string that holds JSON, not an object", inner)


def _answer(message: Mapping[str, Any], index: int, open_calls: list[str]) -> Iterator[Problem]:
    answered, path = message["tool_call_id"], f"messages[{index}]"
    if answered not in open_calls:
        text = f"{path} with role 'tool' must be a response to a preceding message with 'tool_calls'"
        yield Problem(f"{text}: no open call has the id {answered!r}", f"{path}.tool_call_id")
        return
    if answered != open_calls[0]:
        text = f"{path} answers {answered!r} before {open_calls[0]!r}: tool messages must follow the order of the calls"
        yield Problem(text, f"{path}.tool_call_id")
    open_calls.remove(answered)


def _unanswered(open_calls: Sequence[str], caller: int) -> Iterator[Problem]:
    if open_calls:
        path, missing = f"messages[{caller}]", ", ".join(open_calls)
        text = f"{path} with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'"
        yield Problem(f"{text}; these have no response: {missing}", f"{path}.tool_calls")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
