"""`agentkit check` against the embedded gateway, which refuses what it is told to refuse."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from agentkit.cli.probes import PROBES
from agentkit.emulator import Call, Emulator, Fault, Refusal, Reply
from agentkit.models import Profile

Run = Callable[..., Result]


def obliging(request: Mapping[str, Any]) -> Reply:
    """A model that does all that it is asked for."""
    question = json.dumps(request["messages"])
    choice = request.get("tool_choice")
    if request.get("tools") and choice != "none" and request["messages"][-1]["role"] == "user":
        cities = ("Oslo", "Rome") if "Rome" in question else ("Oslo",)
        return Reply(calls=tuple(Call("get_weather", {"city": city}) for city in cities))
    if "response_format" in request:
        return Reply('{"city": "Oslo", "country": "Norway"}')
    if "image_url" in question:
        return Reply("Red.")
    return Reply("one two three four five six seven eight nine ten " * 8)


def stubborn(_: Mapping[str, Any]) -> Reply:
    """A server that answers everything with the same text."""
    return Reply("No.")


def verdicts(result: Result) -> dict[str, str]:
    lines = result.stdout.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("capability"))
    found: dict[str, str] = {}
    for line in lines[start + 1 :]:
        if not line:
            break
        name, verdict = [cell for cell in line.split("  ") if cell][:2]
        found[name] = verdict.strip()
    return found


def check(run: Run, gateway: Emulator, monkeypatch: pytest.MonkeyPatch, *more: str) -> Result:
    monkeypatch.setenv("TRIED_API_KEY", gateway.key)
    arguments = ("--base-url", gateway.url, "--api-key-env", "TRIED_API_KEY", *more)
    return run("check", "openai:gpt-5.4-mini", *arguments)


def test_a_gateway_that_takes_everything_has_a_yes_in_each_row(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(obliging, gateway="openai") as gateway:
        result = check(run, gateway, monkeypatch)

    assert result.exit_code == 0
    assert verdicts(result) == dict.fromkeys(PROBES, "yes")
    assert "The profile; nothing had to be learned:" in result.stdout
    assert len(gateway.requests) == 15


def test_what_is_refused_is_shown_learned_and_saved(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refuses: list[str | Refusal] = [
        "max_completion_tokens",
        "temperature",
        "stream_options",
        "tool_choice:required",
        Refusal("response_format:json_schema", "fastapi"),
        Refusal("response_format:json_object", "plain"),
    ]
    saved = tmp_path / "profile.json"
    with Emulator(obliging, gateway="openai", refuses=refuses) as gateway:
        result = check(run, gateway, monkeypatch, "--save", str(saved))

    assert result.exit_code == 0
    refused = dict.fromkeys(("temperature", "tool_choice required", "json_schema", "json_object"), "refused")
    assert verdicts(result) == {**dict.fromkeys(PROBES, "yes"), **refused, "usage": "no"}
    assert "The profile, with what was learned:" in result.stdout
    assert Profile.from_json(saved.read_bytes()) == Profile(
        gateway="openai",
        max_tokens_field="max_tokens",
        tool_choices=frozenset({"auto", "none", "named"}),
        output_modes=("tool", "prompt"),
        stream_usage=False,
        dropped=frozenset({"temperature"}),
    )


def test_what_is_taken_and_not_heeded_is_called_ignored(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(stubborn, gateway="openai") as gateway:
        result = check(run, gateway, monkeypatch)

    found = verdicts(result)
    ignored = {"tools", "tool_choice required", "tool_choice named", "json_schema", "json_object", "vision"}
    assert {name for name, verdict in found.items() if verdict == "ignored"} >= ignored
    assert found["parallel calls"] == "no"
    assert found["chat"] == found["tool_choice none"] == "yes"


def test_a_wrong_key_ends_it_after_one_request(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(obliging, gateway="openai") as gateway:
        monkeypatch.setenv("TRIED_API_KEY", "sk-wrong")
        result = run("check", "m", "--base-url", gateway.url, "--api-key-env", "TRIED_API_KEY")

    assert result.exit_code == 1
    assert len(gateway.requests) == 1
    assert "the key is missing or wrong" in result.stderr.lower()
    assert "sk-wrong" not in result.output


def test_a_failure_of_one_probe_is_a_finding(run: Run, monkeypatch: pytest.MonkeyPatch, no_waits: list[float]) -> None:
    with Emulator(obliging, gateway="openai", faults=[Fault("server_error", 99, match="Rome")]) as gateway:
        result = check(run, gateway, monkeypatch)

    assert result.exit_code == 0
    assert verdicts(result) == {**dict.fromkeys(PROBES, "yes"), "parallel calls": "no"}
    assert "ServerError" in result.stdout
    assert len(no_waits) == 3


def test_a_profile_that_cannot_be_saved_is_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Emulator(obliging, gateway="openai") as gateway:
        result = check(run, gateway, monkeypatch, "--save", str(tmp_path / "none" / "profile.json"))

    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "the profile cannot be saved to" in result.stderr
