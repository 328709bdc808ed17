"""`--log json`: one object a line on stderr, the same events for the same run."""

import json
import logging
from collections.abc import Callable
from typing import Any

from click.testing import Result

Run = Callable[..., Result]

MODEL = "toapis:gpt-5-4-mini-official"
MEASURED = {"time", "seconds", "bytes", "input_tokens", "output_tokens", "cached_tokens", "cost", "run_id", "call_id"}


def entries(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stderr.splitlines()]


def fixed(entry: dict[str, Any]) -> dict[str, Any]:
    """What is the same in each run; the rest is checked to be there."""
    return {name: value if name not in MEASURED else ... for name, value in entry.items()}


def test_the_log_of_a_run_is_json_lines(run: Run) -> None:
    result = run("demo", "--job", "handbook", "--log", "json")
    assert result.exit_code == 0
    request = {"time": ..., "level": "debug", "event": "request", "model": MODEL, "bytes": ..., "stream": True}
    tokens = {"input_tokens": ..., "output_tokens": ...}

    def response(finish_reason: str) -> dict[str, Any]:
        entry = {"time": ..., "level": "info", "event": "response", "model": MODEL, "finish_reason": finish_reason}
        return {**entry, **tokens, "cached_tokens": ..., "seconds": ...}

    def turn(number: int, finish_reason: str, calls: int) -> dict[str, Any]:
        entry = {"time": ..., "level": "info", "event": "turn", "run_id": ..., "turn": number}
        return {**entry, "finish_reason": finish_reason, "tool_calls": calls, **tokens}

    tool = {"time": ..., "level": "info", "event": "tool", "run_id": ..., "tool": "search_handbook"}
    run_end = {"time": ..., "level": "info", "event": "run", "run_id": ..., "model": MODEL, "outcome": "finished"}
    assert [fixed(entry) for entry in entries(result)] == [
        request,
        response("tool_calls"),
        {**tool, "call_id": ..., "outcome": "ok", "seconds": ...},
        turn(1, "tool_calls", 1),
        request,
        response("stop"),
        turn(2, "stop", 0),
        {**run_end, "turns": 2, "tool_calls": 1, **tokens, "cost": ..., "seconds": ...},
    ]


def test_a_failure_is_a_line_of_the_log_too(run: Run) -> None:
    result = run("demo", "--job", "handbook", "--log", "json", "--fault", "payment_required")
    assert result.exit_code == 1
    *_, failed, ended, last = entries(result)
    assert (failed["event"], ended["event"], ended["outcome"]) == ("failure", "run", "QuotaExhausted")
    assert last == {
        "event": "ended",
        "level": "error",
        "kind": "QuotaExhausted",
        "text": f"agentkit: {failed['text']}",
    }


def test_the_log_is_off_again_afterwards(run: Run) -> None:
    logger = logging.getLogger("agentkit")
    before = (logger.level, list(logger.handlers), logger.propagate)
    run("demo", "--job", "handbook", "--log", "json")
    assert (logger.level, list(logger.handlers), logger.propagate) == before
    assert run("demo", "--job", "handbook").stderr == ""
