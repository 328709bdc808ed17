"""What the items of an answer say besides its parts, kept in the message so that they can be sent back. Pure.

`AssistantMessage.extra["output_items"]` lists the items in their order: reasoning and items that nothing is known of
whole, the others without what the message's parts hold (texts, calls). It is there only when an item says something
that is worth sending back: reasoning, a phase, annotations, a computer's call, a server-side tool's work. It stays in
the message when the conversation moves to another wire, which does not send it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentkit.messages import AssistantMessage, RefusalPart, TextPart, ToolCall

FIELD = "output_items"

Said: TypeAlias = TextPart | RefusalPart


@dataclass(frozen=True, slots=True)
class Matched:
    """A kept item, and the parts that belong to it."""

    item: dict[str, Any]
    said: tuple[Said, ...] = ()
    calls: tuple[ToolCall, ...] = ()

    @property
    def call(self) -> ToolCall:
        """The call of an item that is one."""
        return self.calls[0]


class _Changed(Exception):
    """The parts are not those that the items came with."""


def matched(message: AssistantMessage) -> list[Matched] | None:
    """The kept items with their parts; None when there are none, or when someone has changed the parts since."""
    kept = message.extra.get(FIELD)
    if not isinstance(kept, (list, tuple)) or not kept:
        return None
    said = iter([part for part in message.parts if isinstance(part, (TextPart, RefusalPart))])
    calls = iter(message.tool_calls)
    try:
        found = [_match(item, said, calls) for item in kept]
    except _Changed:
        return None
    return found if next(said, None) is None and next(calls, None) is None else None


def _match(item: Any, said: Iterator[Said], calls: Iterator[ToolCall]) -> Matched:
    kind = item.get("type") if isinstance(item, Mapping) else None
    if not isinstance(kind, str):
        raise _Changed
    if kind == "message":
        return Matched(dict(item), said=tuple(_texts(item.get("content"), said)))
    if kind in ("function_call", "computer_call"):
        call = next(calls, None)
        if call is None or item.get("name", call.name) != call.name:
            raise _Changed
        return Matched(dict(item), calls=(call,))
    return Matched(dict(item))


def _texts(content: Any, said: Iterator[Said]) -> Iterator[Said]:
    for known in content if isinstance(content, (list, tuple)) else ():
        part = next(said, None)
        wanted = RefusalPart if isinstance(known, Mapping) and known.get("type") == "refusal" else TextPart
        if not isinstance(known, Mapping) or not isinstance(part, wanted):
            raise _Changed
        yield part
