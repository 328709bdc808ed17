"""Which tools a question needs, and with which arguments: the calls that would answer it, made or not.

The choice is by overlap: words of the question with a tool's name, description and parameters. A tool that needs a path
or an id nobody has named yet waits for one that lists them. Where no tool is about the question, but some can look
things up, these look it up.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .arguments import Filled, fill, guess, reads, said_kinds, slots
from .conversation import Answered, Definition
from .listing import Entry, entries
from .words import words

_FITS = 2.0
_CLAUSE = re.compile(
    r"(?<=[?!;])\s+|(?<=[^\W\d]{3}\.)\s+(?=[A-ZÀ-ÝА-Я])|\n+|(?i:,?\s+(?:and|und|et|y|then|и)\s+(?:then\s+|also\s+)?(?=(?:what|which|who|how|when|"
    r"where|why|is|are|does|do|can|tell|show|list|convert|calculate|compute|give|find|send|check|translate|book|create|add|"
    r"was|wie|wer|wann|wo|quel|quelle|combien|qué|cuánto|сколько|что|какой)\b))"
)
_FAILED = re.compile(
    r"(?i)\b(?:error|failed|invalid|not valid|not found|unknown|no such|could not|cannot|must be|required)\b"
)
_FOLLOW_UP = re.compile(r"(?i)^\s*(?:and|what about|how about|und|et|y)\b")


@dataclass(frozen=True, slots=True)
class Planned:
    """A call that a clause asks for, and its result when it has been made."""

    tool: str
    arguments: Mapping[str, Any]
    answered: Answered | None


def clauses(question: str) -> list[str]:
    """The parts of a question that are asked one by one."""
    parts = [p.strip() for p in _CLAUSE.split(question) if p and p.strip()]
    return [p for p in parts if words(p) or any(said_kinds(p))][:8] or [question.strip()]


@dataclass(frozen=True, slots=True)
class Chooser:
    """Chooses among the tools of one request. `explore`: whether tools that look things up may serve any question."""

    tools: Sequence[Definition]
    answered: Sequence[Answered]
    question: str
    earlier: str
    explore: bool

    def plan(self, clause: str) -> list[Planned]:
        """The calls that this clause asks for; empty when no tool fits."""
        offered = entries(self.answered)
        about = f"{clause} {self.earlier}" if _FOLLOW_UP.match(clause) else clause
        ranked = sorted(((self._score(t, about), t) for t in self.tools), reverse=True, key=lambda pair: pair[0])
        chosen: list[Planned] = []
        met: set[str] = set()
        for score, tool in ranked:
            theirs = set(words(tool.name)) & set(words(about))
            if score > 0 and (not chosen or (score >= _FITS and theirs - met)):
                calls = self._calls(tool, clause, offered, score)
                chosen += calls
                met |= theirs if calls else set()
        return chosen or (self._explore(clause, offered) if self.explore else [])

    def wider(self) -> list[Planned]:
        """Calls that read what the plan left out; for when a plan has found nothing."""
        reader = next((t for t in self.tools if _is_reader(t)), None)
        offered = entries(self.answered)
        return [self._planned(reader, a) for a in reads(reader, offered)] if reader and self.explore else []

    def forced(self, clause: str) -> Planned:
        """A call of the likeliest tool, with guessed arguments when the clause gives none."""
        offered = entries(self.answered)
        tool = max(self.tools, key=lambda t: self._score(t, clause))
        filled = self._filled(tool, clause, offered)
        return self._planned(tool, filled.calls[0] if filled.calls else guess(tool, clause))

    def _score(self, tool: Definition, text: str) -> float:
        """How much a tool is about a text. A word that several tools share tells less."""
        wanted = set(words(text)) | set(said_kinds(text))
        score = 0.0
        for word in wanted & self._vocabulary(tool).keys():
            shared = sum(word in self._vocabulary(other) for other in self.tools)
            score += self._vocabulary(tool)[word] / shared**0.5
        return score

    @staticmethod
    def _vocabulary(tool: Definition) -> dict[str, float]:
        weights: dict[str, float] = {}
        for slot in slots(tool):
            options = slot.schema.get("enum")
            shown = " ".join(map(str, options)) if isinstance(options, list) else ""
            weights |= dict.fromkeys({*slot.words, *words(shown)}, 0.5)
        weights |= dict.fromkeys(words(tool.description), 1.0)
        return weights | dict.fromkeys(words(tool.name), 3.0)

    def _calls(self, tool: Definition, clause: str, offered: Sequence[Entry], score: float) -> list[Planned]:
        filled = self._filled(tool, clause, offered)
        if filled.calls:
            bonus = filled.evidence + (1.5 if _uses_columns(filled, clause, offered) else 0.0)
            return (
                [self._planned(tool, a) for a in filled.calls] + self._failures(tool) if score + bonus >= _FITS else []
            )
        if score < _FITS:
            return []
        waiting = next((s for s in slots(tool) if s.name == filled.missing), None)
        if waiting is not None and waiting.kind in ("path", "id", "column"):
            found = self._provided(clause, offered, columns=waiting.kind == "column")
            if any(p.answered is None for p in found):
                return found
        return self._failures(tool)

    def _filled(self, tool: Definition, clause: str, offered: Sequence[Entry]) -> Filled:
        """Arguments from the clause, else with the help of the whole question."""
        refused = self._refused(tool)
        filled = fill(tool, clause, offered, refused)
        return filled if filled.calls or clause == self.question else fill(tool, self.question, offered, refused)

    def _refused(self, tool: Definition) -> dict[str, list[Any]]:
        """Per parameter, the values with which this tool has failed."""
        refused: dict[str, list[Any]] = {}
        for call in self.answered:
            if call.name == tool.name and failed(call.result):
                said = set(re.findall(r"\w+", call.result))
                named = [n for n in call.arguments if n in said] or list(call.arguments)[: len(call.arguments) == 1]
                for name in named:
                    refused.setdefault(name, []).append(call.arguments[name])
        return refused

    def _failures(self, tool: Definition) -> list[Planned]:
        return [Planned(c.name, c.arguments, c) for c in self.answered if c.name == tool.name and failed(c.result)]

    def _planned(self, tool: Definition, arguments: Mapping[str, Any]) -> Planned:
        made = next((a for a in reversed(self.answered) if a.same(tool.name, arguments)), None)
        return Planned(tool.name, arguments, made)

    # looking things up ------------------------------------------------------------------------------------------

    def _explore(self, clause: str, offered: Sequence[Entry]) -> list[Planned]:
        """Search; else read what lies there; else list what lies there."""
        if not words(clause):
            return []
        for tool in self.tools:
            if _is_search(tool) and (calls := self._filled(tool, clause, offered).calls):
                return [self._planned(tool, a) for a in calls]
        return self._provided(clause, offered, columns=False)

    def _provided(self, clause: str, offered: Sequence[Entry], *, columns: bool) -> list[Planned]:
        """Calls that list what there is; once that is known, calls that read it."""
        if not any(_is_reader(t) for t in self.tools) and not offered and not columns:
            return [self._planned(t, {}) for t in self.tools if _is_lister(t)][:1]
        for tool in self.tools:
            if _is_reader(tool) and (calls := self._filled(tool, clause, offered).calls):
                return [self._planned(tool, a) for a in calls]
        return [self._planned(t, {}) for t in self.tools if _is_lister(t)][:1]


def failed(result: str) -> bool:
    """Whether a tool's result tells of a failure rather than a finding."""
    return len(result) < 600 and bool(_FAILED.search(result[:120]))


def _uses_columns(filled: Filled, clause: str, offered: Sequence[Entry]) -> bool:
    columns = {c: f"{c} {said}" for e in offered for c, said in e.columns.items()}
    used = {v for a in filled.calls for v in a.values() if isinstance(v, str)}
    return any(set(words(columns[c])) & set(words(clause)) for c in columns.keys() & used)


def _about(tool: Definition) -> set[str]:
    return set(words(tool.name)) | set(words(tool.description.split("\n", 1)[0]))


def _is_search(tool: Definition) -> bool:
    needed = [s for s in slots(tool) if s.required]
    return [s.kind for s in needed] == ["query"] and "search" in _about(tool)


def _is_lister(tool: Definition) -> bool:
    return not tool.required and bool({"list", "search"} & _about(tool)) and "list" in _about(tool)


def _is_reader(tool: Definition) -> bool:
    needed = [s for s in slots(tool) if s.required]
    return [s.kind for s in needed] in (["path"], ["id"]) and bool({"read", "file", "document"} & _about(tool))
