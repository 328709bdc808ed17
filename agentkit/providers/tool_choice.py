"""Which tool_choice a request carries, whatever the wire calls it. Pure."""

from collections.abc import Mapping

from agentkit.models import ModelRequest, Profile, ToolDefinition

_FALLBACKS: Mapping[str, tuple[str, ...]] = {
    "auto": ("auto",),
    "none": ("none", "auto"),
    "required": ("required", "auto"),
    "named": ("named", "required", "auto"),
}


def tool_choice_kind(request: ModelRequest, profile: Profile) -> str | None:
    """The kind of choice that goes out: the caller's, or the nearest one that the profile takes, else none at all.

    The loop corrects a model that does not call although it was to.
    """
    choice = request.tool_choice
    if choice is None or not request.tools:
        return None
    kind = choice if choice in ("auto", "required", "none") else "named"
    for fallback in _FALLBACKS[kind]:
        if fallback in profile.tool_choices:
            return fallback
    return None


def tools_to_send(request: ModelRequest, profile: Profile) -> tuple[ToolDefinition, ...]:
    """The tools that go out: all, or the one that must be called where the server takes no name."""
    kind = tool_choice_kind(request, profile)
    if kind == "named" or request.tool_choice in (None, "auto", "none", "required"):
        return request.tools
    return tuple(tool for tool in request.tools if tool.name == request.tool_choice)
