"""How a demo ends that goes wrong: one sentence, the exit code, no traceback, no key."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from agentkit.cli.commands import one_line
from agentkit.emulator import Emulator, Raw
from agentkit.errors import AgentkitError

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("unauthorized", r"toapis answered 401 .*verify the Authorization header"),
        ("payment_required", r"toapis answered 402 .*top it up"),
        ("server_error:inf", r"toapis answered 500 "),
        ("rate_limit:inf", r"toapis answered 429 "),
        ("cut_stream", r"the connection broke in the middle of the answer"),
        ("error_in_stream", r"toapis answered an error \(server_error\)"),
        ("html", r"not JSON: 'Welcome It works!'"),
        ("refusal", r"refused: I'm sorry"),
        ("length", r"cut at its output limit .*max_tokens="),
        ("empty", r"answered nothing"),
        ("context_overflow", r"toapis answered 400 .*shorten it"),
    ],
)
def test_a_failed_run_ends_in_one_sentence_and_exit_code_1(
    run: Run, no_waits: list[float], fault: str, sentence: str
) -> None:
    result = run("demo", "--job", "handbook", "--fault", fault)
    assert result.exit_code == 1
    assert re.fullmatch(rf"agentkit: [^\n]*{sentence}[^\n]*\n", result.stderr)
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("fault", "waits"), [("rate_limit_fast:2", 2), ("server_error", 1), ("disconnect", 1), ("error_in_200", 1)]
)
def test_a_fault_that_a_retry_heals_shows_its_wait_and_ends_well(
    run: Run, no_waits: list[float], fault: str, waits: int
) -> None:
    result = run("demo", "--job", "handbook", "--fault", fault)
    assert (result.exit_code, result.stderr) == (0, "")
    shown = re.findall(r"retry (\d) of 3 in (\d\.\d) s: \S+", result.stdout)
    assert [(int(number), seconds) for number, seconds in shown] == [
        (number, f"{wait:.1f}") for number, wait in enumerate(no_waits, 1)
    ]
    assert len(shown) == waits
    assert re.search(rf"^handbook .* {waits} +0  answered$", result.stdout, re.MULTILINE)


@pytest.mark.parametrize("fault", ["malformed_arguments", "invalid_json"])
def test_arguments_that_are_no_json_are_corrected_by_the_model(run: Run, fault: str) -> None:
    result = run("demo", "--job", "handbook", "--fault", fault)
    assert result.exit_code == 0
    assert re.search(r"call search_handbook\(\S.*\n.*search_handbook invalid in .*not JSON", result.stdout)
    assert "“Trips that cost more than 1,000 EUR" in result.stdout


def test_a_retried_invoice_is_named_and_counted(run: Run, no_waits: list[float]) -> None:
    result = run("demo", "--job", "invoices", "--fault", "server_error:2")
    assert result.exit_code == 0
    assert len(re.findall(r"\w+\.txt: retry 1 of 3 in 1\.\d s: toapis answered 500", result.stdout)) == 2
    assert re.search(r"^invoices +24 +0 .* 2 +2  21 of 22 read", result.stdout, re.MULTILINE)


def test_a_gateway_that_fails_stops_the_whole_batch(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(faults=["payment_required:inf"]) as server:
        monkeypatch.setenv("MY_KEY", server.key)
        options = ("--model", "toapis", "--base-url", server.url, "--api-key-env", "MY_KEY")
        result = run("demo", "--job", "invoices", *options)
    assert result.exit_code == 1
    assert re.fullmatch(r"agentkit: toapis answered 402 [^\n]*\n", result.stderr)
    assert ".txt: " not in result.stdout
    assert 1 <= len(server.requests) <= 8  # those under way; none was begun after the first failure


def test_an_unreachable_server_shows_each_wait(run: Run, no_waits: list[float]) -> None:
    with Emulator() as server:
        url = server.url
    result = run("demo", "--job", "handbook", "--model", "any", "--base-url", url)
    assert result.exit_code == 1
    assert re.findall(r"retry (\d) of 3 in \d\.\d s: cannot connect", result.stdout) == ["1", "2", "3"]
    assert re.fullmatch(r"agentkit: cannot connect [^\n]*\n", result.stderr)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("sk-secret-0123456789\n", "has a newline in it"),
        ("Bearer sk-secret-0123456789", 'begins with "Bearer"'),
        ("sk-secret 0123456789", "has a blank in it"),
        ("sk-sécret-0123456789", "not printable ASCII"),
    ],
)
def test_a_key_that_cannot_be_one_is_refused_and_not_printed(
    run: Run, monkeypatch: pytest.MonkeyPatch, key: str, sentence: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    result = run("demo", "--job", "handbook", "--model", "openai:any")
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert "cret" not in result.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--model", "openai:any"],
            "openai wants an API key: set the environment variable OPENAI_API_KEY, or name the",
        ),
        (["--model", "openai:any", "--api-key-env", "MY_KEY"], "the environment variable MY_KEY is not set"),
        (["--model", "nowhere:any"], "'nowhere' is not a known gateway: write one of them before the model (toapis, "),
        (["--model", "openai"], "'openai' names no model: write 'openai:' and the model's id"),
        (["--model", "modelstream:any", "--surface", "messages"], "modelstream has no surface messages: "),
        (["--model", "any", "--base-url", "127.0.0.1"], "base_url='127.0.0.1' is not an http or https URL"),
    ],
)
def test_a_model_that_cannot_be_asked_is_one_sentence(run: Run, arguments: list[str], sentence: str) -> None:
    result = run("demo", "--job", "handbook", *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"agentkit: {sentence}")
    assert result.stderr.count("\n") == 1


def test_a_wrong_key_is_never_printed_even_when_the_server_does(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-secret-0123456789"
    monkeypatch.setenv("MY_KEY", key)
    body = f'{{"error":{{"message":"Incorrect API key provided: {key}","code":"invalid_api_key"}}}}'.encode()
    with Emulator([Raw((body,), status=401)], key=key) as server:
        options = ("--model", "gpt-5-4-mini-official", "--base-url", server.url, "--api-key-env", "MY_KEY")
        result = run("demo", "--job", "handbook", *options)
    assert result.exit_code == 1
    assert "answered 401" in result.stderr
    assert "secret" not in result.output


@pytest.mark.parametrize("fault", ["context_overflow", "content_filter", "length", "empty"])
def test_an_invoice_that_cannot_be_read_does_not_stop_the_others(run: Run, fault: str) -> None:
    result = run("demo", "--job", "invoices", "--fault", fault)
    assert (result.exit_code, result.stderr) == (0, "")
    # It may hit an invoice that would have needed a re-ask: eight are under way at once.
    assert re.search(r"^invoices .* 0 +[12]  20 of 22 read; \w+\.txt [a-z ]+; ", result.stdout, re.MULTILINE)


def test_an_invoice_that_is_never_valid_is_in_the_table_with_its_reasks(run: Run, data: Path) -> None:
    for path in (data / "invoices").glob("*"):
        if path.name != "en_01_bright_desk.txt":
            path.unlink()
    folder = str(data / "invoices")
    result = run("demo", "--job", "invoices", "--folder", folder, "--fault", "invalid_json:inf")
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(re.findall(r"re-ask \d: the answer is not JSON", result.stdout)) == 3
    assert re.search(
        r"^invoices +4 +0 .* 0 +3  0 of 1 read; en_01_bright_desk.txt invalid output$", result.stdout, re.MULTILINE
    )


def test_a_file_that_may_not_be_read_is_one_sentence(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, **_: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refused)
    folder = data / "invoices"
    result = run("demo", "--job", "invoices", "--folder", str(folder))
    first = folder / "de_01_schreinerei_holm.txt"
    assert (result.exit_code, result.stderr) == (1, f"agentkit: {first} cannot be read: Permission denied\n")


def test_a_sentence_on_stderr_is_one_line_without_keys() -> None:
    assert one_line(AgentkitError("the key sk-0123456789\n  is  wrong")) == "the key [key] is wrong"
