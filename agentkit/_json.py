"""JSON as the wire has it: bytes in, bytes out.

Decoding uses pydantic-core's parser, which is several times faster than the standard library's, and falls back to the
standard library for what that parser refuses (lone surrogates, huge numbers), so that the slower one decides what is an
error and names its position.
"""

import json
from typing import Any

from pydantic_core import from_json


def loads(data: str | bytes | bytearray) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: the text is not JSON; the message has line and column.
    """
    try:
        return from_json(data, allow_inf_nan=False)
    except ValueError:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON of a value made of dict, list, tuple, str, int, float, bool and None.

    Raises:
        ValueError: NaN or infinity, which JSON cannot say, or a circular value.
        TypeError: a value of another type.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate, as file names carry them; no server takes it
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def partial(data: str | bytes) -> Any:
    """The value of a JSON text that may be cut off anywhere: complete items, with the last string as far as it goes.

    None when nothing can be read of it yet.
    """
    try:
        return from_json(data, allow_partial="trailing-strings")
    except ValueError:
        return None
