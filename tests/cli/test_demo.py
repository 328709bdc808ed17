"""`agentkit demo`: three jobs and a table, which follow the files, the question and the options."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from agentkit.cli.data import data_folder
from agentkit.emulator import Call, Emulator, Reply
from agentkit.errors import ConfigurationError
from agentkit.models import Price, Profile

Run = Callable[..., Result]

WEST = "column_total(path='sales_2025_q3.csv', group_by='region', column='revenue'): West: 29,021 is the highest of 4"
APPROVAL = "“Trips that cost more than 1,000 EUR need the approval of the department head before they are booked.”"


def table(result: Result) -> dict[str, list[str]]:
    """The cells of each row but the tokens and the cost, by job."""
    lines = result.stdout.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("job "))
    rows = [re.split(r"  +", line) for line in lines[start + 1 :]]
    return {row[0]: [*row[1:3], *row[6:]] for row in rows}


def test_three_jobs_run_and_the_table_shows_what_they_took(run: Run) -> None:
    result = run("demo")
    assert (result.exit_code, result.stderr) == (0, "")
    assert table(result) == {
        "files": ["3", "3", "0", "0", "answered"],
        "invoices": ["24", "0", "0", "2", "21 of 22 read; en_05_nimbus_coffee.txt refused"],
        "handbook": ["2", "1", "0", "0", "answered"],
        "total": ["29", "4", "0", "2"],
    }
    assert WEST in result.stdout
    assert f"{APPROVAL} [06_travel.md:7]" in result.stdout


def test_it_says_that_no_language_model_answers(run: Run) -> None:
    assert "a rule-based demo brain, not a language model" in run("demo", "--job", "handbook").stdout


def test_without_a_terminal_each_step_is_a_plain_line_with_its_seconds(run: Run) -> None:
    output = run("demo", "--job", "files", "--plain").stdout
    assert "\x1b" not in output
    steps = re.findall(r"^ *\d+\.\d\d s  (call \S+|\w+ ok|turn \d ended with \w+)", output, re.MULTILINE)
    assert [*steps[:5], *sorted(steps[5:7]), *steps[7:]] == [
        "call list_files()",
        "list_files ok",
        "turn 1 ended with tool_calls",
        "call column_total(path='sales_2025_q3.csv',",
        "call read_text(path='discount_policy.md')",
        "column_total ok",
        "read_text ok",
        "turn 2 ended with tool_calls",
        "turn 3 ended with stop",
    ]


def test_two_broken_invoices_are_asked_for_again_with_the_reason_and_one_is_refused(run: Run) -> None:
    output = run("demo", "--job", "invoices").stdout
    reasked = re.findall(r"(\S+): re-ask 1: the answer is not JSON", output)
    assert sorted(reasked) == ["de_03_stadtwerke.txt", "en_01_bright_desk.txt"]
    assert "en_05_nimbus_coffee.txt: Refused: toapis:gpt-5-4-mini-official refused: I'm sorry" in output
    assert "en_01_bright_desk.txt: Bright Desk Ltd, BD-2025-0117, 2025-03-14, 1,158.00 GBP" in output


def test_a_question_of_ones_own_goes_to_the_files_of_the_demo(run: Run) -> None:
    result = run("demo", "--ask", "Which product sold least in Q2?")
    assert "Desk lamp: 4,173 is the lowest of 4" in result.stdout
    assert list(table(result)) == ["files"]


def test_another_question_finds_another_passage_of_the_handbook(run: Run) -> None:
    result = run("demo", "--job", "handbook", "--ask", "Until when do receipts have to be handed in?")
    assert "“Hand in receipts within 30 days after the trip.” [06_travel.md:11]" in result.stdout


def test_the_answer_follows_a_changed_figure_in_the_users_folder(run: Run, data: Path) -> None:
    with (data / "sales" / "sales_2025_q3.csv").open("a", encoding="utf-8") as file:
        file.write("2025-09-30,East,Standing desk,100,44900.00\n")
    result = run("demo", "--folder", str(data / "sales"), "--ask", "Which region sold most in Q3?")
    assert "East: 56,731 is the highest of 4" in result.stdout


def test_an_added_invoice_is_in_the_table(run: Run, data: Path) -> None:
    first = (data / "invoices" / "en_01_bright_desk.txt").read_text(encoding="utf-8")
    (data / "invoices" / "en_99.txt").write_text(first.replace("BD-2025-0117", "BD-2025-0999"), encoding="utf-8")
    result = run("demo", "--job", "invoices", "--folder", str(data / "invoices"))
    assert "en_99.txt: Bright Desk Ltd, BD-2025-0999, 2025-03-14, 1,158.00 GBP" in result.stdout
    assert table(result) == {"invoices": ["23", "0", "0", "0", "23 of 23 read"]}


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (["--job", "invoices"], ".txt"),
        (["--ask", "Why?"], "CSV, Markdown or text"),
        (["--job", "handbook", "--ask", "Why?"], "CSV, Markdown or text"),
    ],
)
def test_a_folder_without_files_is_an_error_in_one_sentence(
    run: Run, tmp_path: Path, options: list[str], kind: str
) -> None:
    result = run("demo", "--folder", str(tmp_path), *options)
    assert (result.exit_code, result.stderr) == (1, f"agentkit: there is no {kind} file in {tmp_path}\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--folder", "."], "--folder needs --ask"),
        (["--job", "invoices", "--ask", "Why?"], "--ask goes with --job files or --job handbook"),
        (["--base-url", "http://127.0.0.1:9/v1"], "--base-url needs --model as well"),
        (["--api-key-env", "NAME"], "--api-key-env needs --model as well"),
        (["--surface", "messages"], "--surface needs --model as well"),
        (["--profile", __file__], "--profile needs --model as well"),
        (["--model", "openai:any", "--profile", "no/such.json"], "does not exist"),
        (["--model", "openai:any", "--fault", "html"], "--fault is for the embedded gateway"),
        (["--fault", "no_such"], "there is no fault 'no_such'"),
        (["--fault", "html:many"], "a fault is written html:count"),
        (["--job", "dishes"], "'dishes' is not one of 'files', 'invoices', 'handbook'"),
        (["--folder", "no/such/folder", "--ask", "Why?"], "does not exist"),
    ],
)
def test_options_that_do_not_fit_together_are_a_usage_error(run: Run, arguments: list[str], problem: str) -> None:
    result = run("demo", *arguments)
    assert result.exit_code == 2
    assert problem in " ".join(result.stderr.split())


def test_a_named_model_at_a_base_url_runs_the_same_job(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    brain = [Reply(calls=(Call("search_handbook", {"query": "trip"}),)), Reply(text="The head of the department.")]
    with Emulator(brain, gateway="openai") as server:
        monkeypatch.setenv("MY_OWN_KEY", server.key)
        options = ("--model", "gpt-4o-mini", "--base-url", server.url, "--api-key-env", "MY_OWN_KEY")
        result = run("demo", "--job", "handbook", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert (
        f"The model is 127.0.0.1:{server.url.split(':')[2].split('/')[0]}:gpt-4o-mini at {server.url}." in result.stdout
    )
    assert "The head of the department." in result.stdout
    assert "brain" not in result.stdout
    assert server.key not in result.output
    assert table(result) == {"handbook": ["2", "1", "0", "0", "answered"]}


def test_a_named_model_is_asked_through_the_surface_and_with_the_profile_that_were_given(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    saved = tmp_path / "profile.json"
    saved.write_text(Profile(gateway="mine", price=Price(input=1, output=1)).to_json(), encoding="utf-8")
    with Emulator([Reply(text="Nobody.")], gateway="openai") as server:
        monkeypatch.setenv("MY_OWN_KEY", server.key)
        options = ("--base-url", server.url, "--api-key-env", "MY_OWN_KEY", "--surface", "responses")
        result = run("demo", "--job", "handbook", "--model", "gpt-4o-mini", *options, "--profile", str(saved))
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"The model is mine:gpt-4o-mini at {server.url}." in result.stdout
    assert "unknown" not in result.stdout
    assert [request.path for request in server.requests] == ["/v1/responses"]


def test_a_gateway_at_another_address_keeps_its_preset(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator([Reply(text="Nobody.")], gateway="toapis") as server:
        monkeypatch.setenv("MY_OWN_KEY", server.key)
        options = ("--model", "toapis", "--base-url", server.url, "--api-key-env", "MY_OWN_KEY")
        result = run("demo", "--job", "handbook", *options)
    assert result.exit_code == 0
    assert f"The model is toapis:gpt-5-4-mini-official at {server.url}." in result.stdout


def test_the_sum_of_an_unknown_cost_is_unknown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(gateway="openai") as server:
        monkeypatch.setenv("MY_OWN_KEY", server.key)
        options = ("--model", "gpt-4o-mini", "--base-url", server.url, "--api-key-env", "MY_OWN_KEY")
        result = run("demo", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = result.stdout.splitlines()[-4:]
    assert [row.split()[0] for row in rows if "unknown" in row] == ["files", "invoices", "handbook", "total"]


def test_files_that_are_nowhere_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="install agentkit again, or use --folder"):
        data_folder(tmp_path)
    assert (data_folder() / "handbook").is_dir()
