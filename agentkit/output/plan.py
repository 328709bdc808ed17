"""How a declared output is asked for on a channel: what to send, and where to look for it in the answer. Pure."""

from dataclasses import dataclass
from typing import Any

from agentkit import _json
from agentkit.errors import ConfigurationError
from agentkit.models import OutputMode, Profile, ResponseFormat, ToolDefinition
from agentkit.output.declared import Declared

OUTPUT_TOOL = "final_output"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request carries for its output.

    `instructions` is to be added to the system message; `tool` to the tools: its call is the output.
    """

    mode: OutputMode | None
    response_format: ResponseFormat | None = None
    instructions: str = ""
    tool: ToolDefinition | None = None


def plan(
    declared: Declared | None, profile: Profile, mode: OutputMode | None = None, *, beside_tools: bool = False
) -> Plan:
    """The plan for `declared` on what `profile` accepts, or in the given `mode`.

    `beside_tools` says that the run has tools of its own, beside which some servers take no response_format.

    Raises:
        ConfigurationError: the mode is not one that the profile accepts.
    """
    if declared is None:
        return Plan(None)
    if mode is not None and mode not in profile.output_modes:
        raise ConfigurationError(
            f"output_mode={mode!r} is not taken by {profile.gateway}; it takes: {', '.join(profile.output_modes)}"
        )
    chosen = mode or _best(profile, beside_tools=beside_tools)
    match chosen:
        case "json_schema":
            strict = declared.strict if profile.strict else None
            schema = strict if strict is not None else declared.schema
            return Plan(chosen, ResponseFormat("json_schema", declared.name, schema, strict=strict is not None))
        case "json_object":
            return Plan(chosen, ResponseFormat("json_object"), _told(declared))
        case "prompt":
            return Plan(chosen, None, _told(declared))
        case "tool":
            text = declared.description or "Give the final answer."
            told = f"When you have the answer, call the tool {OUTPUT_TOOL} with it; do not answer in text."
            return Plan(chosen, None, told, ToolDefinition(OUTPUT_TOOL, text, declared.schema))


def _best(profile: Profile, *, beside_tools: bool) -> OutputMode:
    if beside_tools and not profile.format_with_tools:
        return "tool" if "tool" in profile.output_modes else "prompt"
    return profile.output_modes[0]


def _told(declared: Declared) -> str:
    schema: Any = declared.schema
    return (
        "Answer with one JSON object and nothing else: no prose, no Markdown fence. It must fit this JSON Schema:\n"
        + _json.dumps(schema).decode()
    )
