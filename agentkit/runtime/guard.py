"""The guard against a model that goes in circles: the same call, the same two turns of calls, the same wrong answer.

What counts is what the model does, not what it gets: a result with a clock or a counter in it is different each time,
and would switch the guard off where it is needed most. A tool that is called with the same arguments on purpose, to
wait or to go on to a next page, says `poll=True`: its calls never count, and they break the pattern around them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentkit.messages import ToolCall

_NUDGE = 3  # the third time in a row is answered with a reminder
_STOP = 5  # the fifth is not run
_GIVE_UP = 4  # as often the same wrong answer, and asking again is no use

_REMINDERS = {
    1: "[This is the same call as before, with the same arguments. Use this result, or do something else.]",
    2: "[These calls come in turns, always the same. Use the results that you have, or do something else.]",
}
_STOPPED = {
    1: "Not run: the same call with the same arguments was made {times} times in a row. Use the earlier result.",
    2: "Not run: the same calls were made in turns {times} times in a row. Use the earlier results.",
}


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many times in a row a call has come, this time included; `period` is 2 when others came in between."""

    times: int
    period: int = 1

    @property
    def reminder(self) -> str | None:
        """What is added to the call's result, if anything is."""
        return f"\n\n{_REMINDERS[self.period]}" if self.times >= _NUDGE else None

    @property
    def refusal(self) -> str | None:
        """Why the call is not run, if it is not."""
        return _STOPPED[self.period].format(times=self.times) if self.times >= _STOP else None


class RepeatGuard:
    """Counts what repeats itself in a row, over the whole run."""

    def __init__(self) -> None:
        self._calls = _Pattern()  # one call after the other
        self._turns = _Pattern()  # all calls of a turn, in any order
        self._judged: tuple[str, list[Repeats]] | None = None
        self._answer = ""
        self._same_answers = 0

    def turn(self, calls: Sequence[ToolCall], polls: Sequence[bool]) -> list[Repeats]:
        """How often each call of a turn has come by now; a turn that a resumed run looks at again counts once."""
        if not calls:
            return []
        if self._judged is not None and self._judged[0] == calls[0].id:
            return self._judged[1]
        marks = [None if poll else _mark(call) for call, poll in zip(calls, polls, strict=True)]
        known = [mark for mark in marks if mark is not None]
        whole = self._turns.seen(_digest(sorted(known)) if len(known) == len(marks) else None)
        repeats = [max(self._calls.seen(mark), whole, key=_severity) for mark in marks]
        self._judged = (calls[0].id, repeats)
        return repeats

    def rejected(self, answer: str, problems: Sequence[str]) -> int:
        """How many times in a row this answer was rejected for these reasons, this time included."""
        mark = _digest([answer, *problems])
        self._same_answers = self._same_answers + 1 if mark == self._answer else 1
        self._answer = mark
        return self._same_answers

    @staticmethod
    def gives_up(times: int) -> bool:
        """Whether an answer that was rejected `times` times in a row is not asked for again."""
        return times >= _GIVE_UP

    def state(self) -> dict[str, Any]:
        """All that it has counted, as a JSON value."""
        turn, repeats = self._judged or (None, [])
        return {
            "calls": self._calls.state(),
            "turns": self._turns.state(),
            "turn": turn,
            "repeats": [[each.times, each.period] for each in repeats],
            "answer": self._answer,
            "same_answers": self._same_answers,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on counting from what `state` gave."""
        self._calls.restore(state["calls"])
        self._turns.restore(state["turns"])
        repeats = [Repeats(times, period) for times, period in state["repeats"]]
        self._judged = None if state["turn"] is None else (state["turn"], repeats)
        self._answer, self._same_answers = state["answer"], state["same_answers"]


class _Pattern:
    """How long a sequence has been repeating its last item, or its last two in turns."""

    def __init__(self) -> None:
        self._last: list[str] = []  # at most two, the older first
        self._single = 0  # items in a row that are the same
        self._pair = 0  # items in a row that are the same as the one before the last

    def seen(self, mark: str | None) -> Repeats:
        """Take the next item; None is like nothing else."""
        if mark is None:
            self._last, self._single, self._pair = [], 0, 0
            return Repeats(0)
        self._single = self._single + 1 if self._last[-1:] == [mark] else 1
        back = self._last[0] if len(self._last) == 2 else None
        self._pair = self._pair + 1 if mark == back else min(len(self._last) + 1, 2)
        self._last = [*self._last[-1:], mark]
        alone, in_turns = Repeats(self._single), Repeats((self._pair + 1) // 2, 2)
        return max(alone, in_turns, key=_severity)

    def state(self) -> dict[str, Any]:
        return {"last": self._last, "single": self._single, "pair": self._pair}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._last, self._single, self._pair = list(state["last"]), state["single"], state["pair"]


def _severity(repeats: Repeats) -> tuple[int, int]:
    return repeats.times, -repeats.period


def _mark(call: ToolCall) -> str:
    """The same for calls of one name with equal arguments."""
    if call.arguments is None:
        return _digest([call.name, call.arguments_text])
    return _digest([call.name, call.arguments])


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
