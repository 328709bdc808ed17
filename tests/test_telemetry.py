"""What agentkit tells the log, and what it keeps to itself."""

import ast
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, telemetry, tool
from agentkit.emulator import Call, Emulator, Reply

_PACKAGE = Path(__file__).parents[1] / "agentkit"
_OF_A_RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime"}


@tool
async def add(a: int, b: int) -> int:
    return a + b


@tool
async def leak(text: str) -> str:
    raise ConnectionError("Bearer abcdef123456 was refused")


def _told(record: logging.LogRecord) -> tuple[str, str, dict[str, Any]]:
    fields = {name: value for name, value in vars(record).items() if name not in _OF_A_RECORD}
    for varying in ("seconds", "bytes"):
        if varying in fields:
            fields[varying] = type(fields[varying]).__name__
    return record.levelname, record.getMessage(), fields


@pytest.mark.anyio
async def test_one_run_is_told_as_these_records(caplog: pytest.LogCaptureFixture) -> None:
    calls = (Call("add", {"a": 1, "b": 2}, id="c1"), Call("leak", {"text": "my words"}, id="c2"))
    with (
        Emulator(
            [
                Reply(calls=calls, usage={"prompt_tokens": 20, "completion_tokens": 5}),
                Reply(text="three", usage={"prompt_tokens": 40, "completion_tokens": 2}),
            ]
        ) as gateway,
        caplog.at_level(logging.DEBUG, "agentkit"),
    ):
        model = gateway.model()
        result = await Agent(model, tools=[add, leak]).run("what is 1 + 2?", run_id="run-1")
    by_call = sorted(
        (_told(record) for record in caplog.records if record.getMessage() == "tool"),
        key=lambda told: told[2]["call_id"],
    )
    others = [_told(record) for record in caplog.records if record.getMessage() not in ("tool",)]
    of_run = {"run_id": "run-1"}
    assert by_call == [
        ("INFO", "tool", {**of_run, "tool": "add", "call_id": "c1", "outcome": "ok", "seconds": "float"}),
        (
            "ERROR",
            "tool",
            {
                **of_run,
                "tool": "leak",
                "call_id": "c2",
                "outcome": "error",
                "seconds": "float",
                "error": "ConnectionError('[key] was refused')",
            },
        ),
    ]
    request = ("DEBUG", "request", {"model": model.name, "bytes": "int", "stream": False})
    first = {"input_tokens": 20, "output_tokens": 5}
    second = {"input_tokens": 40, "output_tokens": 2}
    answered = {"model": model.name, "cached_tokens": 0, "seconds": "float"}
    assert others == [
        request,
        ("INFO", "response", {**answered, **first, "finish_reason": "tool_calls"}),
        ("INFO", "turn", {**of_run, **first, "turn": 1, "finish_reason": "tool_calls", "tool_calls": 2}),
        request,
        ("INFO", "response", {**answered, **second, "finish_reason": "stop"}),
        ("INFO", "turn", {**of_run, **second, "turn": 2, "finish_reason": "stop", "tool_calls": 0}),
        (
            "INFO",
            "run",
            {
                **of_run,
                "model": model.name,
                "outcome": "finished",
                "turns": 2,
                "tool_calls": 2,
                "input_tokens": 60,
                "output_tokens": 7,
                "cost": result.cost,
                "seconds": "float",
            },
        ),
    ]
    said = repr([_told(record) for record in caplog.records])
    assert "abcdef123456" not in said
    assert "my words" not in said
    assert "1 + 2" not in said


def test_a_handler_of_the_users_gets_the_fields_as_attributes() -> None:
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, handler = logging.getLogger("agentkit"), Keep()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        telemetry.emit("info", "tool", tool="add", seconds=0.5)
        telemetry.emit("debug", "request", model="m")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert [_told(record) for record in records] == [("INFO", "tool", {"tool": "add", "seconds": "float"})]


def test_a_logger_whose_only_handler_is_agentkits_own_is_nobody_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("agentkit")
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handle", lambda record: pytest.fail("nobody listens"))
    telemetry.emit("error", "warning", text="x")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"api_key": "anything"}, {"api_key": "[key]"}),
        ({"Authorization": "Bearer x"}, {"Authorization": "[key]"}),
        ({"access_token": "x", "input_tokens": 3}, {"access_token": "[key]", "input_tokens": 3}),
        ({"text": "key sk-abcdefgh12 refused"}, {"text": "key [key] refused"}),
        ({"text": "authorization: bearer abcdefgh12"}, {"text": "authorization: [key]"}),
        (
            {"text": "a task-oriented risk-averse desk-bound sk-"},
            {"text": "a task-oriented risk-averse desk-bound sk-"},
        ),
    ],
)
def test_keys_are_redacted(fields: dict[str, Any], told: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "agentkit"):
        telemetry.emit("info", "warning", **fields)
    assert _told(caplog.records[0]) == ("INFO", "warning", told)


def test_given_secrets_are_redacted_whatever_they_look_like() -> None:
    assert telemetry.redact("a hunter2 b", "", "hunter2") == "a [key] b"


def test_no_field_of_agentkits_own_collides_with_an_attribute_of_a_log_record() -> None:
    fields: set[str] = set()
    for path in _PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "telemetry.emit":
                fields.update(keyword.arg for keyword in node.keywords if keyword.arg is not None)
    assert {"run_id", "model", "tool", "seconds"} <= fields
    assert fields & _OF_A_RECORD == set()


_QUIET = """
import sys
from agentkit import Agent, tool
from agentkit.emulator import Call, Emulator, Reply

@tool
def fail() -> None:
    raise ValueError("loud")

with Emulator([Reply(calls=(Call("fail", {}),)), Reply(text="over")]) as gateway:
    print(Agent(gateway.model(), tools=[fail]).run_sync("go").output)
print("structlog" in sys.modules)
"""

_NOT_CONFIGURED = """
import logging, structlog
from agentkit import telemetry
logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s %(tool)s")
telemetry.emit("info", "tool", tool="add")
print(structlog.is_configured(), logging.getLogger("agentkit").level)
"""


def _run(program: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_it_is_silent_by_default_and_does_not_load_structlog() -> None:
    assert _run(_QUIET) == (0, "over\nFalse\n", "")


def test_structlog_is_not_configured_globally() -> None:
    assert _run(_NOT_CONFIGURED) == (0, "False 0\n", "agentkit tool add\n")
