"""What a tool returned, as the model gets it."""

import base64
import dataclasses
import datetime
import decimal
import enum
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import tool
from agentkit.messages import FilePart, ImagePart, TextPart, ToolMessage, Trust
from agentkit.tools import cut, result_parts

_PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8


class Point(BaseModel):
    x: int
    when: datetime.date


@dataclasses.dataclass
class Pair:
    left: int
    right: "Pair | None" = None


class Colour(enum.Enum):
    RED = "red"


class Money:
    def __str__(self) -> str:
        return "3 EUR"


def _some() -> Iterator[int]:
    yield from (1, 2)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (1.5, "1.5"),
        ("as it is", "as it is"),
        ("", ""),
        ({"a": [1, None], 2: "b"}, '{"a":[1,null],"2":"b"}'),
        ((1, "zwölf"), '[1,"zwölf"]'),
        ({7}, "[7]"),
        (_some(), "[1,2]"),
        (Point(x=1, when=datetime.date(2026, 1, 2)), '{"x":1,"when":"2026-01-02"}'),
        ([Point(x=1, when=datetime.date(2026, 1, 2))], '[{"x":1,"when":"2026-01-02"}]'),
        (Pair(1, Pair(2)), '{"left":1,"right":{"left":2,"right":null}}'),
        (Colour.RED, '"red"'),
        (decimal.Decimal("1.10"), '"1.10"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (PurePosixPath("a/b"), '"a/b"'),
        ({"price": Money()}, '{"price":"3 EUR"}'),
        (float("nan"), '"NaN"'),
        ([float("inf"), float("-inf")], '["Infinity","-Infinity"]'),
        (b"plain text", "plain text"),
        (bytearray(b"same"), "same"),
        (b"\xff\xfe\x00", "base64: " + base64.b64encode(b"\xff\xfe\x00").decode()),
        ({"raw": b"\xff\xff\xbe"}, '{"raw":"__--"}'),
        (["name\udc80"], '["name\udc80"]'),
    ],
)
def test_a_value_has_one_text(value: Any, text: str) -> None:
    assert result_parts(value, trust="tool", limit=1000) == (TextPart(text, "tool"),)


def test_images_and_files_stay_what_they_are() -> None:
    image, document = ImagePart(url="https://example.test/a.png"), FilePart(b"%PDF", "application/pdf", "a.pdf")
    assert result_parts(_PNG, trust="web", limit=9) == (ImagePart(data=_PNG, media_type="image/png", trust="web"),)
    assert result_parts([_PNG, "one"], trust="tool", limit=99) == (
        ImagePart(data=_PNG, media_type="image/png", trust="tool"),
        TextPart("one", "tool"),
    )
    assert result_parts([image, "two", {"n": 3}, document], trust="tool", limit=99) == (
        dataclasses.replace(image, trust="tool"),
        TextPart("two", "tool"),
        TextPart('{"n":3}', "tool"),
        dataclasses.replace(document, trust="tool"),
    )


@pytest.mark.parametrize(
    ("own", "declared", "kept"), [("web", "tool", "web"), ("user", "tool", "tool"), ("system", "web", "web")]
)
def test_a_part_is_never_trusted_more_than_it_says_or_than_its_tool(own: Trust, declared: Trust, kept: Trust) -> None:
    assert result_parts(TextPart("x", own), trust=declared, limit=9) == (TextPart("x", kept),)


def test_a_long_text_keeps_head_and_tail_and_says_what_is_missing() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("a" * 40 + "b" * 3000 + "c" * 20, 60) == (
        "a" * 40 + "\n[... 3,000 characters left out ...]\n" + "c" * 20
    )
    assert cut("abcdef", 1) == "\n[... 5 characters left out ...]\nf"
    parts = result_parts(["x" * 5_000_000], trust="tool", limit=50_000)
    assert len(parts[0].text if isinstance(parts[0], TextPart) else "") < 50_100


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["object", "lock", "function", "circular"])
async def test_a_value_without_a_json_form_is_the_tools_failure(call_tool: Callable[..., Any], kind: str) -> None:
    circular: list[Any] = []
    circular.append(circular)
    values = {"object": object(), "lock": threading.Lock(), "function": _some, "circular": circular}

    @tool
    def give() -> Any:
        return {"value": values[kind]}

    outcome = await call_tool(give)
    assert (outcome.outcome, outcome.message.text) == ("error", "give failed with an internal error.")
    assert isinstance(outcome.error, ValueError)


def test_an_object_with_no_text_of_its_own_is_named_in_the_refusal() -> None:
    with socket.socket() as one, pytest.raises(ValueError, match="a socket cannot be a tool's result: return text"):
        result_parts([one], trust="tool", limit=9)


@pytest.mark.anyio
async def test_the_result_carries_the_trust_and_the_limit_that_the_tool_declares(
    call_tool: Callable[..., Any],
) -> None:
    @tool(trust="web", max_result=9)
    def page() -> str:
        return "0123456789"

    outcome = await call_tool(page)
    assert outcome.message == ToolMessage(
        "call-1", "page", [TextPart("012345\n[... 1 characters left out ...]\n789", "web")]
    )
