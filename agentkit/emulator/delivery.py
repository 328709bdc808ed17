"""What faults do to an answer as a whole: some come in its place, some break it on its way. Pure.

An answer belongs to a surface, so a fault that puts an error into it takes the surface's own form of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from agentkit.emulator import faults as known
from agentkit.emulator.answers import broken_off, cut, html_answer, json_answer, slowed
from agentkit.emulator.completion import data_frame
from agentkit.emulator.dialects import Problem
from agentkit.emulator.exchange import Answer, Outcome, Refused, Silence
from agentkit.emulator.faults import Fault

Render: TypeAlias = Callable[[Problem], tuple[int, dict[str, Any]]]
"""A problem to the status and the whole body of an error, as one surface words it."""

_UPSTREAM = Problem("the upstream provider failed", kind="server_error")


def in_place_of_an_answer(fault: Fault, render: Render, *, streaming: bool) -> Outcome | None:
    """What a fault answers without asking the brain; None when the brain is to be asked.

    Raises:
        Refused: the fault is an error response.
    """
    if status := known.STATUSES.get(fault.name):
        raise Refused(status.problem, status.headers)
    match fault.name:
        case "hang" | "disconnect":
            return Silence(hang=fault.name == "hang")
        case "error_in_200":
            return json_answer(200, render(_UPSTREAM)[1])
        case "error_in_stream" if not streaming:
            return json_answer(200, render(_UPSTREAM)[1])
        case "html":
            return html_answer()
        case _:
            return None


def delivered(answer: Answer, fault: Fault, render: Render) -> Answer:
    """`answer` as the fault lets it through."""
    match fault.name:
        case "cut_stream":
            return cut(answer)
        case "error_in_stream":
            return broken_off(answer, lambda sent: _error_frame(render(_UPSTREAM)[1], b"".join(answer.chunks[:1]), sent))
        case "slow":
            return slowed(answer, fault.seconds)
        case _:
            return answer


def _error_frame(body: Mapping[str, Any], first: bytes, sent: int) -> bytes:
    """An error as the event of a stream that began with `first` and has had `sent` events."""
    if not first.startswith(b"event:"):
        return data_frame(body)
    if body.get("type") != "error":  # Responses, whose error event is no wrapped body and is numbered
        told = {name: body["error"].get(name) for name in ("code", "message", "param")}
        body = {"type": "error", **told, "sequence_number": sent}
    return b"event: error\n" + data_frame(body)
