"""The guard against a model that makes the same call again and again."""

from agentkit import _json
from agentkit.messages import ToolCall

_NUDGE = 3  # the third identical call in a row is answered with a reminder
_STOP = 5  # the fifth is not run

REMINDER = "\n\n[This is the same call as before, with the same arguments. Use this result, or do something else.]"
STOPPED = "Not run: the same call with the same arguments was made {times} times in a row. Use the earlier result."


class RepeatGuard:
    """Counts identical calls in a row, over the whole run."""

    def __init__(self) -> None:
        self._last: tuple[str, bytes] | None = None
        self._times = 0

    def seen(self, call: ToolCall) -> int:
        """How many times in a row this call has come, this time included."""
        current = (
            call.name,
            _json.dumps(call.arguments) if call.arguments is not None else call.arguments_text.encode(),
        )
        self._times = self._times + 1 if current == self._last else 1
        self._last = current
        return self._times

    @staticmethod
    def stops(times: int) -> bool:
        return times >= _STOP

    @staticmethod
    def reminds(times: int) -> bool:
        return times >= _NUDGE
