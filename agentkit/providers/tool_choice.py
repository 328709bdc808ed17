"""Which tool_choice a request carries, whatever the wire calls it. Pure."""

from collections.abc import Mapping

from agentkit.models import ModelRequest, Profile

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
