"""Bodies and events as JSON objects, and the errors of those that are none or tell of one. Pure.

Every decoder reads through here, so that what a server does wrong is said in the same words whatever the wire.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentkit import _json
from agentkit.errors import GatewayError, MalformedResponse
from agentkit.messages import AssistantMessage
from agentkit.models import Profile
from agentkit.providers.errors import error_from_object
from agentkit.telemetry import redact

_SHOWN = 160  # characters of what came, in a message
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads what one answer brings. `secret` is the key, which is taken out of the texts of errors.

    `partial` says what of the answer has come so far, for the errors.
    """

    profile: Profile
    headers: Mapping[str, str]
    secret: str
    partial: Callable[[], AssistantMessage | None]

    def object(self, body: bytes) -> dict[str, Any]:
        """The object that a whole body is.

        Raises:
            MalformedResponse: it is none.
        """
        try:
            value = _json.loads(body)
        except ValueError as error:
            raise self.malformed("answered something that is not JSON", body) from error
        if not isinstance(value, dict):
            raise self.malformed("answered JSON that is not an object", body)
        return value

    def events(self, data: bytes) -> list[dict[str, Any]]:
        """The objects in an event's data: one, or several where a server leaves out the blank lines between events.

        Raises:
            MalformedResponse: it is not JSON.
        """
        try:
            value = _json.loads(data)
        except ValueError:
            return self._lines(data)
        return [value] if isinstance(value, dict) else []

    def malformed(self, what: str, body: bytes) -> MalformedResponse:
        """The error that says `what` the server did, and shows the beginning of what came."""
        text = redact(" ".join(_TAG.sub(" ", body[:2000].decode(errors="replace")).split()), self.secret)
        shown = repr(text[:_SHOWN] + ("…" if len(text) > _SHOWN else ""))
        return MalformedResponse(
            f"{self.profile.gateway} {what}: {shown}", headers=dict(self.headers), partial=self.partial()
        )

    def failure(self, value: Any) -> GatewayError:
        """The error that a decoded error object means."""
        error = error_from_object(value, gateway=self.profile.gateway, headers=self.headers, secret=self.secret)
        error.partial = self.partial()
        error.billed = self.profile.failures_billed if error.billed is None else error.billed
        return error

    def _lines(self, data: bytes) -> list[dict[str, Any]]:
        lines = [line for line in data.split(b"\n") if line.strip() and line.strip() != b"[DONE]"]
        try:
            values = [_json.loads(line) for line in lines] if len(lines) > 1 else []
        except ValueError:
            values = []
        if not values:
            raise self.malformed("sent an event that is not JSON", data) from None
        return [value for value in values if isinstance(value, dict)]


def text_of(value: Any) -> str:
    """A field that is to be a text; empty where it is something else."""
    return value if isinstance(value, str) else ""
