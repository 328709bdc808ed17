"""`agentkit check` against the embedded gateway, which refuses what it is told to refuse."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from agentkit.cli.probes import PROBES, Finding
from agentkit.emulator import Call, Emulator, Fault, Raw, Refusal, Reply
from agentkit.models import Profile

Run = Callable[..., Result]

BEFORE_ROME = ("chat", "stream", "usage", "max_tokens", "temperature", "tools")


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


def no_images(request: Mapping[str, Any]) -> Reply | Raw:
    """A server whose key may not send images."""
    if "image_url" in json.dumps(request["messages"]):
        return Raw((b'{"error": {"message": "No images with this key.", "code": "forbidden"}}',), status=403)
    return obliging(request)


def no_strict_schema(request: Mapping[str, Any]) -> Reply | Raw:
    """A server that takes schemas, but not in their strict form."""
    if request.get("response_format", {}).get("json_schema", {}).get("strict"):
        said = "Invalid schema for response_format 'place': keyword not supported"
        error = {"message": said, "type": "invalid_request_error", "param": "response_format", "code": None}
        return Raw((json.dumps({"error": error}).encode(),), status=400)
    return obliging(request)


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


def test_the_gateways_own_key_stays_at_home_and_that_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(obliging) as gateway:
        monkeypatch.setenv("TOAPIS_API_KEY", gateway.key)
        result = run("check", "toapis", "--base-url", gateway.url)
        there = run("check", "toapis", "--base-url", gateway.url, "--api-key-env", "TOAPIS_API_KEY")

    said = (
        "TOAPIS_API_KEY is for https://toapis.com/v1 and is not sent to another base URL: to send it to yours, add "
        "--api-key-env TOAPIS_API_KEY"
    )
    assert (result.exit_code, result.stdout.splitlines()[0]) == (1, said)
    assert result.stderr.endswith(f" {said}.\n")
    assert "authorization" not in gateway.requests[0].headers
    assert there.exit_code == 0
    assert "is not sent" not in there.output


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
    folder = tmp_path / "none"
    with Emulator(obliging, gateway="openai") as gateway:
        result = check(run, gateway, monkeypatch, "--save", str(folder / "profile.json"))

    assert (result.exit_code, result.stderr) == (
        1,
        f"agentkit: the profile cannot be saved to {folder / 'profile.json'}: there is no folder {folder}\n",
    )
    assert gateway.requests == []


def test_a_403_of_one_probe_is_a_finding(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(no_images, gateway="openai") as gateway:
        result = check(run, gateway, monkeypatch)

    assert result.exit_code == 0
    assert verdicts(result) == {**dict.fromkeys(PROBES, "yes"), "vision": "refused"}
    assert "No images with this key." in result.stdout


def test_what_was_found_is_shown_and_saved_when_the_money_runs_out(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    saved = tmp_path / "profile.json"
    broke = Fault("payment_required", 99, match="Rome")
    with Emulator(obliging, gateway="openai", refuses=["temperature"], faults=[broke]) as gateway:
        result = check(run, gateway, monkeypatch, "--save", str(saved))

    assert result.exit_code == 1
    assert "top it up" in result.stderr
    assert verdicts(result) == {**dict.fromkeys(BEFORE_ROME, "yes"), "temperature": "refused"}
    assert "Ended after 6 of 13 questions." in result.stdout
    assert Profile.from_json(saved.read_bytes()).dropped == {"temperature"}


def test_what_was_found_is_shown_and_saved_at_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def interrupted(_: object) -> Finding:
        raise KeyboardInterrupt

    saved = tmp_path / "profile.json"
    monkeypatch.setattr("agentkit.cli.check.PROBES", {**PROBES, "parallel calls": interrupted})
    with Emulator(obliging, gateway="openai", refuses=["temperature"]) as gateway:
        result = check(run, gateway, monkeypatch, "--save", str(saved))

    assert (result.exit_code, result.stderr) == (130, "agentkit: stopped by Ctrl-C; nothing is running any more\n")
    assert verdicts(result) == {**dict.fromkeys(BEFORE_ROME, "yes"), "temperature": "refused"}
    assert Profile.from_json(saved.read_bytes()).dropped == {"temperature"}


def test_what_the_profile_rules_out_is_not_asked_and_called_declared(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    declared = Profile(
        gateway="small",
        tool_choices=frozenset({"auto", "none", "named"}),
        output_modes=("json_object", "prompt"),
        dropped=frozenset({"temperature", "max_tokens"}),
        vision=False,
    )
    known = tmp_path / "profile.json"
    known.write_text(declared.to_json(), encoding="utf-8")
    with Emulator(obliging, gateway="openai") as gateway:
        result = check(run, gateway, monkeypatch, "--profile", str(known))

    assert result.exit_code == 0
    ruled_out = ("max_tokens", "temperature", "tool_choice required", "json_schema", "vision")
    assert verdicts(result) == {**dict.fromkeys(PROBES, "yes"), **dict.fromkeys(ruled_out, "declared")}
    assert len(gateway.requests) == 15 - len(ruled_out)
    assert "The profile; nothing had to be learned:" in result.stdout


def test_tool_choice_refused_as_a_whole_is_refused_in_each_of_its_kinds(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Emulator(obliging, gateway="openai", refuses=["tool_choice"]) as gateway:
        result = check(run, gateway, monkeypatch)

    kinds = ("tool_choice required", "tool_choice named", "tool_choice none")
    assert {verdicts(result)[kind] for kind in kinds} == {"refused"}


def test_a_schema_that_is_refused_for_its_strict_is_asked_for_again_without(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Emulator(no_strict_schema, gateway="openai") as gateway:
        result = check(run, gateway, monkeypatch)

    assert result.exit_code == 0
    assert verdicts(result) == dict.fromkeys(PROBES, "yes")
    assert ", without strict" in result.stdout
    assert "  strict = false" in result.stdout.splitlines()
    assert "  output_modes = " not in result.stdout


@pytest.mark.parametrize(("surface", "path"), [("responses", "/v1/responses"), ("messages", "/v1/messages")])
def test_another_surface_of_a_server_that_no_preset_knows_can_be_checked(
    run: Run, monkeypatch: pytest.MonkeyPatch, surface: str, path: str
) -> None:
    with Emulator(obliging) as gateway:
        monkeypatch.setenv("TRIED_API_KEY", gateway.key)
        options = ("--base-url", gateway.url, "--api-key-env", "TRIED_API_KEY", "--surface", surface)
        result = run("check", "gpt-5-4-mini-official", *options)

    assert result.exit_code == 0
    assert verdicts(result)["tools"] == "yes"
    assert {request.path for request in gateway.requests} == {path}


def test_a_surface_of_a_known_gateway_has_the_preset_of_that_surface(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(obliging) as gateway:
        monkeypatch.setenv("TRIED_API_KEY", gateway.key)
        options = ("--base-url", gateway.url, "--api-key-env", "TRIED_API_KEY", "--surface", "messages")
        result = run("check", "toapis", *options)

    assert result.exit_code == 0
    assert f"toapis/messages:gpt-5-4-mini-official at {gateway.url}" in result.stdout


@pytest.mark.parametrize("model", ["llama3:8b", "vendor/model"])
def test_a_name_without_a_gateway_leads_to_base_url(run: Run, model: str) -> None:
    result = run("check", model)

    assert result.exit_code == 1
    assert result.stderr.endswith(f", or give --base-url with the URL of a server that serves {model!r}\n")


def test_a_url_that_leads_nowhere_is_to_be_checked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(obliging, gateway="openai") as gateway:
        monkeypatch.setenv("TRIED_API_KEY", gateway.key)
        wrong = gateway.url.removesuffix("/v1")
        result = run("check", "gpt-5.4-mini", "--base-url", wrong, "--api-key-env", "TRIED_API_KEY")

    assert result.exit_code == 1
    assert "Check the base URL (most end in /v1)" in result.stderr


def test_a_file_that_is_no_profile_is_one_sentence(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text("[]", encoding="utf-8")
    result = run("check", "llamacpp", "--profile", str(file))

    assert result.exit_code == 1
    assert result.stderr.startswith(f"agentkit: {file}: this is no saved profile")
