"""A request as the demo brain reads it: the question, the tools, what tools gave, what was sent back."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentkit import _json

from .fill import Path
from .words import label_words

_CORRECTION = re.compile(
    r"(?i)\b(?:valid|invalid|validation|required|schema|correct(?:ed)?|try again|not match|not json|wrong)\b"
)
_PROBLEM = re.compile(
    r"^[\s>*•-]*[`'\"]?(?:\$\.?|/)?(?P<path>[^\W\d]\w*(?:\[\d+\]|[./]\w+)*)[`'\"]?\s*(?::|—|-)\s+(?P<why>\S.*)$", re.M
)
_PYDANTIC = re.compile(r"^(?P<path>[^\W\d]\w*(?:\.\w+)*)\n[ \t]+(?P<why>\S.*)$", re.M)
_OUTPUT = {"final", "output", "answer", "respond", "response"}
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Definition:
    """A tool as the request declares it."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    @property
    def properties(self) -> Mapping[str, Any]:
        """The parameters by name."""
        return mapping(self.parameters.get("properties"))

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the parameters that a call must have."""
        names = self.parameters.get("required")
        return tuple(n for n in names if isinstance(n, str) and n in self.properties) if isinstance(names, list) else ()


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that has its result: the text of the tool message."""

    name: str
    arguments: Mapping[str, Any]
    result: str

    def same(self, name: str, arguments: Mapping[str, Any]) -> bool:
        """Whether this is that call."""
        return self.name == name and dict(self.arguments) == dict(arguments)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a request asks for. `schema` is the declared shape of the answer, `output_tool` the tool that carries it."""

    system: str
    question: str
    earlier: str
    tools: tuple[Definition, ...]
    output_tool: Definition | None
    schema: Mapping[str, Any] | None
    choice: str
    answered: tuple[Answered, ...]
    rejected: Mapping[Path, Sequence[Any]]
    parallel: bool

    @staticmethod
    def read(request: Mapping[str, Any]) -> "Conversation":
        """The conversation in a decoded request; whatever is malformed in it counts as absent."""
        messages = [mapping(m) for m in _sequence(request.get("messages"))]
        tools = tuple(_definitions(request.get("tools")))
        choice = _choice(request.get("tool_choice"))
        system = "\n\n".join(_text(m) for m in messages if m.get("role") in ("system", "developer"))
        users = [i for i, m in enumerate(messages) if m.get("role") == "user" and not _is_correction(messages, i)]
        question = _text(messages[users[-1]]) if users else ""
        schema, system, question = _declared(request.get("response_format"), system, question)
        output = None if schema is not None else _output_tool(tools, choice)
        answered = tuple(_answered(messages))
        names = {d.name for d in tools}
        return Conversation(
            system=system,
            question=question,
            earlier="\n\n".join(_text(messages[i]) for i in users[:-1]),
            tools=tuple(d for d in tools if d is not output),
            output_tool=output,
            schema=output.parameters if output else schema,
            choice=choice if choice in ("auto", "none", "required") or choice in names else "auto",
            answered=tuple(a for a in answered if not (output and a.name == output.name)),
            rejected=_rejected(messages, answered, output),
            parallel=request.get("parallel_tool_calls") is not False,
        )


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def decoded(text: Any) -> Any:
    """The JSON value of a text, or None where it is not JSON."""
    try:
        return _json.loads(text) if isinstance(text, str | bytes) else None
    except (ValueError, RecursionError):
        return None


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = (mapping(p).get("text") for p in _sequence(content))
    return "\n".join(p for p in parts if isinstance(p, str))


def _definitions(tools: Any) -> Iterator[Definition]:
    for entry in _sequence(tools):
        function = mapping(mapping(entry).get("function"))
        name, description = function.get("name"), function.get("description")
        if isinstance(name, str):
            text = description if isinstance(description, str) else ""
            yield Definition(name, text, mapping(function.get("parameters")))


def _choice(given: Any) -> str:
    name = mapping(mapping(given).get("function")).get("name")
    return name if isinstance(name, str) else given if isinstance(given, str) else "auto"


def _output_tool(tools: Sequence[Definition], choice: str) -> Definition | None:
    """The tool through which the answer is to be given, when there is one: forced and alone, or named like one."""
    if choice == "none":
        return None
    named = [d for d in tools if set(re.findall(r"[a-z]+", d.name.casefold())) & _OUTPUT and d.properties]
    forced = [d for d in tools if d.name == choice or (choice == "required" and len(tools) == 1)]
    if forced and (forced[0] in named or (len(tools) == 1 and len(forced[0].required) > 2)):
        return forced[0]
    return named[0] if len(named) == 1 and choice in ("auto", "required") else None


def _declared(response_format: Any, system: str, question: str) -> tuple[Mapping[str, Any] | None, str, str]:
    """The schema of the answer, from the request or out of the prompt, and the prompt without it."""
    declared = mapping(response_format)
    if declared.get("type") == "json_schema":
        schema = mapping(mapping(declared.get("json_schema")).get("schema"))
        return schema, system, question
    found, system = _embedded_schema(system)
    if found is None:
        found, question = _embedded_schema(question)
    if found is None and declared.get("type") == "json_object":
        found = {"type": "object"}
    return found, system, question


def _embedded_schema(text: str) -> tuple[Mapping[str, Any] | None, str]:
    """A JSON Schema that stands in a text, and the text without it."""
    decoder = json.JSONDecoder()
    for start in [m.start() for m in re.finditer(r"\{", text)][:50]:
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and (
            isinstance(value.get("properties"), dict) or "$defs" in value or "$ref" in value
        ):
            return value, text[:start] + text[end:]
    return None, text


def _answered(messages: Sequence[Mapping[str, Any]]) -> Iterator[Answered]:
    calls: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for message in messages:
        for call in _sequence(message.get("tool_calls")):
            function = mapping(mapping(call).get("function"))
            name, key = function.get("name"), mapping(call).get("id")
            if isinstance(name, str) and isinstance(key, str):
                calls[key] = (name, mapping(decoded(function.get("arguments"))))
        key = message.get("tool_call_id")
        if message.get("role") == "tool" and isinstance(key, str) and key in calls:
            yield Answered(*calls[key], _text(message))


def _is_correction(messages: Sequence[Mapping[str, Any]], index: int) -> bool:
    """Whether a user message sends an answer back rather than asks something new."""
    before = messages[index - 1] if index else {}
    if before.get("role") not in ("assistant", "tool"):
        return False
    text = _text(messages[index])
    if not _CORRECTION.search(text):
        return False
    was_json = isinstance(decoded(_text(before)), dict | list) or before.get("role") == "tool"
    return bool(was_json or _PROBLEM.search(text) or _PYDANTIC.search(text) or re.search(r"(?i)\bjson\b", text))


def _rejected(
    messages: Sequence[Mapping[str, Any]], answered: Sequence[Answered], output: Definition | None
) -> dict[Path, list[Any]]:
    """The values that came back with a validation error, by path."""
    rejected: dict[Path, list[Any]] = {}
    for index, message in enumerate(messages):
        if message.get("role") == "user" and _is_correction(messages, index):
            _collect(decoded(_text(messages[index - 1])), _text(message), rejected)
    for answer in answered:
        if output and answer.name == output.name:
            _collect(answer.arguments, answer.result, rejected)
    return rejected


def _collect(value: Any, report: str, rejected: dict[Path, list[Any]]) -> None:
    problems = [*_PROBLEM.finditer(report), *_PYDANTIC.finditer(report)]
    paths = [_steps(m["path"]) for m in problems]
    paths = [p for p in paths if _at(value, p) is not _MISSING]
    if not paths and isinstance(value, Mapping):  # the reason alone: the fields that it names
        named = set(label_words(report.splitlines()[-1] if report else ""))
        paths = [(n,) for n in value if isinstance(n, str) and label_words(n) and set(label_words(n)) <= named]
    for path in dict.fromkeys(paths):
        rejected.setdefault(path, []).append(_at(value, path))


def _steps(path: str) -> Path:
    return tuple(int(s) if s.isdigit() else s for s in re.split(r"[./\[\]]+", path) if s)


def _at(value: Any, path: Path) -> Any:
    for step in path:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
            continue
        if not isinstance(value, list) or not isinstance(step, int) or not 0 <= step < len(value):
            return _MISSING
        value = value[step]
    return value
