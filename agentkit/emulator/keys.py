"""Who may ask: the key that a request must carry, and where."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from agentkit.emulator.dialects import Problem
from agentkit.emulator.exchange import Refused


class Keys:
    """Lets those in who send the key."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def check_bearer(self, headers: Mapping[str, str]) -> None:
        """Takes `Authorization: Bearer KEY`.

        Raises:
            Refused: no key, or another one.
        """
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if not key:
            raise Refused(Problem("no API key: send the header Authorization: Bearer YOUR_KEY", kind="unauthorized"))
        if scheme.lower() != "bearer" or not self.is_right(key):
            raise wrong_key()

    def check_anthropic(self, headers: Mapping[str, str]) -> None:
        """Takes `x-api-key: KEY` as well, and wants an API version.

        Raises:
            Refused: no key or another one, or no version.
        """
        if (key := headers.get("x-api-key")) is None:
            self.check_bearer(headers)
        elif not self.is_right(key):
            raise wrong_key()
        if not headers.get("anthropic-version"):
            raise Refused(Problem("anthropic-version: the header is required, as in 2023-06-01", "anthropic-version"))

    def is_right(self, key: str) -> bool:
        """Whether this is the key."""
        return hmac.compare_digest(key.encode(), self._key)


def wrong_key() -> Refused:
    """What to raise for a key that is not the right one."""
    return Refused(Problem("the API key is not valid: use the key that the emulator gave", kind="unauthorized"))
