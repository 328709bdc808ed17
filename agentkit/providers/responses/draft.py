"""The output items of a streamed answer while they come. Pure.

Pieces find their item by its id, else by its place, else they belong to the last item of their kind: some servers leave
out the one or the other, give each event an id of its own, or all items the same place. A snapshot (`*.done`, a whole
item, the last event) takes the place of the pieces before it, and what it has more of is shown as a delta.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from agentkit.models import ArgumentsDelta, ReasoningDelta, TextDelta
from agentkit.providers.body import text_of
from agentkit.providers.wire import Delta

Place: TypeAlias = tuple[str, int]
"""The field or the kind of part that a text is in, and its index there."""

ARGUMENTS: Place = ("arguments", 0)
_CALLS = ("function_call", "computer_call")


class ItemDraft:
    """An item as it comes. `position` counts the calls of the answer from 0, and is -1 for what is no call."""

    __slots__ = ("done", "fields", "index", "kind", "parts", "position", "texts")

    def __init__(self, kind: str, index: int | None, position: int) -> None:
        self.kind = kind
        self.index = index
        self.position = position
        self.fields: dict[str, Any] = {"type": kind}
        self.parts: dict[Place, dict[str, Any]] = {}
        self.texts: dict[Place, list[str]] = {}
        self.done = False

    def add(self, place: Place, piece: str) -> list[Delta]:
        """Take the next piece of a text."""
        if not piece:
            return []
        between = place not in self.texts and self.kind == "reasoning" and bool(self.texts)
        self.texts.setdefault(place, []).append(piece)
        return self._shown(place, f"\n\n{piece}" if between else piece)

    def snapshot(self, place: Place, text: str) -> list[Delta]:
        """Take a whole text in the place of its pieces."""
        before = "".join(self.texts.get(place, ()))
        if text.startswith(before):
            return self.add(place, text[len(before) :])
        self.texts[place] = [text]  # what was shown cannot be taken back; the message is right
        return []

    def whole(self) -> dict[str, Any]:
        """The item: as the server said it in the end, else from its pieces."""
        fields = self.fields
        if self.done and texts_of(fields):
            return fields
        if self.kind == "function_call":
            pieces = "".join(self.texts.get(ARGUMENTS, ()))
            return {**fields, "arguments": pieces} if pieces else fields
        found = {"content": self._parts("output_text", "refusal")} if self.kind == "message" else {}
        if self.kind == "reasoning":
            found = {"summary": self._parts("summary_text"), "content": self._parts("reasoning_text")}
        return {**fields, **{field: parts for field, parts in found.items() if parts}}

    def _parts(self, *kinds: str) -> list[dict[str, Any]]:
        places = sorted((place for place in self.texts if place[0] in kinds), key=lambda place: place[1])
        return [
            {
                **self.parts.get(place, {}),
                "type": place[0],
                "refusal" if place[0] == "refusal" else "text": "".join(self.texts[place]),
            }
            for place in places
        ]

    def _shown(self, place: Place, piece: str) -> list[Delta]:
        if self.kind == "reasoning":
            return [ReasoningDelta(piece)]
        if place == ARGUMENTS:
            name = self.fields.get("name")
            return [ArgumentsDelta(self.position, name if isinstance(name, str) else "", piece)]
        return [TextDelta(piece)] if place[0] == "output_text" else []


class Draft:
    """Collects the items of one answer, in the order in which they began."""

    def __init__(self) -> None:
        self._items: list[ItemDraft] = []
        self._by_id: dict[str, ItemDraft] = {}
        self._calls = 0

    def items(self) -> list[dict[str, Any]]:
        """The items, as far as they have come."""
        return [item.whole() for item in self._items]

    def item_for(self, kind: str, event: Mapping[str, Any]) -> ItemDraft:
        """The item that a piece of an item of this kind belongs to."""
        item_id, index = text_of(event.get("item_id")), _place(event.get("output_index"))
        found = self._by_id.get(item_id)
        if found is None or found.kind != kind:
            found = self._last(kind, index)
        return found or self._begin(kind, item_id, index)

    def begin(self, event: Mapping[str, Any], item: dict[str, Any]) -> None:
        """Take the beginning of an item, which may be told twice."""
        known = self._told(event, item)
        if not known.done:
            known.fields = item

    def end(self, event: Mapping[str, Any], item: dict[str, Any]) -> list[Delta]:
        """Take a whole item; gives what of it has not been shown."""
        known = self._told(event, item)
        known.fields, known.done = item, True
        return [delta for place, text in texts_of(item) for delta in known.snapshot(place, text)]

    def finish(self, output: Sequence[Any]) -> list[Delta]:
        """What of the final items has not been shown."""
        deltas: list[Delta] = []
        for index, item in enumerate(output):
            if isinstance(item, dict) and isinstance(item.get("type"), str):
                deltas.extend(self.end({"output_index": index}, item))
        return deltas

    def _told(self, event: Mapping[str, Any], item: Mapping[str, Any]) -> ItemDraft:
        known = self._known(event, item)
        return known or self._begin(item["type"], text_of(item.get("id")), _place(event.get("output_index")))

    def _known(self, event: Mapping[str, Any], item: Mapping[str, Any]) -> ItemDraft | None:
        """The draft of an item that is told again."""
        kind, call_id, index = item["type"], item.get("call_id"), _place(event.get("output_index"))
        found = self._by_id.get(text_of(item.get("id"))) or self._by_id.get(text_of(event.get("item_id")))
        if found is not None and found.kind == kind:
            return found
        of_kind = [draft for draft in reversed(self._items) if draft.kind == kind]
        for draft in of_kind:
            if call_id and draft.fields.get("call_id") == call_id:
                return draft
        for draft in of_kind:
            other_call = call_id and draft.fields.get("call_id")
            if draft.index == index and not other_call and not (draft.done and index is None):
                return draft
        return None

    def _last(self, kind: str, index: int | None) -> ItemDraft | None:
        of_kind = [draft for draft in self._items if draft.kind == kind]
        at_place = [draft for draft in of_kind if index is not None and draft.index == index]
        if at_place:
            return at_place[-1]
        open_ones = [draft for draft in of_kind if not draft.done and (index is None or draft.index is None)]
        return open_ones[-1] if open_ones else None

    def _begin(self, kind: str, item_id: str, index: int | None) -> ItemDraft:
        position = -1
        if kind in _CALLS:
            position, self._calls = self._calls, self._calls + 1
        draft = ItemDraft(kind, index, position)
        if item_id:
            draft.fields["id"] = item_id
            self._by_id[item_id] = draft
        self._items.append(draft)
        return draft


def texts_of(item: Mapping[str, Any]) -> list[tuple[Place, str]]:
    """The texts of a whole item, each with its place."""
    if item["type"] == "function_call":
        arguments = item.get("arguments")
        return [(ARGUMENTS, arguments)] if isinstance(arguments, str) and arguments else []
    found: list[tuple[Place, str]] = []
    for field in ("summary", "content") if item["type"] == "reasoning" else ("content",):
        parts: Any = item.get(field)
        for index, part in enumerate(parts if isinstance(parts, list) else ()):
            kind, text = _kind_and_text(part)
            if kind and text:
                found.append(((kind, index), text))
    return found


def _kind_and_text(part: Any) -> tuple[str, str]:
    if not isinstance(part, dict):
        return "", ""
    return text_of(part.get("type")), text_of(part.get("text")) or text_of(part.get("refusal"))


def _place(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
