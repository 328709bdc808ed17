"""One `textInference` task, read strictly: every field of the model's page, with its type, range and default."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from agentkit._json import dumps
from agentkit.emulator.dialects import Dialect, Problem
from agentkit.emulator.tasks.complaint import Complaint
from agentkit.emulator.tasks.conversation import read_messages
from agentkit.emulator.tasks.fields import Fields, invalid
from agentkit.emulator.tasks.toolset import read_toolset

Delivery: TypeAlias = Literal["sync", "async", "stream"]
"""How a task's results are to arrive."""

_MAX_SEED = 9_223_372_036_854_776_000  # as the page prints it
_THINKING = ("none", "low", "medium", "high", "xhigh")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_OWN_NAMES = (("tool_calls", "tools"), ("tool_call_id", "id"), ("function.parameters", "schema"), ("function.", ""))
_MAX_TOKENS, _TOP_P, _TEMPERATURE = 4096, 0.95, 1.0  # the page's defaults


@dataclass(frozen=True, slots=True)
class Inference:
    """What one task asks for. `chats` are the Chat Completions requests that mean it, one for each result."""

    uuid: str
    delivery: Delivery
    include_cost: bool
    include_usage: bool
    webhook: str | None
    seeds: tuple[int, ...]
    chats: tuple[dict[str, Any], ...]


def read_inference(task: Mapping[str, Any], dialect: Dialect) -> Inference:
    """The task as it was meant.

    Raises:
        Complaint: the first thing that is not as the page says.
    """
    given = Fields(task)
    given.anything("taskType")
    uuid = given.uuid("taskUUID")
    delivery = cast(Delivery, given.choice("deliveryMethod", ("sync", "async", "stream")) or "sync")
    cost, usage = given.boolean("includeCost", default=True), given.boolean("includeUsage", default=False)
    webhook = _webhook(given)
    results = given.integer("numberResults", 1, 4) or 1
    seed = given.integer("seed", 0, _MAX_SEED)
    _output_format(given)
    chat = _chat(given, dialect)
    given.close()
    if results > 1 and (delivery == "stream" or "tools" in chat):
        reason = "a stream" if delivery == "stream" else "tools"
        raise invalid(("numberResults",), f"must be 1 with {reason}", type="integer", min=1, max=1)
    first = _random_seed(uuid) if seed is None else seed
    seeds = tuple((first + index) % (_MAX_SEED + 1) for index in range(results))
    streaming = {"stream": True} if delivery == "stream" else {}
    chats = tuple({**chat, "seed": own, **streaming} for own in seeds)
    return Inference(uuid, delivery, cost, usage, webhook, seeds, chats)


def _chat(given: Fields, dialect: Dialect) -> dict[str, Any]:
    model = given.needed_text("model")
    if not dialect.knows(model):
        served = ", ".join(dialect.models)
        raise invalid(("model",), f"must be one of {served}, not {model!r}", allowedValues=list(dialect.models))
    settings = Fields(given.anything("settings") if given.has("settings") else {}, ("settings",))
    system = settings.text("systemPrompt", longest=200_000)
    temperature, top_p = settings.hundredths("temperature", 0, 2), settings.hundredths("topP", 0, 1)
    limit = settings.integer("maxTokens", 1, dialect.max_output or 128_000)
    thinking = settings.choice("thinkingLevel", _THINKING)
    toolset = read_toolset(given, settings)
    settings.close()
    return {
        "model": model,
        "messages": read_messages(given, system),
        "temperature": _TEMPERATURE if temperature is None else temperature,
        "top_p": _TOP_P if top_p is None else top_p,
        "max_completion_tokens": limit or _MAX_TOKENS,
        **({"reasoning_effort": thinking} if thinking is not None else {}),
        **toolset,
    }


def in_own_words(problem: Problem, chat: Mapping[str, Any]) -> Problem:
    """A problem of the Chat Completions request, with the places of the task that it was made of."""
    shift = chat["messages"][0]["role"] == "system"

    def renamed(text: str) -> str:
        text = re.sub(r"messages\[(\d+)\]", lambda found: f"messages[{int(found[1]) - shift}]", text)
        for chat_name, own in _OWN_NAMES:
            text = text.replace(chat_name, own)
        return text

    return replace(problem, message=renamed(problem.message), param=renamed(problem.param or "") or None)


def _output_format(given: Fields) -> None:
    given.choice("outputFormat", ("TEXT",))
    if given.has("jsonSchema"):
        raise Complaint("unsupportedParameter", "jsonSchema is not supported by this model.", ("jsonSchema",))


def _webhook(given: Fields) -> str | None:
    """A webhook that this server is willing to call: on loopback, whatever the vendor would take."""
    url = given.text("webhookURL")
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        right = parts.scheme == "http" and parts.hostname in _LOOPBACK and parts.port != 0
    except ValueError:
        right = False
    if not (right and url.isascii() and url.isprintable() and " " not in url):
        raise invalid(("webhookURL",), "must be an http URL on loopback: this server calls no other", type="string")
    return url


def _random_seed(uuid: str) -> int:
    """In the unsigned 32-bit range, and the same for the same task, so that a run can be repeated."""
    return int.from_bytes(hashlib.blake2b(dumps(uuid), digest_size=4).digest(), "big")
