"""What faults do to an answer as a whole: some come in its place, some break it on its way. Pure.

An answer belongs to a surface, so a fault that puts an error into it takes the surface's own form of one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from agentkit.emulator import faults as known
from agentkit.emulator.answers import broken_off, cut, html_answer, json_answer, slowed
from agentkit.emulator.dialects import Problem
from agentkit.emulator.exchange import Answer, Outcome, Refused, Silence
from agentkit.emulator.faults import Fault

Render: TypeAlias = Callable[[Problem], tuple[int, dict[str, Any]]]
"""A problem to the status and the whole body of an error, as one surface words it."""

ErrorFrame: TypeAlias = Callable[[Problem, int], bytes]
"""A problem to the event with which a stream ends after so many events."""

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


def delivered(answer: Answer, fault: Fault, error_frame: ErrorFrame) -> Answer:
    """`answer` as the fault lets it through."""
    match fault.name:
        case "cut_stream":
            return cut(answer)
        case "error_in_stream":
            return broken_off(answer, lambda sent: error_frame(_UPSTREAM, sent))
        case "slow":
            return slowed(answer, fault.seconds)
        case _:
            return answer
