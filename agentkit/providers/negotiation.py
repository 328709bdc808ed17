"""What to change after a server has refused a parameter: one rename, drop or step down for each refusal. Pure.

The profile holds what was learned, so it costs one request once. Nothing here knows a vendor or a model: a rule reads
what the server says of a field that was sent. A complaint about a value (too large, of the wrong type) is the caller's
to mend and is left to reach the caller. Tools are never dropped.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from agentkit.errors import BadRequest, ContextOverflow, GatewayError
from agentkit.messages import AssistantMessage, Message, ReasoningPart, SystemMessage, ToolCall
from agentkit.models import (
    ALL_EFFORTS,
    ModelRequest,
    ModelSettings,
    OutputMode,
    Profile,
    ReasoningEffort,
    SystemRole,
    TokenField,
)
from agentkit.providers.complaint import Complaint

_NEGOTIABLE = (None, 400, 404, 405, 422)
_SETTINGS = (
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "stop", "seed", "logprobs", "top_logprobs",
    "logit_bias", "parallel_tool_calls", "prediction", "verbosity", "service_tier", "prompt_cache_key", "user",
    "reasoning_effort", "max_tokens",
)  # fmt: skip
_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {  # of the APIs that gateways translate to
    "stop": ("stop_sequences",),
    "reasoning_effort": ("effort",),
    "presence_penalty": ("penalty",),
    "frequency_penalty": ("penalty",),
}
_TOGETHER: Mapping[str, tuple[str, ...]] = {"logprobs": ("top_logprobs",)}  # which means nothing without the first
_UNASKED = ("store", "include")  # what a wire may add of its own, where it has these names for themselves
_ONE_CHOICE = re.compile(
    r"\b(required|auto|none|any|named|forced|specific|specified|function|string|object|values?|thinking|reasoning"
    r"|this (tool_choice|tool|choice))\b"
)  # what a refusal names that is about one tool_choice, and not about the field
_WITHOUT_FORMAT: tuple[OutputMode, ...] = ("tool", "prompt")
_CONVERSATION = ("messages", "input", "tools")
_MESSAGE_FIELDS = frozenset(
    {"role", "content", "tool_calls", "tool_call_id", "name", "function", "id", "type", "arguments", "text",
     "image_url"}
)  # fmt: skip
_ROLES = ("system", "developer", "user", "assistant", "tool")
_ONE_SYSTEM = re.compile(r"beginning|first|only (one|a single)|multiple|more than one|single|alternate|leading")
_ID_LENGTH = re.compile(r"(?:length(?: of| is)?|exactly|at most|up to|longer than)\D{0,12}(\d{1,3})", re.I)
_ID_PATTERN = re.compile(r"pattern|regular expression", re.I)
_PLAIN_ID = 24  # letters and digits of an id for a server that tells a pattern and no length
_MISSING = re.compile(r"must be (passed|sent)|is missing|is required")
_NO_SUCH_TOOL = re.compile(r"not (found|exist)|n't exist|no such|undefined")
# Responses: a server that stores no answers knows no reasoning by its id, and no item that belongs to it. Messages: a
# signature is good for the server that made it.
_LOST_ITEM = re.compile(
    r"item with id \S+ not found|item \S+ of type \S+ was provided without its required|invalid `?signature`? in"
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it went out.

    `fields` are the wire's places, each with the setting (or `tool_choice`, `response_format`) that it carries; see
    `Wire.fields`.
    `tool_choice` is the kind that went out (`auto`, `required`, `none`, `named`), None when none did.
    """

    request: ModelRequest
    profile: Profile
    fields: Mapping[str, str]
    tool_choice: str | None
    stream: bool

    def wire_names(self, setting: str) -> tuple[str, ...]:
        """How the wire calls a setting, and how the caller does."""
        return (*(place.rpartition(".")[2] for place, means in self.fields.items() if means == setting), setting)

    def objects(self, setting: str) -> tuple[str, ...]:
        """The objects of the wire that a setting stands in."""
        places = [place for place, means in self.fields.items() if means == setting]
        return tuple(place.partition(".")[0] for place in places if "." in place)

    def inside(self, name: str) -> tuple[str, ...]:
        """The settings of this request that stand in an object of the wire."""
        return tuple(setting for setting in _given(self.request.settings) if name in self.objects(setting))

    def beside(self, setting: str) -> tuple[str, ...]:
        """The settings of this request that stand in the same object of the wire."""
        objects = set(self.objects(setting))
        return tuple(
            name for name in _given(self.request.settings) if name != setting and objects & {*self.objects(name)}
        )


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a refusal teaches: the profile that knows it, and what changes, in words.

    `replan`: the request has to be planned anew, by whoever planned its output.
    """

    profile: Profile
    text: str
    replan: bool = False


_Rule: TypeAlias = Callable[[Complaint, Sent], Lesson | None]


def lesson(error: GatewayError, sent: Sent, seen: Sequence[Profile]) -> Lesson | None:
    """The first change that answers the refusal; None when there is none. Profiles in `seen` were tried already."""
    if not isinstance(error, BadRequest) or error.status not in _NEGOTIABLE:
        return None
    complaint = Complaint(error, _texts(sent.request))
    # A text that is too long may be the id of a call.
    for rule in (_fixed_ids,) if isinstance(error, ContextOverflow) else _RULES:
        found = rule(complaint, sent)
        if found is not None and found.profile not in seen:
            return found
    return None


def refuses_tools(error: GatewayError) -> bool:
    """Whether the server says that it takes no tools."""
    complaint = Complaint(error)
    return complaint.refuses and (
        any(path[-1] in ("tools", "functions") for path in complaint.paths)
        or (
            not complaint.paths and complaint.says("tools", "tool use", "function calling", "tool calling", "functions")
        )
    )


def fitted(settings: ModelSettings, profile: Profile, *, tools: bool) -> tuple[ModelSettings, tuple[str, ...]]:
    """The settings as the profile takes them, and a sentence for each that had to change."""
    changes: dict[str, Any] = {}
    told: list[str] = []
    for name in sorted(profile.dropped):
        if getattr(settings, name, None) is not None:
            changes[name] = None
            told.append(f"{name} was left out: {profile.gateway} refused it")
        if settings.extra and name in settings.extra:
            extra = changes.get("extra", settings.extra)
            changes["extra"] = {key: value for key, value in extra.items() if key != name}
            told.append(f"{name} was left out: {profile.gateway} refused it")
    effort = changes.get("reasoning_effort", settings.reasoning_effort)
    if "reasoning_effort" not in profile.dropped:
        wanted = _effort(effort, profile, tools=tools)
        if wanted != effort:
            changes["reasoning_effort"] = wanted
            if wanted is None:
                told.append(f"reasoning_effort={effort!r} was left out: {profile.gateway} takes none beside tools")
            elif effort is not None:
                told.append(f"reasoning_effort went out as {wanted!r} in place of {effort!r}, for {profile.gateway}")
    return (replace(settings, **changes) if changes else settings), tuple(told)


def _effort(asked: ReasoningEffort | None, profile: Profile, *, tools: bool) -> ReasoningEffort | None:
    """The level that goes out; None for none at all: beside tools, the nearest to "none" is what was refused."""
    if tools and not profile.effort_with_tools:
        return "none" if "none" in profile.efforts else None
    if asked is None or asked in profile.efforts or not profile.efforts:
        return asked
    return _nearest(asked, profile.efforts)


def _nearest(wanted: ReasoningEffort, taken: Sequence[ReasoningEffort]) -> ReasoningEffort:
    """The nearest level, the lower of two; but none at all only where no level stands right beside the wanted one."""

    def distance(level: ReasoningEffort) -> tuple[int, int]:
        steps = abs(ALL_EFFORTS.index(level) - ALL_EFFORTS.index(wanted))
        return max(steps, 2) if level == "none" else steps, ALL_EFFORTS.index(level)

    return min(taken, key=distance)


# The rules, in the order in which they are asked


def _rename_limit(complaint: Complaint, sent: Sent) -> Lesson | None:
    field = sent.profile.max_tokens_field
    if sent.request.settings.max_tokens is None or not complaint.refuses_field(field):
        return None
    other: TokenField = "max_completion_tokens" if field == "max_tokens" else "max_tokens"
    if sent.fields.get(field) != "max_tokens" or sent.fields.get(other) != "max_tokens":
        return None
    return Lesson(replace(sent.profile, max_tokens_field=other), f"{field} goes out as {other}")


def _drop_stream_options(complaint: Complaint, sent: Sent) -> Lesson | None:
    if not sent.stream or not sent.profile.stream_usage or not complaint.refuses:
        return None
    if complaint.names("stream_options", "include_usage"):
        return Lesson(replace(sent.profile, stream_usage=False), "stream_options is left out")
    return None


def _drop_strict(complaint: Complaint, sent: Sent) -> Lesson | None:
    output = sent.request.response_format
    in_format = output is not None and output.strict
    always = "strict" in sent.fields and (output is not None or bool(sent.request.tools))
    if not sent.profile.strict or not (always or in_format or any(t.strict is not None for t in sent.request.tools)):
        return None
    if complaint.has("strict") or (complaint.says("strict") and complaint.refuses):
        return Lesson(replace(sent.profile, strict=False), "strict is left out")
    if in_format and _about_schema(complaint):
        return Lesson(replace(sent.profile, strict=False), "the output's schema goes out without strict", replan=True)
    return None


def _about_schema(complaint: Complaint) -> bool:
    return bool(re.search(r"invalid[ _](json[ _])?schema|schema .{0,40}(invalid|not supported)", complaint.words)) and (
        complaint.names("response_format", "text", "json_schema", "schema", "output_config")
    )


def _step_down_format(complaint: Complaint, sent: Sent) -> Lesson | None:
    output = sent.request.response_format
    if output is None:
        return None
    places = [place for place, means in sent.fields.items() if means == "response_format"]
    words = ("response_format", "json_schema", "json_object", "structured_output", "json_mode", "structured_outputs",
             "guided_json", "response_mime_type", "response_schema", *places)  # fmt: skip
    fields = ("response_format", "json_schema", "output_format", "format", "response_schema")
    named = complaint.has(*fields) and not any(path[0] in _CONVERSATION for path in complaint.paths)
    refused = complaint.refuses or "must be" in complaint.words
    if not named and (complaint.paths or not refused or not complaint.says(*words)):
        return _without_formats(complaint, sent, output.type)
    return _without_mode(sent.profile, output.type)


def _without_formats(complaint: Complaint, sent: Sent, mode: OutputMode) -> Lesson | None:
    """Where the object that holds the format is refused, with all that stands in it."""
    beside = sent.beside("response_format")
    if any(complaint.refuses_field(*sent.wire_names(name)) for name in beside):
        return None  # it is about one of the others
    if not complaint.refuses_whole(*sent.objects("response_format")):
        return None
    left: list[OutputMode] = [each for each in sent.profile.output_modes if each in _WITHOUT_FORMAT]
    return _with_modes(_dropping(sent.profile, beside), tuple(left), mode)


def _format_beside_tools(complaint: Complaint, sent: Sent) -> Lesson | None:
    if sent.request.response_format is None or not sent.request.tools or not sent.profile.format_with_tools:
        return None
    formats = ("response_format", "json_mode", "json_schema", "response_mime_type", "structured_output")
    calls = ("tools", "tool", "function_call", "function_calling", "tool_calling", "functions")
    if complaint.refuses and complaint.says(*formats) and complaint.says(*calls):
        known = replace(sent.profile, format_with_tools=False)
        return Lesson(known, "the output is asked for as a tool beside other tools", replan=True)
    return None


def _without_mode(profile: Profile, mode: OutputMode) -> Lesson | None:
    return _with_modes(profile, tuple(each for each in profile.output_modes if each != mode), mode)


def _with_modes(profile: Profile, left: tuple[OutputMode, ...], mode: OutputMode) -> Lesson | None:
    """The step down from `mode` to the first of those that are left."""
    if not left or mode not in profile.output_modes:
        return None
    return Lesson(replace(profile, output_modes=left), f"output is asked for as {left[0]}, not {mode}", replan=True)


def _other_tool_choice(complaint: Complaint, sent: Sent) -> Lesson | None:
    kind = sent.tool_choice
    if kind is None or not complaint.names("tool_choice") or _NO_SUCH_TOOL.search(complaint.words):
        return None
    if not (complaint.refuses or re.search(r"(must|should) be|expected|invalid", complaint.words)):
        return None
    if complaint.refuses_whole("tool_choice") and not _ONE_CHOICE.search(complaint.words):
        known = _dropping(sent.profile, sent.inside("tool_choice"))
        return Lesson(replace(known, tool_choices=frozenset()), "tool_choice is left out")
    left = sent.profile.tool_choices - {kind}
    return Lesson(replace(sent.profile, tool_choices=left), f"tool_choice {kind} is not sent")


def _effort_with_tools(complaint: Complaint, sent: Sent) -> Lesson | None:
    if not sent.request.tools or not sent.profile.effort_with_tools or not complaint.refuses:
        return None
    if complaint.says("reasoning_effort", "reasoning effort", "reasoning") and complaint.says(
        "tools", "tool", "function", "functions"
    ):
        told = "none" if "none" in sent.profile.efforts else "left out"
        return Lesson(replace(sent.profile, effort_with_tools=False), f"reasoning_effort is {told} when tools are sent")
    return None


def _other_effort(complaint: Complaint, sent: Sent) -> Lesson | None:
    effort = sent.request.settings.reasoning_effort
    if effort is None or not complaint.names(*sent.wire_names("reasoning_effort"), "reasoning"):
        return None
    named = [level for level in ALL_EFFORTS if level in complaint.quoted(ALL_EFFORTS) and level != effort]
    taken = tuple(level for level in named if level in sent.profile.efforts)
    if not taken:
        return None
    return Lesson(replace(sent.profile, efforts=taken), f"reasoning_effort is one of {', '.join(taken)}")


def _other_role(complaint: Complaint, sent: Sent) -> Lesson | None:
    role = sent.profile.system_role
    if not _system_messages(sent.request) or role == "user":
        return None
    if not complaint.names("role", "roles") or not (complaint.refuses or "should be" in complaint.words):
        return None
    # A server that knows no "developer" may say no more than that it does not know a role.
    unnamed = role == "developer" and not complaint.says(*_ROLES)
    if not (complaint.says(role) or complaint.has(role) or unnamed):
        return None
    other: SystemRole = "developer" if role == "system" else "user"
    if role == "developer" and (unnamed or re.search(r"\bsystem\b", complaint.words)):
        other = "system"
    return Lesson(replace(sent.profile, system_role=other), f"instructions go out with the role {other}")


def _merge_system(complaint: Complaint, sent: Sent) -> Lesson | None:
    if sent.profile.merge_system or len(_system_messages(sent.request)) < 2:
        return None
    if not complaint.says("system", "alternate") or not _ONE_SYSTEM.search(complaint.words):
        return None
    return Lesson(replace(sent.profile, merge_system=True), "system messages go out as one")


def _fixed_ids(complaint: Complaint, sent: Sent) -> Lesson | None:
    if not any(isinstance(message, AssistantMessage) and message.tool_calls for message in sent.request.messages):
        return None
    about_ids = complaint.has("tool_call_id") or bool(
        re.search(r"tool[ _]call[ _]?ids?\b|tool_calls\S*\.id\b|call[ _]id\b", complaint.words)
    )
    if not about_ids and not any(path[-1] == "id" for path in complaint.paths):
        return None
    length = _ID_LENGTH.search(complaint.words)
    if length is None and not _ID_PATTERN.search(complaint.words):
        return None
    wanted = int(length[1]) if length is not None else _PLAIN_ID
    if wanted < 5:  # too few to keep calls apart
        return None
    return Lesson(replace(sent.profile, tool_id_length=wanted), f"ids of calls have {wanted} letters and digits")


def _no_replay(complaint: Complaint, sent: Sent) -> Lesson | None:
    known = ("reasoning_content", "reasoning", "reasoning_details", "extra_content")
    if not any(map(_has_vendor_fields, sent.request.messages)):
        return None
    if not sent.profile.replay_reasoning:
        if complaint.says(*known) and _MISSING.search(complaint.words):
            return Lesson(replace(sent.profile, replay_reasoning=True), "reasoning of earlier answers is sent back")
        return None
    fields = [path[-1] for path in complaint.paths if path[0] in ("messages", "input") and len(path) > 1]
    strange = [field for field in fields if field not in _MESSAGE_FIELDS and not field.isdigit()]
    if complaint.refuses:
        strange += [path[-1] for path in complaint.paths if len(path) == 1 and path[0] in known]
    lost = bool(_LOST_ITEM.search(complaint.words))
    if strange or lost or (complaint.refuses and not complaint.paths and complaint.says(*known)):
        text = f"{', '.join(dict.fromkeys(strange)) or 'reasoning'} of earlier answers is not sent back"
        return Lesson(replace(sent.profile, replay_reasoning=False), text)
    return None


def _has_vendor_fields(message: Message) -> bool:
    """Whether it carries reasoning, or fields that only some servers know."""
    if not isinstance(message, AssistantMessage):
        return False
    return bool(message.extra) or any(
        isinstance(part, ReasoningPart) or (isinstance(part, ToolCall) and bool(part.extra)) for part in message.parts
    )


def _without_output_tool(complaint: Complaint, sent: Sent) -> Lesson | None:
    if sent.profile.output_modes[0] != "tool" or sent.request.response_format is not None:
        return None
    about = any(path[-1] == "tools" for path in complaint.paths) or (not complaint.paths and complaint.says("tools"))
    return _without_mode(sent.profile, "tool") if about and complaint.refuses else None


def _drop_setting(complaint: Complaint, sent: Sent) -> Lesson | None:
    if any(path[0] in _CONVERSATION and len(path) > 1 for path in complaint.paths):
        return None
    given = [*_given(sent.request.settings)]
    named = [name for name in given if complaint.refuses_field(*sent.wire_names(name), *_OTHER_NAMES.get(name, ()))]
    if named:
        name = named[-1] if complaint.says("both") else named[0]
        return _left_out(sent.profile, [name, *(other for other in _TOGETHER.get(name, ()) if other in given)])
    # An object of the wire is refused with all that stands in it.
    return _left_out(sent.profile, [name for name in given if complaint.refuses_whole(*sent.objects(name))])


def _drop_unasked(complaint: Complaint, sent: Sent) -> Lesson | None:
    """What the wire adds of its own to a request that asks for reasoning."""
    settings = sent.request.settings
    if settings.reasoning_effort in (None, "none") and "reasoning" not in (settings.extra or {}):
        return None
    added = [name for name in _UNASKED if sent.fields.get(name) == name and name not in sent.profile.dropped]
    return _left_out(sent.profile, [name for name in added if complaint.refuses_whole(name)])


def _left_out(profile: Profile, names: Sequence[str]) -> Lesson | None:
    if not names:
        return None
    text = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} left out"
    return Lesson(_dropping(profile, names), text)


def _dropping(profile: Profile, names: Iterable[str]) -> Profile:
    return replace(profile, dropped=profile.dropped.union(names))


def _given(settings: ModelSettings) -> Iterator[str]:
    """Names of the settings that are set, and of the caller's extra fields; tools are never dropped."""
    yield from (name for name in _SETTINGS if getattr(settings, name) is not None)
    yield from (name for name in settings.extra or () if name != "tools")


def _texts(request: ModelRequest) -> Iterator[str]:
    """The texts of the conversation, which an error may quote."""
    yield request.instructions or ""
    for message in request.messages:
        yield message.text or ""
        if isinstance(message, AssistantMessage):
            yield message.reasoning or ""
            yield from (call.arguments_text for call in message.tool_calls)


def _system_messages(request: ModelRequest) -> list[str]:
    told = [request.instructions] if request.instructions else []
    return [*told, *(message.text for message in request.messages if isinstance(message, SystemMessage))]


_RULES: tuple[_Rule, ...] = (
    _rename_limit,
    _drop_stream_options,
    _effort_with_tools,
    _other_effort,
    _drop_strict,
    _format_beside_tools,
    _step_down_format,
    _other_tool_choice,
    _merge_system,
    _other_role,
    _fixed_ids,
    _no_replay,
    _without_output_tool,
    _drop_unasked,
    _drop_setting,
)
