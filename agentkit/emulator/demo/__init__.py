"""The demo brain: a deterministic stand-in for a language model, for people who have no key yet.

It knows none of the tools, files or schemas that it is given. It picks tools by overlap of words, fills arguments and
schemas by matching labels with values, and answers by quoting what it was given. It can be wrong; it says what it is.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentkit import _json
from agentkit.emulator.brain import Call, Reply

from .answer import Quoted, from_calls, from_passages, sentences
from .choose import Chooser, Planned, clauses
from .conversation import Answered, Conversation, decoded
from .document import Document
from .fill import Filler
from .words import words

__all__ = ["DemoBrain"]

_MOST_CALLS = 16
_MOST_ANSWERED = 64  # calls of one conversation; then it answers with what it has
_CHAT = re.compile(
    r"(?i)\b(?:who|what) (?:exactly )?are you\b|\bare you (?:an?|the|really|some)\b|\byour name\b|\bwhat can you do\b"
    r"|\bwer bist du\b|\bqui es-tu\b|^\W*(?:hi|hello|hey|hallo|bonjour|hola|help|thanks|thank you|test|ping)\b.{0,30}$"
)
_SELF = (
    "I am the demo brain of agentkit's embedded gateway: a small deterministic program, not a language model. "
    "I pick tools by matching words, fill arguments and schemas from labels and values, and quote what I was given."
)
_POINT = "For real answers point the agent at a real gateway."


@dataclass(frozen=True, slots=True)
class DemoBrain:
    """A brain that works without a model: the same request always gets the same reply. It keeps no state."""

    def reply(self, request: Mapping[str, Any], /) -> Reply:
        """Tool calls, the declared output or a text; never raises for a request that is JSON."""
        conversation = Conversation.read(request)
        ask, documents = _asked(conversation)
        chooser = Chooser(
            tools=_usable(conversation),
            answered=conversation.answered,
            question=ask,
            earlier=conversation.earlier,
            explore=not documents,
        )
        parts = [] if _is_chat(ask) and conversation.choice in ("auto", "none") else clauses(ask)
        plans = [(clause, _plan(chooser, clause)) for clause in parts] if chooser.tools else []
        calls = _calls(conversation, chooser, plans, ask)
        if calls:
            return Reply(calls=tuple(calls))
        return _final(conversation, plans, parts, documents)


def _plan(chooser: Chooser, clause: str) -> list[Planned]:
    """The calls for a clause; when they have all been made and say nothing on it, those that read on."""
    planned = chooser.plan(clause)
    if planned and all(p.answered for p in planned) and from_calls(clause, planned) is None:
        return [*planned, *(p for p in chooser.wider() if p not in planned)]
    return planned


def _usable(conversation: Conversation) -> Sequence[Any]:
    named = [t for t in conversation.tools if t.name == conversation.choice]
    return () if conversation.choice == "none" else named or conversation.tools


def _is_chat(ask: str) -> bool:
    return len(ask) < 200 and bool(_CHAT.search(ask))


def _asked(conversation: Conversation) -> tuple[str, str]:
    """The question, and the documents that came with it in the prompt."""
    question = conversation.question.strip()
    lines = question.split("\n")
    if len(question) < 600 and len(lines) < 5 and (len(lines) == 1 or conversation.tools):
        return question, ""
    marked = [i for i, line in enumerate(lines) if re.match(r"(?i)\W*(?:question|task|frage)\W*:\s*\S", line)]
    asking = [i for i, line in enumerate(lines) if line.strip().endswith("?") and len(line) < 400]
    if not marked and not asking:
        return lines[0].strip()[:400], question
    at = (marked or asking)[-1]
    ask = re.sub(r"(?i)^\W*(?:question|task|frage)\W*:\s*", "", lines[at][:2000]).strip()
    return ask, "\n".join(lines[:at] + lines[at + 1 :])


def _calls(
    conversation: Conversation, chooser: Chooser, plans: Sequence[tuple[str, list[Planned]]], ask: str
) -> list[Call]:
    """The calls to make now: those planned without a result, or one that the request forces."""
    if not chooser.tools:
        return []
    open_calls: list[Call] = []
    for planned in (p for _, several in plans for p in several if p.answered is None):
        call = Call(planned.tool, dict(planned.arguments))
        if call not in open_calls:
            open_calls.append(call)
    if len(conversation.answered) >= _MOST_ANSWERED:
        open_calls = []
    if not open_calls and conversation.choice not in ("auto", "none") and conversation.output_tool is None:
        forced = chooser.forced(ask)
        open_calls = [Call(forced.tool, dict(forced.arguments))]
    return open_calls[: _MOST_CALLS if conversation.parallel else 1]


# the answer ---------------------------------------------------------------------------------------------------------


def _final(
    conversation: Conversation, plans: Sequence[tuple[str, list[Planned]]], parts: Sequence[str], documents: str
) -> Reply:
    quoted = _quoted(conversation, plans, parts, documents)
    if conversation.schema is None:
        return Reply(text=quoted.text)
    filler = Filler(
        document=Document.read(_material(conversation, plans)),
        root=conversation.schema,
        rejected=conversation.rejected,
        answer=quoted.text,
        sources=quoted.sources,
        quotes=quoted.quotes,
    )
    value = filler.fill()
    if conversation.output_tool is not None:
        return Reply(calls=(Call(conversation.output_tool.name, value if isinstance(value, dict) else {}),))
    return Reply(text=_json.dumps(value).decode())


def _quoted(
    conversation: Conversation, plans: Sequence[tuple[str, list[Planned]]], parts: Sequence[str], documents: str
) -> Quoted:
    if not parts:
        return Quoted(f"{_SELF} {_abilities(conversation)} {_POINT}")
    if any(planned for _, planned in plans):
        return _joined([(c, from_calls(c, planned)) for c, planned in plans if planned or c.endswith("?")])
    passages = list(sentences("\n".join(filter(None, (documents, conversation.earlier)))))
    if len(conversation.system) > 300 or not passages:
        passages += sentences(conversation.system)
    for answer in conversation.answered if conversation.choice == "none" or not conversation.tools else ():
        found = from_calls(" ".join(parts), [Planned(answer.name, answer.arguments, answer)])
        if found is not None:
            return found
    answers = [(clause, from_passages(clause, passages)) for clause in parts]
    if any(found for _, found in answers) or documents:
        return _joined(answers)
    return Quoted(f"{_nothing_fits(conversation)} {_SELF} {_POINT}")


def _joined(answers: Sequence[tuple[str, Quoted | None]]) -> Quoted:
    """One answer of several; what could not be answered says so."""
    text = [q.text if q else f"I don't know: nothing that I was given answers “{clause}”." for clause, q in answers]
    found = [q for _, q in answers if q]
    return Quoted(
        "\n".join(text),
        tuple(dict.fromkeys(quote for q in found for quote in q.quotes)),
        tuple(dict.fromkeys(source for q in found for source in q.sources)),
    )


def _abilities(conversation: Conversation) -> str:
    names = ", ".join(t.name for t in conversation.tools)
    return f"Here I can call: {names}." if names else "I was given no tools here."


def _nothing_fits(conversation: Conversation) -> str:
    names = ", ".join(t.name for t in conversation.tools)
    if not names:
        return "I can't answer that: I was given neither tools nor documents for it."
    if conversation.choice == "none":
        return "I can't answer that: I was told to call no tool."
    return f"None of the tools that I was given fits this request ({names})."


def _material(conversation: Conversation, plans: Sequence[tuple[str, list[Planned]]]) -> str:
    """What the output is filled from: the results that answer the question, then the prompt."""
    results = [p.answered for _, several in plans for p in several if p.answered is not None]
    return "\n\n".join((*(_lines(r) for r in results), conversation.question))


def _lines(answered: Answered) -> str:
    """A result as "label: value" lines, which is what schemas are filled from."""
    value = decoded(answered.result)
    if not isinstance(value, Mapping):
        return answered.result
    lines = [f"{k}: {v}" for k, v in answered.arguments.items() if k not in value]
    lines += [f"{k}: {v}" for k, v in value.items() if isinstance(v, str | int | float)]
    return "\n".join(lines) if words(" ".join(lines)) else answered.result
