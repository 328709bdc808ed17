"""The command as its own process: exit codes, Ctrl-C, a terminal, an encoding that cannot show everything."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import pytest

COMMAND = [sys.executable, "-c", "from agentkit.cli import main; main()"]
SECONDS = 30  # no process of these tests takes longer than a few

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as SIGINT here")


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process group of its own, which does not outlive the block."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finished(*arguments: str, **environment: str) -> tuple[int, str, str]:
    with started(*arguments, **environment) as process:
        out, err = process.communicate(timeout=SECONDS)
        return process.returncode, out, err


def line_with(process: subprocess.Popen[str], text: str) -> str:
    """The next line of stdout that has `text` in it."""
    assert process.stdout is not None
    return next(line for line in process.stdout if text in line)


def test_ctrl_c_stops_a_demo_that_waits_for_an_answer() -> None:
    with started("demo", "--fault", "hang:inf") as process:
        line_with(process, "== files")
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (130, "agentkit: stopped by Ctrl-C; nothing is running any more\n")


def test_ctrl_c_stops_a_demo_that_waits_for_a_retry() -> None:
    with started("demo", "--job", "invoices", "--fault", "server_error:inf") as process:
        line_with(process, "retry 1 of 3 in")
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (130, "agentkit: stopped by Ctrl-C; nothing is running any more\n")


def test_emulate_serves_with_the_key_that_it_prints_until_ctrl_c() -> None:
    with started("emulate", "--gateway", "bytespike", "--fault", "rate_limit_bare") as process:
        url = line_with(process, "URL: ").split()[1]
        key = line_with(process, "Key: ").split()[1]
        curl = line_with(process, "Try: ")
        with httpx.Client(base_url=url, trust_env=False, headers={"authorization": f"Bearer {key}"}) as client:
            asked = {"model": "gpt-5-4-mini", "messages": [{"role": "user", "content": "Who are you?"}]}
            refused, answered = (client.post("/chat/completions", json=asked) for _ in range(2))
            wrong = client.post("/chat/completions", json=asked, headers={"authorization": "Bearer wrong"})
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=SECONDS)
    assert (refused.status_code, answered.status_code, wrong.status_code) == (429, 200, 401)
    assert "not a language model" in answered.json()["choices"][0]["message"]["content"]
    assert f"curl --noproxy 127.0.0.1 {url}/chat/completions -H 'Authorization: Bearer {key}'" in curl
    assert (process.returncode, err) == (130, "agentkit: stopped by Ctrl-C; nothing is running any more\n")


def test_an_encoding_that_cannot_show_a_letter_shows_a_question_mark() -> None:
    code, out, err = finished("demo", "--job", "invoices", PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    assert re.search(r"ru_01_sever_mebel\.txt: \?+ \?+ \?+, 214, 2025-03-11, 33,900\.00 RUB", out)


def test_proxies_of_the_environment_do_not_come_between() -> None:
    proxy = "http://127.0.0.1:9"
    code, _, err = finished("demo", "--job", "handbook", HTTP_PROXY=proxy, HTTPS_PROXY=proxy, ALL_PROXY=proxy)
    assert (code, err) == (0, "")


def test_a_reader_that_leaves_early_is_no_traceback() -> None:
    with started("demo") as process:
        line_with(process, "== files")
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_a_missing_extra_is_one_sentence_with_the_command_that_installs_it(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from agentkit.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "demo"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert (done.returncode, done.stderr) == (
        1,
        f"agentkit: the command line needs {missing}, which is not installed: pip install 'pyagentkit[cli]'\n",
    )


def on_terminal(columns: int, **environment: str) -> str:
    """What the handbook job writes to a terminal of that width."""
    import pty

    leader, follower = pty.openpty()
    wanted: Mapping[str, str] = {"COLUMNS": str(columns), "LINES": "50", "TERM": "xterm-256color", **environment}
    inherited = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [*COMMAND, "demo", "--job", "handbook"],
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=subprocess.STDOUT,
        env={**inherited, **wanted},
        start_new_session=True,
    )
    os.close(follower)
    written = bytearray()
    try:
        while chunk := _read(leader):
            written += chunk
        assert process.wait(timeout=SECONDS) == 0
    finally:
        os.close(leader)
        if process.poll() is None:
            process.kill()
            process.wait()
    return written.decode()


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:  # Linux says so when the other end is closed
        return b""


@pytest.mark.parametrize("columns", [40, 80, 140])
def test_on_a_terminal_no_line_is_wider_than_it(columns: int) -> None:
    output = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", on_terminal(columns))
    lines = [line.rsplit("\r", 1)[-1] for line in output.replace("\r\n", "\n").split("\n")]
    assert max(len(line) for line in lines) <= columns
    assert "“Trips that cost more than 1,000 EUR" in output


def test_a_terminal_has_colours_unless_no_color_is_set() -> None:
    assert "\x1b[1;36mhandbook" in on_terminal(80)
    assert not re.search(r"\x1b\[[0-9;]*3\dm", on_terminal(80, NO_COLOR="1"))
