"""The conversation as Chat Completions messages, built from input items one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agentkit.emulator.surfaces.node import Node

_LONGEST = 64  # characters of a call's id


@dataclass(slots=True)
class _Said:
    """What the model said in one turn, as far as the items have come."""

    text: str = ""
    refusal: str = ""
    reasoning: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def message(self) -> dict[str, Any] | None:
        if not (self.text or self.refusal or self.calls):
            return None  # an empty answer that is replayed says nothing
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None}
        if self.refusal:
            message["refusal"] = self.refusal
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        return {**message, "tool_calls": self.calls} if self.calls else message


class Turns:
    """Messages in the making: items of one turn become one message, results follow in the order of their calls."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._said = _Said()
        self._open: dict[str, tuple[str, Node]] = {}  # call id -> the kind and the item of a call without a result
        self._results: dict[str, str] = {}
        self._images: list[dict[str, Any]] = []
        self._answered: set[str] = set()

    def hears(self, role: str, content: str | list[dict[str, Any]]) -> None:
        """A message that the model did not write."""
        self._settle()
        self._messages.append({"role": role, "content": content})

    def says(self, text: str, refusal: str) -> None:
        """A message that the model wrote."""
        if self._results or (not self._open and (self._said.text or self._said.refusal)):
            self._settle()
        self._said.text += text
        self._said.refusal += refusal

    def reasons(self, text: str) -> None:
        """Reasoning that belongs to the item after it."""
        if self._results:
            self._settle()
        self._said.reasoning += "\n\n" * bool(self._said.reasoning and text) + text

    def calls(self, kind: str, item: Node, name: str, arguments: str) -> None:
        """A call, which wants a result of the same kind."""
        if self._results:
            self._settle()
        call = item.need("call_id").filled()
        if len(call) > _LONGEST:
            raise item.need("call_id").wrong(f"a string of at most {_LONGEST} characters")
        if call in self._open or call in self._answered:
            raise item.need("call_id").says(f"another call has the id {call!r} too.")
        self._open[call] = (kind, item)
        function = {"name": name, "arguments": arguments}
        self._said.calls.append({"id": call, "type": "function", "function": function})

    def answers(self, kind: str, item: Node, text: str, images: list[dict[str, Any]]) -> None:
        """The result of a call."""
        where = item.need("call_id")
        wanted, _ = self._open.get(where.filled(), (None, None))
        if wanted != kind:
            words = kind.replace("_", " ")
            found = "No tool call" if wanted is None else f"No {words}"
            raise where.invalid(f"{found} found for {words} output with call_id {where.value}.")
        del self._open[where.value]
        self._answered.add(where.value)
        self._results[where.value] = text
        self._images += images

    def messages(self) -> list[dict[str, Any]]:
        """All of them; every call must have its result by now."""
        self._settle()
        return self._messages

    def _settle(self) -> None:
        """Ends the turn that is open: what the model said, then all results."""
        for call, (kind, item) in self._open.items():
            text = f"No tool output found for {kind.replace('_', ' ')} {call}."
            raise item.invalid(text, item.need("call_id").path)
        if said := self._said.message():
            self._messages.append(said)
        for made in self._said.calls:
            text = self._results[made["id"]]
            self._messages.append({"role": "tool", "tool_call_id": made["id"], "content": text})
        if self._images:
            self._messages.append({"role": "user", "content": self._images})
        self._said, self._results, self._images = _Said(), {}, []
