"""The declared output of a request: response_format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agentkit.emulator.checks.strict_schema import check_strict
from agentkit.emulator.dialects import Dialect, Problem

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)
_WHERE = "response_format"


def check_response_format(body: Mapping[str, Any], dialect: Dialect) -> Iterator[Problem]:
    """What is wrong with `response_format`."""
    if _WHERE not in body:
        return
    given = body[_WHERE]
    match given.get("type") if isinstance(given, Mapping) else None:
        case "text":
            yield from _only(given, {"type"})
        case "json_object":
            yield from _only(given, {"type"})
            if dialect.json_word and not _says_json(body["messages"]):
                text = f"'messages' must contain the word 'json' in some form, to use '{_WHERE}' of type 'json_object'."
                yield Problem(text, "messages")
        case "json_schema":
            yield from _only(given, {"type", "json_schema"})
            yield from _json_schema(given.get("json_schema"), f"{_WHERE}.json_schema")
        case _:
            text = f"{_WHERE} must be an object whose type is text, json_object or json_schema"
            yield Problem(text, _WHERE)


def _only(given: Mapping[str, Any], known: set[str]) -> Iterator[Problem]:
    for name in given:
        if name not in known:
            yield Problem(f"unknown parameter: '{_WHERE}.{name}'", f"{_WHERE}.{name}", kind="unsupported_parameter")


def _json_schema(given: object, where: str) -> Iterator[Problem]:
    if not isinstance(given, Mapping):
        yield Problem(f"{where} is required and must be an object", where)
        return
    for name in given:
        if name not in ("name", "description", "schema", "strict"):
            yield Problem(f"unknown parameter: '{where}.{name}'", f"{where}.{name}", kind="unsupported_parameter")
    name = given.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        text = f"{where}.name must be 1 to 64 of the characters a-z, A-Z, 0-9, _ and -, not {name!r}"
        yield Problem(text, f"{where}.name")
    if not isinstance(given.get("strict", False), bool):
        yield Problem(f"{where}.strict must be true or false", f"{where}.strict")
    schema = given.get("schema")
    if not isinstance(schema, Mapping):
        yield Problem(f"{where}.schema is required and must be a JSON Schema object", f"{where}.schema")
    elif given.get("strict"):
        yield from check_strict(schema, f"{where}.schema", f"{_WHERE} {name!r}")


def _says_json(messages: list[Mapping[str, Any]]) -> bool:
    return any("json" in text.lower() for message in messages for text in _texts(message.get("content")))


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (part["text"] for part in content if "text" in part)
