"""What was learned of servers, for all models of a process or of a registry."""

import functools
import threading

from agentkit.models import Profile


class LearnedProfiles:
    """Profiles by (base URL, model id). Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, str], tuple[Profile, Profile]] = {}

    def get(self, surface: str, base_url: str, model: str, declared: Profile) -> Profile:
        """What is known by now of a model that was declared as `declared`."""
        with self._lock:
            known = self._known.get((surface, base_url, model))
        return known[1] if known is not None and known[0] == declared else declared

    def put(self, surface: str, base_url: str, model: str, declared: Profile, profile: Profile) -> None:
        """Remember `profile` in the place of what was known."""
        with self._lock:
            self._known[surface, base_url, model] = (declared, profile)


@functools.cache
def process_profiles() -> LearnedProfiles:
    """Those of this process."""
    return LearnedProfiles()
