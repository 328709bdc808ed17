"""What was learned of servers, for all models of a process or of a registry."""

import functools
import threading
from dataclasses import fields, replace
from typing import Any

from agentkit.models import Profile


class LearnedProfiles:
    """Profiles by (surface, base URL, model id). Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Per model, each profile that it was declared with beside what is known of it: more than one is rare.
        self._known: dict[tuple[str, str, str], list[tuple[Profile, Profile]]] = {}

    def get(self, surface: str, base_url: str, model: str, declared: Profile) -> Profile:
        """What is known by now of a model that was declared as `declared`: the same object until more is."""
        with self._lock:
            return self._get(surface, base_url, model, declared)

    def put(
        self, surface: str, base_url: str, model: str, declared: Profile, *, before: Profile, after: Profile
    ) -> Profile:
        """Remember what turned `before` into `after`, and say what is known with it.

        What other runs have learned since `before` was read is kept; models that were declared otherwise learn it too.
        """
        with self._lock:
            self._get(surface, base_url, model, declared, keep=True)
            known = self._known[surface, base_url, model]
            known[:] = [(each, _carried(before, after, profile)) for each, profile in known]
            return next(profile for each, profile in known if each == declared)

    def _get(self, surface: str, base_url: str, model: str, declared: Profile, *, keep: bool = False) -> Profile:
        known = self._known.get((surface, base_url, model))
        if known is None:
            if keep:
                self._known[surface, base_url, model] = [(declared, declared)]
            return declared
        for each, profile in known:
            if each == declared:
                return profile
        known.append((declared, _carried(*known[0], declared)))
        return known[-1][1]


def _carried(before: Profile, after: Profile, onto: Profile) -> Profile:
    """`onto` with what differs between the first two; itself when that is nothing new."""
    changes: dict[str, Any] = {}
    for each in fields(Profile):
        old, new, kept = (getattr(profile, each.name) for profile in (before, after, onto))
        if new != old:
            value = _change(old, new, kept)
            if value != kept:
                changes[each.name] = value
    return replace(onto, **changes) if changes else onto


def _change(old: Any, new: Any, kept: Any) -> Any:
    """What `kept` is after the change; of a collection, the members that came and went."""
    if isinstance(kept, frozenset):
        return kept - (old - new) | (new - old)
    if isinstance(kept, tuple):
        return tuple(member for member in kept if member not in old or member in new) or kept
    return new


@functools.cache
def process_profiles() -> LearnedProfiles:
    """Those of this process."""
    return LearnedProfiles()
