"""JSON as the wire has it: bytes in, bytes out.

Decoding uses pydantic-core's parser, which is several times faster than the standard library's, and falls back to the
standard library for what that parser refuses (lone surrogates, huge numbers), so that the slower one decides what is an
error and names its position. pydantic-core is loaded by the first text that is decoded.
"""

import functools
import json
from collections.abc import Callable
from typing import Any, NoReturn

_DEEPEST = 300  # levels of lists and objects; more would be too much for whoever walks the value

# One encoder for all: json.dumps with these options would make one for each call.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def loads(data: str | bytes | bytearray) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: the text is not JSON (NaN and Infinity are none), or nested too deeply; the message has line
            and column where there is one.
    """
    try:
        return _parser()(data, allow_inf_nan=False)
    except (ValueError, TypeError):  # TypeError is for lone surrogates in a str
        return _loads_slowly(data)


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON of a value made of dict, list, tuple, str, int, float, bool and None.

    Raises:
        ValueError: NaN or infinity, which JSON cannot say, or a value that is circular or nested too deeply.
        TypeError: a value of another type.
    """
    try:
        text = _encode(value)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate, as file names carry them; no server takes it
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def partial(data: str | bytes) -> Any:
    """The value of a JSON text that may be cut off anywhere: complete items, with the last string as far as it goes.

    None when nothing can be read of it yet. A number at the very end is left out: more digits may come.
    """
    cut = _last_number(data)
    if cut:
        before = data[:-cut]
        letter = before + "x" if isinstance(before, str) else before + b"x"
        if _partial(letter) is None:  # a letter cannot stand there: it is a number, and not the end of a string
            return _partial(before)
    return _partial(data)


@functools.cache
def _parser() -> Callable[..., Any]:
    """pydantic-core's; an import statement in `loads` would cost half as much again as a small text."""
    from pydantic_core import from_json

    return from_json


def _partial(data: str | bytes) -> Any:
    try:
        return _parser()(data, allow_partial="trailing-strings", allow_inf_nan=False)
    except (ValueError, TypeError):
        return None


def _last_number(data: str | bytes) -> int:
    """How many characters at the end look like a number; 0 if none do."""
    tail = data[-400:] if isinstance(data, str) else data[-400:].decode("latin-1")
    rest = tail.rstrip("0123456789+-.eE")
    return len(tail) - len(rest) if any(map(str.isdecimal, tail[len(rest) :])) else 0


def _loads_slowly(data: str | bytes | bytearray) -> Any:
    try:
        value = json.loads(data, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not _is_flat_enough(value):
        raise ValueError("nested too deeply")
    return value


def _is_flat_enough(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return True
    return False


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
