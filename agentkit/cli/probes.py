"""Questions that show what a gateway does with a request. Each sends one request, or two, and says what it saw."""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from agentkit.errors import BadRequest
from agentkit.messages import ImagePart, Message, TextPart, ToolMessage, UserMessage
from agentkit.models import (
    ArgumentsDelta,
    ModelRequest,
    ModelResponse,
    ModelSettings,
    Profile,
    ResponseCompleted,
    ResponseFormat,
    TextDelta,
    ToolDefinition,
)
from agentkit.providers import ProviderModel
from agentkit.schema import InvalidValue, for_json_schema
from agentkit.usage import Usage

Verdict: TypeAlias = Literal["yes", "declared", "ignored", "refused", "no"]
"""What is said of a capability.

`declared`: not asked, because the profile has it beforehand that it is not taken. `ignored`: taken with a 200 and not
heeded. `refused`: an error of the server's, or left out after one. `no`: nothing usable.
"""

_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
    "additionalProperties": False,
}
_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Name of the city."}},
    "required": ["city"],
    "additionalProperties": False,
}
_WEATHER = ToolDefinition("get_weather", "The weather in one city.", _PARAMETERS)
_OSLO = UserMessage("What is the weather in Oslo? Call get_weather.")
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mP4z8BAEmIY1TCqYfhqAACQ+f8B8u7oVwAAAABJRU5ErkJggg=="
)  # 16 by 16, red


_NOT_SENT = "not sent: the profile says that it is not taken"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe saw, and the usage of its requests."""

    verdict: Verdict
    detail: str
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Subject:
    """The model that is asked, and its profile from before the first question."""

    model: ProviderModel
    declared: Profile


Probe: TypeAlias = Callable[[Subject], Awaitable[Finding]]


async def chat(subject: Subject) -> Finding:
    """A plain answer."""
    response = await _asked(subject, UserMessage("Answer with the one word: pong"))
    return _answered(response, f"answered {_short(response.message.text)}, as {response.model or 'an unnamed model'}")


async def usage(subject: Subject) -> Finding:
    """Token counts, in a plain answer and in a stream."""
    plain = await _asked(subject, UserMessage("Answer with the one word: pong"))
    streamed = await subject.model.respond(ModelRequest([UserMessage("Answer with the one word: pong")]), stream=True)
    both = plain.usage + streamed.usage
    reported = [name for name, each in (("plain", plain), ("stream", streamed)) if each.usage.reported]
    if not reported:
        return Finding("no", "neither plain answers nor streams say what they used", both)
    cached = ", with cached tokens" if both.cached_tokens else ""
    return Finding("yes" if len(reported) == 2 else "no", f"reported in: {', '.join(reported)}{cached}", both)


async def stream(subject: Subject) -> Finding:
    """An answer in pieces."""
    pieces, response = 0, None
    request = ModelRequest([UserMessage("Count from one to ten in words.")])
    async with aclosing(subject.model.events(request, stream=True)) as events:
        async for event in events:
            pieces += isinstance(event, TextDelta | ArgumentsDelta)
            if isinstance(event, ResponseCompleted):
                response = event.response
    if response is None or not pieces:
        return Finding("no", "the answer came without a piece of text")
    return Finding("yes" if pieces > 1 else "ignored", f"{pieces} pieces of text", response.usage)


async def max_tokens(subject: Subject) -> Finding:
    """A bound on the output."""
    if "max_tokens" in subject.declared.dropped:
        return Finding("declared", _NOT_SENT)
    request = ModelRequest([UserMessage("Count from one to a hundred.")], settings=ModelSettings(max_tokens=16))
    response = await subject.model.respond(request)
    if "max_tokens" in subject.model.profile.dropped:
        return Finding("refused", "left out", response.usage)
    cut = response.finish_reason == "length"
    return Finding("yes" if cut else "ignored", f"ended with {response.finish_reason}", response.usage)


async def temperature(subject: Subject) -> Finding:
    """A sampling parameter."""
    if "temperature" in subject.declared.dropped:
        return Finding("declared", _NOT_SENT)
    settings = ModelSettings(temperature=0.5)
    response = await subject.model.respond(ModelRequest([UserMessage("Say hello.")], settings=settings))
    if "temperature" in subject.model.profile.dropped:
        return Finding("refused", "left out", response.usage)
    return Finding("yes", "taken; whether it is heeded cannot be seen", response.usage)


async def tools(subject: Subject) -> Finding:
    """A tool that the model may call, and its result sent back."""
    response = await subject.model.respond(ModelRequest([_OSLO], tools=[_WEATHER]))
    calls = response.message.tool_calls
    if not calls:
        return Finding("ignored", f"no call; it said {_short(response.message.text)}", response.usage)
    results: list[Message] = [ToolMessage(call.id, call.name, "7 degrees, rain") for call in calls]
    then = await subject.model.respond(ModelRequest([_OSLO, response.message, *results], tools=[_WEATHER]))
    used = response.usage + then.usage
    if any(call.arguments is None for call in calls):
        return Finding("no", f"the arguments are not JSON: {_short(calls[0].arguments_text)}", used)
    return Finding("yes", f"{calls[0].name}({calls[0].arguments_text}); its result was taken", used)


async def parallel(subject: Subject) -> Finding:
    """Several calls in one answer."""
    question = UserMessage("What is the weather in Oslo and in Rome? Call get_weather for both at once.")
    response = await subject.model.respond(ModelRequest([question], tools=[_WEATHER]))
    number = len(response.message.tool_calls)
    return Finding("yes" if number > 1 else "no", f"calls in one answer: {number}", response.usage)


def tool_choice(choice: str) -> Probe:
    """One kind of tool_choice."""
    kind = choice if choice in ("required", "none") else "named"

    async def probe(subject: Subject) -> Finding:
        if kind not in subject.declared.tool_choices:
            return Finding("declared", _NOT_SENT)
        question = UserMessage("Say hello.") if choice != "none" else _OSLO
        response = await subject.model.respond(ModelRequest([question], tools=[_WEATHER], tool_choice=choice))
        number = len(response.message.tool_calls)
        if kind not in subject.model.profile.tool_choices:
            return Finding("refused", "asked for in another way", response.usage)
        heeded = bool(number) == (choice != "none")
        return Finding("yes" if heeded else "ignored", f"calls in the answer: {number}", response.usage)

    return probe


def response_format(kind: Literal["json_schema", "json_object"]) -> Probe:
    """One kind of response_format; a server that refuses no more than its `strict` is asked again without."""
    strict = kind == "json_schema"
    question = UserMessage("City: Oslo\nCountry: Norway\nGive this as JSON with the keys city and country.")
    asked = ResponseFormat(kind, "place", _SCHEMA if strict else None, strict=strict)
    request = ModelRequest([question], response_format=asked)

    async def probe(subject: Subject) -> Finding:
        if kind not in subject.declared.output_modes:
            return Finding("declared", _NOT_SENT)
        try:
            response = await subject.model.respond(request)
        except BadRequest as error:
            if error.learned is None or kind not in subject.model.profile.output_modes:
                raise
            response = await subject.model.respond(request)
        problem = _problem(response.message.text or "", strict=strict)
        relaxed = "" if subject.model.profile.strict or not strict else ", without strict"
        if problem is None:
            return Finding("yes", f"{_short(response.message.text)}{relaxed}", response.usage)
        return Finding("ignored", problem, response.usage)

    return probe


async def vision(subject: Subject) -> Finding:
    """An image."""
    question = UserMessage([TextPart("What colour is this image? One word."), ImagePart(data=_PIXEL)])
    response = await _asked(subject, question)
    said = response.message.text or ""
    return Finding("yes" if "red" in said.lower() else "ignored", f"a red image: {_short(said)}", response.usage)


PROBES: Mapping[str, Probe] = {
    "chat": chat,
    "stream": stream,
    "usage": usage,
    "max_tokens": max_tokens,
    "temperature": temperature,
    "tools": tools,
    "parallel calls": parallel,
    "tool_choice required": tool_choice("required"),
    "tool_choice named": tool_choice("get_weather"),
    "tool_choice none": tool_choice("none"),
    "json_schema": response_format("json_schema"),
    "json_object": response_format("json_object"),
    "vision": vision,
}


async def _asked(subject: Subject, question: UserMessage) -> ModelResponse:
    return await subject.model.respond(ModelRequest([question]))


def _answered(response: ModelResponse, detail: str) -> Finding:
    return Finding("yes" if response.message.text else "no", detail, response.usage)


def _problem(text: str, *, strict: bool) -> str | None:
    """What is wrong with an answer that was to be JSON; None when nothing is."""
    try:
        value = json.loads(text)
    except ValueError:
        return f"a 200 whose text is not JSON: {_short(text)}"
    if not strict:
        return None if isinstance(value, dict) else f"a 200 whose JSON is no object: {_short(text)}"
    try:
        for_json_schema(_SCHEMA).validate(value)
    except InvalidValue:
        return f"a 200 whose JSON does not fit the schema: {_short(text)}"
    return None


def _short(text: str | None) -> str:
    words = " ".join((text or "").split())
    return repr(words if len(words) <= 60 else words[:57] + "...")
