"""Types that JSON cannot carry, and how they are refused."""

from typing import Any

_INSTEAD = "use str, int, float, bool, list, dict, a dataclass, a TypedDict or a pydantic model"


class NotExpressible(Exception):
    """A type that JSON cannot carry; the text is a sentence about it, without the place where it was met."""


def refusal(tp: Any, cause: Exception | None = None) -> str:
    """The sentence for a type that JSON cannot carry, with pydantic's reason where there is one that says more."""
    reason = _reason(cause)
    return f"the type {type_name(tp)} cannot be described in JSON{reason}; {_INSTEAD}"


def type_name(tp: Any) -> str:
    """The type as a user writes it: `list[int]`, `socket.socket`."""
    if isinstance(tp, type) and not hasattr(tp, "__origin__"):
        return tp.__qualname__ if tp.__module__ in ("builtins", "__main__") else f"{tp.__module__}.{tp.__qualname__}"
    return repr(tp).replace("typing.", "").replace("typing_extensions.", "")


def _reason(cause: Exception | None) -> str:
    # The first line: pydantic goes on with advice for people who write models, and with a link.
    text = str(cause or "").strip().partition("\n")[0].rstrip(".")
    return (
        "" if not text or text.startswith(("Unable to generate pydantic-core schema", "`TypeAdapter")) else f" ({text})"
    )
