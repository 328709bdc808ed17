"""What one run tells the log, compared whole."""

import logging
from typing import Any

import pytest

from agentkit import Agent, RetryPolicy, tool
from agentkit.emulator import Call, Emulator, Reply

pytestmark = pytest.mark.anyio

USED = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@tool
async def fail() -> None:
    """Fail."""
    raise ValueError("no")


def told(record: logging.LogRecord) -> tuple[str, str, dict[str, Any]]:
    """Level, event and fields, without what differs from run to run."""
    fields = {name: value for name, value in vars(record).items() if name not in STANDARD}
    for name in ("seconds", "bytes", "cached_tokens"):
        fields.pop(name, None)
    return record.levelname, record.getMessage(), fields


async def test_one_run_tells_its_requests_retries_tools_turns_and_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="agentkit")
    script = [Reply(calls=(Call("fail", id="call_1"),), usage=USED), Reply(text="done", usage=USED)]
    with Emulator(script, faults=["overloaded"]) as gateway:
        model = gateway.model(retry=RetryPolicy(waits=(0.0,), jitter=0.0))
        await Agent(model, tools=[fail]).run("Go", run_id="run-1")
    records = [told(record) for record in caplog.records if record.name == "agentkit"]
    name = "toapis:gpt-5-4-mini-official"
    tokens = {"input_tokens": 10, "output_tokens": 5}
    level, event, retry = records.pop(0)
    assert (level, event, retry["attempt"], retry["of"], retry["error"]) == ("INFO", "retry", 1, 3, "Overloaded")
    assert records == [
        ("INFO", "response", {"model": name, "finish_reason": "tool_calls", **tokens}),
        (
            "ERROR",
            "tool",
            {
                "run_id": "run-1",
                "tool": "fail",
                "call_id": "call_1",
                "outcome": "error",
                "error": "ValueError('no')",
            },
        ),
        ("INFO", "turn", {"run_id": "run-1", "turn": 1, "finish_reason": "tool_calls", "tool_calls": 1, **tokens}),
        ("INFO", "response", {"model": name, "finish_reason": "stop", **tokens}),
        ("INFO", "turn", {"run_id": "run-1", "turn": 2, "finish_reason": "stop", "tool_calls": 0, **tokens}),
        (
            "INFO",
            "run",
            {
                "run_id": "run-1",
                "model": name,
                "outcome": "finished",
                "turns": 2,
                "tool_calls": 1,
                "input_tokens": 20,
                "output_tokens": 10,
                "cost": 2 * (10 * 0.60 + 5 * 3.60) / 1_000_000,
            },
        ),
    ]
