"""The README's code runs as printed."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from agentkit.providers import GATEWAYS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_blocks_run_as_printed(tmp_path: Path) -> None:
    printed = [ran(block, tmp_path) for block in blocks("python")]
    assert "3 degrees, rain" in printed[0]
    assert printed[1].startswith("vendor='Acme Ltd' total=12.5 ")
    assert printed[2] == "sent to Acme\nAcme has its invoice.\n"


def test_the_guide_to_computers_runs_as_printed(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "computer.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    assert len(blocks) == 2
    assert ran("\n".join(blocks), tmp_path).splitlines() == [
        "{'type': 'click', 'x': 40, 'y': 20, 'button': 'left'}",
        "{'type': 'type', 'text': 'Oslo'}",
        "I typed Oslo.",
    ]


def ran(code: str, directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=directory,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_failure_lines_are_ones_that_the_command_line_takes() -> None:
    lines = [line.split("#")[0].split() for line in blocks("sh")[-1].splitlines()]
    assert len(lines) >= 6
    for words in lines:
        assert words[:2] == [".venv/bin/agentkit", "demo"]
        if "hang" in words:  # it runs until Ctrl-C, which tests/cli presses
            continue
        expected = 0 if words[-1] in ("rate_limit:2", "server_error") else 1
        if words[-1] == "server_error:inf" or words[-1] == "rate_limit:2":  # seconds of waiting, tested in tests/cli
            continue
        done = subprocess.run(
            [sys.executable, "-c", "import sys; from agentkit.cli import main; sys.exit(main())", *words[1:]],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == expected, done.stderr


def test_both_commands_make_their_own_environment() -> None:
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv .venv && ")]
    assert [command.rsplit(" && ", 1)[1] for command in commands] == [
        ".venv/bin/agentkit demo",
        ".venv/bin/python -m pytest",
    ]


def test_every_gateway_has_a_row_that_leads_to_its_tests() -> None:
    rows = [line for line in README.splitlines() if line.startswith("| ") and "`" in line]
    for name in GATEWAYS:
        gateway, _, surface = name.partition("/")
        written = [f'"{name}:', *([f"`{gateway}`"] if surface in ("responses", "messages") else [])]
        assert any(word in row for row in rows for word in written), name
    linked = {link for row in rows for link in re.findall(r"\]\((tests/[^)]+)\)", row)}
    assert {"tests/gateways/test_toapis.py", "tests/gateways/test_runware.py"} <= linked
    assert [link for link in sorted(linked) if not (ROOT / link).exists()] == []


def test_the_code_of_every_guide_is_python() -> None:
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for code in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            compile(code, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
