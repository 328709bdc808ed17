"""The entry point and `agentkit emulate` in this process."""

import builtins
import sys
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

import agentkit.cli
from agentkit.emulator import Emulator

Run = Callable[..., Result]


def test_the_entry_point_runs_the_command_of_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["agentkit", "demo", "--job", "handbook"])
    with pytest.raises(SystemExit) as ended:
        agentkit.cli.main()
    assert ended.value.code == 0
    assert "handbook      2" in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_the_entry_point_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    _on_import(monkeypatch, ModuleNotFoundError(f"No module named {missing!r}", name=missing))
    with pytest.raises(SystemExit, match=rf"needs {missing}, which is not installed: pip install 'pyagentkit\[cli\]'"):
        agentkit.cli.main()


def test_any_other_missing_module_is_a_bug_and_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    _on_import(monkeypatch, ModuleNotFoundError("No module named 'pydantic'", name="pydantic"))
    with pytest.raises(ModuleNotFoundError, match="pydantic"):
        agentkit.cli.main()


def test_ctrl_c_while_the_command_loads_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    _on_import(monkeypatch, KeyboardInterrupt())
    with pytest.raises(SystemExit) as ended:
        agentkit.cli.main()
    assert ended.value.code == 130


def test_ctrl_c_ends_emulate_with_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_self: Emulator) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Emulator, "wait", interrupted)
    result = run("emulate")
    assert (result.exit_code, result.stderr) == (130, "agentkit: stopped by Ctrl-C; nothing is running any more\n")
    url, key, curl, honest = result.stdout.splitlines()
    assert url.startswith("URL: http://127.0.0.1:")
    assert key.startswith("Key: ")
    assert curl.startswith(f"Try: curl --noproxy 127.0.0.1 {url.removeprefix('URL: ')}/chat/completions")
    assert "not a language model" in honest


def test_a_port_that_is_taken_is_one_sentence(run: Run) -> None:
    with Emulator() as other:
        port = other.url.split(":")[2].split("/")[0]
        result = run("emulate", "--port", port)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"agentkit: cannot listen on port {port}: ")
    assert result.stderr.endswith("; choose another, or 0\n")


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["--gateway", "nowhere"], 1, "agentkit: "),
        (["--port", "70000"], 2, "70000 is not in the range"),
        (["--latency", "-1"], 2, "-1.0 is not in the range"),
    ],
)
def test_emulate_with_bad_options_does_not_start(run: Run, arguments: list[str], code: int, problem: str) -> None:
    result = run("emulate", *arguments)
    assert result.exit_code == code
    assert problem in result.stderr


def _on_import(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """As if the commands were imported for the first time, and that ended so."""
    real = builtins.__import__

    def importing(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "agentkit.cli.commands":
            raise error
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", importing)
