"""Functions that cannot become tools are refused when they are decorated, with a sentence that says what to do."""

import functools
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel, ConfigDict, Field

from agentkit.errors import OutputTypeError, ToolDefinitionError
from agentkit.schema import for_json_schema, for_type, function_schema


class Context:
    """What `is_context` recognises in these tests."""


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    lock: socket.socket

    @classmethod
    def of_class(cls) -> None: ...


@dataclass
class Connection:
    line: socket.socket


class Recursive(TypedDict):
    next: "Recursive | None"


INSTEAD = "use str, int, float, bool, list, dict, a dataclass, a TypedDict or a pydantic model"


def no_annotation(query) -> None: ...  # type: ignore[no-untyped-def]
def no_extra_annotation(**options) -> None: ...  # type: ignore[no-untyped-def]
def many(*terms: str) -> None: ...
def unknown_name(value: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def broken_annotation(value: "list[") -> None: ...  # type: ignore[valid-type]  # noqa: F722
def a_socket(value: socket.socket) -> None: ...
def a_socket_after(first: int, second: socket.socket) -> None: ...
def socket_or_text(value: socket.socket | str) -> None: ...
def sockets(value: list[socket.socket]) -> None: ...
def in_a_dataclass(value: Connection) -> None: ...
def in_a_model(value: Holder) -> None: ...
def a_function(value: Callable[[int], int]) -> None: ...
def an_iterable(value: Iterable[int]) -> None: ...
def late_context(city: str, ctx: Context) -> None: ...
def keyword_context(*, ctx: Context) -> None: ...
def two_contexts(ctx: Context, other: Context) -> None: ...
def two_defaults(value: Annotated[int, Field(default=3)] = 4) -> None: ...
def same_alias(a: Annotated[int, Field(alias="x")], b: Annotated[int, Field(alias="x")]) -> None: ...
def extra_sockets(**lines: socket.socket) -> None: ...
def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


REFUSALS: list[tuple[Any, str]] = [
    (no_annotation, "no_annotation(): parameter query has no type: annotate it, for example `query: str`"),
    (
        no_extra_annotation,
        "no_extra_annotation(): parameter **options has no type: annotate it, for example `**options: str`",
    ),
    (many, "many(): *terms has no names that a model could send: take a list, for example `terms: list[str]`"),
    (
        unknown_name,
        "unknown_name(): the annotation 'Missing' of parameter value names 'Missing', which is not defined here: "
        "define or import it above the function, and not only under TYPE_CHECKING",
    ),
    (
        a_socket,
        f"a_socket(): parameter value: the type socket.socket cannot be described in JSON; {INSTEAD}",
    ),
    (
        a_socket_after,
        f"a_socket_after(): parameter second: the type socket.socket cannot be described in JSON; {INSTEAD}",
    ),
    (
        socket_or_text,
        f"socket_or_text(): parameter value: the type socket.socket | str cannot be described in JSON; {INSTEAD}",
    ),
    (
        sockets,
        f"sockets(): parameter value: the type list[socket.socket] cannot be described in JSON; {INSTEAD}",
    ),
    (
        extra_sockets,
        f"extra_sockets(): parameter **lines: the type socket.socket cannot be described in JSON; {INSTEAD}",
    ),
    (
        late_context,
        "late_context(): the context parameter ctx must be the first parameter (after self), and not keyword-only: "
        "move it to the front",
    ),
    (
        keyword_context,
        "keyword_context(): the context parameter ctx must be the first parameter (after self), and not keyword-only: "
        "move it to the front",
    ),
    (
        two_contexts,
        "two_contexts(): the context parameter other must be the first parameter (after self), and not keyword-only: "
        "move it to the front",
    ),
    (
        two_defaults,
        "two_defaults(): parameter value has two defaults: keep `= 4` and take the one out of Field(...)",
    ),
    (same_alias, "same_alias(): two parameters have the same alias: give each its own"),
    (generator, "generator(): it is a generator: return a list, a tool answers once"),
    (async_generator, "async_generator(): it is a generator: return a list, a tool answers once"),
    (Connection, "Connection(): it is a class, not a function: write a function that returns one"),
    (
        lambda query: query,
        "a lambda has no name that a model could call: give one with name=, or write a function",
    ),
    (Holder.__dict__["of_class"], "of_class(): put @classmethod above @tool, not below it"),
    (functools.partial(many, "a"), "many(): *terms has no names that a model could send: "
     "take a list, for example `terms: list[str]`"),
    (3, "int(): 3 cannot be called: write a function"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "sentence"), REFUSALS, ids=[row[1].split("(")[0] for row in REFUSALS])
def test_a_function_that_cannot_be_a_tool_is_refused_with_a_sentence(function: Any, sentence: str) -> None:
    with pytest.raises(ToolDefinitionError) as caught:
        function_schema(function, is_context=lambda annotation: annotation is Context)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "function", [broken_annotation, in_a_dataclass, in_a_model, a_function, an_iterable], ids=lambda f: f.__name__
)
def test_a_refusal_with_the_library_s_own_reason_names_function_and_parameter(function: Callable[..., Any]) -> None:
    with pytest.raises(ToolDefinitionError) as caught:
        function_schema(function, is_context=lambda annotation: False)
    text = str(caught.value)
    assert text.startswith(f"{function.__name__}(): ")
    assert "parameter value" in text
    assert "\n" not in text
    assert "errors.pydantic.dev" not in text


def test_a_builtin_without_a_readable_signature_is_refused() -> None:
    with pytest.raises(
        ToolDefinitionError, match=r"^getattr\(\): its signature cannot be read .*wrap it in a function"
    ):
        function_schema(getattr, is_context=lambda annotation: False)


def test_an_output_type_that_json_cannot_carry_is_refused() -> None:
    with pytest.raises(OutputTypeError) as caught:
        for_type(threading.Thread)
    assert str(caught.value) == f"the type threading.Thread cannot be described in JSON; {INSTEAD}"


def test_a_json_schema_that_is_wrong_is_refused_with_the_place() -> None:
    with pytest.raises(OutputTypeError) as caught:
        for_json_schema({"type": "object", "properties": {"a": {"type": "strin"}}})
    assert str(caught.value) == (
        "the JSON Schema is wrong at properties.a.type: 'strin' is not valid under any of the given schemas"
    )


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        (
            {"$ref": "#/$defs/Missing"},
            "the JSON Schema refers to '#/$defs/Missing', which is not in it: put it under $defs, nothing is fetched",
        ),
        (
            {"properties": {"a": {"$ref": "http://127.0.0.1:1/other.json"}}},
            "the JSON Schema refers to 'http://127.0.0.1:1/other.json', which is not in it: "
            "put it under $defs, nothing is fetched",
        ),
        (
            {"$schema": "http://example.com/own", "type": "object"},
            "the JSON Schema's $schema names no known draft: 'http://example.com/own'; leave it out for draft 2020-12",
        ),
        (
            {"$schema": 7},
            "the JSON Schema's $schema names no known draft: 7; leave it out for draft 2020-12",
        ),
        ({"pattern": "["}, "the JSON Schema is wrong at pattern: '[' is not a 'regex'"),
        ({"type": 7}, "the JSON Schema is wrong at type: 7 is not valid under any of the given schemas"),
    ],
)
def test_a_json_schema_that_cannot_be_used_is_refused(schema: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OutputTypeError) as caught:
        for_json_schema(schema)
    assert str(caught.value) == sentence


def test_a_dataclass_with_an_unknown_name_is_refused_with_that_name() -> None:
    @dataclass
    class Broken:
        value: "Nowhere"  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(OutputTypeError, match=r"Broken names 'Nowhere', which is not defined: define it before"):
        for_type(Broken)


def test_a_typed_dict_with_an_unknown_name_is_refused() -> None:
    class Broken(TypedDict):
        value: "Nowhere"  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(OutputTypeError, match="Nowhere"):
        for_type(Broken)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from 3.12 on pydantic takes typing.TypedDict as it is")
def test_a_recursive_typing_typed_dict_is_refused_before_python_3_12() -> None:
    with pytest.raises(OutputTypeError, match=r"contains itself: import TypedDict from typing_extensions, not from"):
        for_type(Recursive)


def test_a_json_schema_that_is_nested_too_deeply_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(2_000):
        schema = {"not": schema}
    with pytest.raises(OutputTypeError, match="nested too deeply to be checked: make it flatter"):
        for_json_schema(schema)
