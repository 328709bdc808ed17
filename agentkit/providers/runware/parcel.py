"""What has arrived for one task, whichever way and however often."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio

from agentkit.providers.runware.decode import errors_of, is_finished, items_of

_SAME = ("taskUUID", "seed", "text", "reasoningContent", "finishReason", "tools")
"""What tells one result of a task from another; status, cost and the like depend on who was asked, and when."""


class Parcel:
    """The results of one task, of which `wanted` were asked for. `complete` is set when all of them have come.

    Made in the event loop in which it is waited for.
    """

    def __init__(self, task: str, wanted: int) -> None:
        self.items: list[Mapping[str, Any]] = []
        self.errors: list[Any] = []
        self.complete = anyio.Event()
        self._task = task
        self._wanted = wanted

    @property
    def missing(self) -> int:
        """How many results have neither come nor failed."""
        return max(0, self._wanted - len(self.items) - len(self.errors))

    def body(self) -> dict[str, Any]:
        """What has come, as a plain answer would have had it."""
        return {"data": [*self.items], **({"errors": [*self.errors]} if self.errors else {})}

    def polled(self, value: Mapping[str, Any]) -> bool:
        """Take the body that a poll was answered with; whether it says anything of this task.

        Polls repeat what earlier ones said. Two results may be the same word for word, so what counts is how often a
        result stands in one body.
        """
        items = [item for item in items_of(value) if self._is_mine(item)]
        errors = [entry for entry in errors_of(value) if self._is_mine(entry)]
        finished = [item for item in items if is_finished(item)]
        _merge(self.items, finished, key=_identity)
        _merge(self.errors, errors, key=_itself)
        # One error may stand for all results of a task: nothing more comes once nothing is being worked on.
        working = any(not is_finished(item) and item.get("status") != "error" for item in items)
        if self.missing == 0 or (errors and not working):
            self.complete.set()
        return bool(items or errors)

    def called(self, value: Mapping[str, Any]) -> bool:
        """Take the body of a webhook's call; whether it held something new of this task."""
        before = len(self.items) + len(self.errors)
        for item in items_of(value):
            if self._is_named_in(item) and is_finished(item):
                _merge(self.items, [item], key=_identity)
        for entry in errors_of(value):
            if self._is_named_in(entry):
                _merge(self.errors, [entry], key=_itself)
        if self.missing == 0:
            self.complete.set()
        return len(self.items) + len(self.errors) > before

    def fail(self, code: str, message: str) -> None:
        """Put an error of our own in place of what is missing."""
        self.errors.append({"code": code, "message": message, "taskUUID": self._task})
        self.complete.set()

    def _is_mine(self, entry: Any) -> bool:
        """Whether a poll's entry is about this task: one that names none came because this one was asked for."""
        return not isinstance(entry, Mapping) or "taskUUID" not in entry or self._is_named_in(entry)

    def _is_named_in(self, entry: Any) -> bool:
        return isinstance(entry, Mapping) and str(entry.get("taskUUID")).lower() == self._task


def _identity(item: Mapping[str, Any]) -> Any:
    return [item.get(name) for name in _SAME]


def _itself(entry: Any) -> Any:
    return entry


def _merge(known: list[Any], found: Sequence[Any], *, key: Callable[[Any], Any]) -> None:
    """Add what stands in `found` more often than in `known`."""
    had, seen = [key(each) for each in known], []
    for each in found:
        seen.append(key(each))
        if seen.count(seen[-1]) > had.count(seen[-1]):
            known.append(each)
