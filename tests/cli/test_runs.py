"""`agentkit runs`: what a journal knows is shown, replayed, exported and forked without an agent; resume needs one."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest
from click.testing import Result

from agentkit import Agent, RunPaused, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.models import Profile
from agentkit.runtime import DropOldest

Invoke = Callable[..., Result]

MODEL = "toapis:gpt-5-4-mini-official"
PAY = Call("pay", {"to": "Müller", "amount": 3}, id="p1")
LOOK = Call("look", {"what": "invoice"}, id="l1")


@tool(effect="external", approval=True)
def pay(to: str, amount: int) -> str:
    """Pay."""
    return f"paid {amount} to {to}"


@tool(effect="read")
def look(what: str) -> str:
    """Look."""
    return f"the {what} is there"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def runs(run: Invoke, path: Path) -> Invoke:
    """`agentkit runs` on the journal."""

    def invoke(command: str, *arguments: str) -> Result:
        return run("runs", command, *arguments, "--journal", str(path))

    return invoke


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory whose modules can be imported, and are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    known, path = set(sys.modules), list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if not name.startswith("agentkit"):
            del sys.modules[name]


def finished(path: Path, run_id: str = "hello", *, session: str | None = None, text: str = "Hello") -> None:
    with Emulator([Reply(text=text)]) as gateway:
        agent = Agent(gateway.model())
        if session is None:
            agent.run_sync("Hi", journal=path, run_id=run_id)
        else:
            agent.run_sync("Hi", journal=path, run_id=run_id, session=session)


def paused(path: Path, run_id: str = "order") -> None:
    """A run that has looked, and waits for somebody to let it pay."""
    with Emulator([Reply(calls=(LOOK,)), Reply(text="Now the money", calls=(PAY,))]) as gateway:
        agent = Agent(gateway.model(), tools=[pay, look], name="cashier")
        with pytest.raises(RunPaused):
            agent.run_sync("Pay the invoice", journal=path, run_id=run_id)


def said(result: Result) -> list[str]:
    assert (result.exit_code, result.stderr) == (0, "")
    return [line.strip() for line in result.stdout.splitlines() if line]


def refused(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    return line


@pytest.fixture
def resumed(runs: Invoke, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """`agentkit runs resume` with the agent of a module, whose model gives `replies`."""

    def invoke(replies: Sequence[Reply], *options: str) -> Result:
        with Emulator(replies) as gateway:
            agent = Agent(gateway.model(), tools=[pay, look], name="cashier")
            monkeypatch.setitem(sys.modules, "shop", cast(ModuleType, SimpleNamespace(cashier=agent)))
            return runs("resume", "order", "--agent", "shop:cashier", *options)

    return invoke


def test_the_newest_runs_are_listed_first_and_can_be_filtered(path: Path, runs: Invoke) -> None:
    finished(path, session="user-42")
    paused(path)
    header, order, hello = (line.split() for line in said(runs("list")))
    assert header == ["run", "status", "agent", "model", "steps", "updated", "session"]
    assert (order[:4], hello[:4]) == (["order", "paused", "cashier", MODEL], ["hello", "finished", "agent", MODEL])
    assert hello[-1] == "user-42"
    assert [line.split()[0] for line in said(runs("list", "--status", "paused"))] == ["run", "order"]
    assert [line.split()[0] for line in said(runs("list", "--session", "user-42"))] == ["run", "hello"]
    assert [line.split()[0] for line in said(runs("list", "--limit", "1"))] == ["run", "order"]
    assert said(runs("list", "--status", "failed")) == ["There are no such runs."]


def test_a_paused_run_is_shown_with_what_it_waits_for_and_how_to_decide(path: Path, runs: Invoke) -> None:
    paused(path)
    *lines, spent = said(runs("show", "order"))
    assert lines == [
        f"== order: paused, cashier on {MODEL}",
        "0  user       Pay the invoice",
        '1  call       look({"what":"invoice"}) l1',
        "2  result     look: the invoice is there",
        "3  assistant  Now the money",
        '3  call       pay({"to":"Müller","amount":3}) p1',
        'waits for approval: pay {"to": "Müller", "amount": 3}',
        "--approve p1 | --deny p1=WHY | --answer p1=JSON",
    ]
    assert spent.startswith("2 requests, ")


def test_a_turn_of_a_session_is_shown_behind_the_turns_before_it(path: Path, runs: Invoke) -> None:
    finished(path, "first", session="s", text="One")
    finished(path, "second", session="s", text="Two")
    assert said(runs("show", "second"))[1:-1] == [
        "0 (earlier)  user       Hi",
        "1 (earlier)  assistant  One",
        "2  user       Hi",
        "3  assistant  Two",
    ]


def test_a_turn_that_was_compacted_is_shown_and_replayed_without_what_was_left_out(path: Path, runs: Invoke) -> None:
    finished(path, "first", session="s", text="One")
    finished(path, "second", session="s", text="Two " * 3000)
    with Emulator([Reply(text="Three")]) as gateway:
        model = gateway.model(profile=Profile(context=2000, max_output=500))
        agent = Agent(model, compaction=DropOldest())
        agent.run_sync("Hi again", journal=path, run_id="third", session="s")
    assert said(runs("show", "third"))[1:-1] == [
        "0 (earlier)  user       Hi",
        "1 (earlier)  user       [Earlier messages were left out here.]",
        "2  user       Hi again",
        "3  assistant  Three",
    ]
    assert said(runs("replay", "third"))[1:] == [
        "user       Hi again",
        "the history is made shorter: it has 3 messages now",
        "assistant  Three",
    ]


def test_a_replay_has_each_recorded_step_in_order_and_asks_nobody(path: Path, runs: Invoke) -> None:
    paused(path)
    title, *steps = said(runs("replay", "order"))
    assert title.startswith("== order, ")
    assert steps == [
        "user       Pay the invoice",
        'call       look({"what":"invoice"}) l1',
        "result     look: the invoice is there",
        "assistant  Now the money",
        'call       pay({"to":"Müller","amount":3}) p1',
        "started    pay",
        "waits      pay (approval)",
    ]
    assert said(runs("replay", "order"))[1:] == steps


def test_finished_runs_are_exported_as_lines_of_chat_messages(path: Path, runs: Invoke) -> None:
    finished(path)
    paused(path)
    expected = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    assert [json.loads(line) for line in said(runs("export"))] == [expected]
    assert [json.loads(line) for line in said(runs("export", "hello", "--format", "chat-jsonl"))] == [expected]
    to = path.with_name("lines.jsonl")
    result = runs("export", "--output", str(to))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"1 runs written to {to}\n")
    assert [json.loads(line) for line in to.read_text(encoding="utf-8").splitlines()] == [expected]


def test_a_run_with_open_calls_is_no_training_data_and_leaves_the_file_alone(path: Path, runs: Invoke) -> None:
    finished(path)
    paused(path)
    to = path.with_name("lines.jsonl")
    to.write_text("kept\n", encoding="utf-8")
    line = refused(runs("export", "hello", "order", "--output", str(to)))
    assert line == "agentkit: run 'order' is paused: only finished runs are exported"
    assert to.read_text(encoding="utf-8") == "kept\n"
    line = refused(runs("export", "hello", "--output", str(path / "under" / "a file")))
    assert " cannot be written: " in line


def test_a_fork_has_the_first_answers_and_leaves_the_run_as_it_was(path: Path, runs: Invoke) -> None:
    paused(path)
    before = said(runs("show", "order"))
    assert said(runs("fork", "order", "again", "--at", "1")) == []
    assert said(runs("show", "again"))[:-1] == [f"== again: paused, cashier on {MODEL}", *before[1:4]]
    assert said(runs("fork", "order", "whole")) == []
    assert said(runs("show", "whole"))[1:] == before[1:]
    assert said(runs("fork", "order", "prompt", "--at", "0")) == []
    assert said(runs("show", "prompt"))[1:-1] == before[1:2]
    assert said(runs("show", "order")) == before
    assert refused(runs("fork", "order", "more", "--at", "3")) == (
        "agentkit: the run has 2 answers of the model, and step 3 was asked for"
    )
    assert refused(runs("fork", "order", "again")) == "agentkit: there is a run 'again' already: take another id"


def test_an_approved_call_runs_and_the_run_goes_on_to_its_end(path: Path, runs: Invoke, resumed: Invoke) -> None:
    paused(path)
    assert said(resumed([Reply(text="Done")], "--approve", "p1")) == ["Done"]
    assert "4  result     pay: paid 3 to Müller" in said(runs("show", "order"))
    assert said(runs("list"))[1].split()[:2] == ["order", "finished"]


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--deny", "p1=not today", "error      pay: Not run: not today"),
        ("--answer", 'p1={"receipt": 7}', 'result     pay: {"receipt":7}'),
    ],
)
def test_a_call_is_denied_or_answered_from_outside(
    path: Path, runs: Invoke, resumed: Invoke, option: str, value: str, told: str
) -> None:
    paused(path)
    assert said(resumed([Reply(text="I see")], option, value)) == ["I see"]
    assert f"4  {told}" in said(runs("show", "order"))


def test_a_run_that_still_waits_says_for_what_and_is_no_success(path: Path, resumed: Invoke) -> None:
    paused(path)
    result = resumed([])
    assert (result.exit_code, result.stdout.splitlines()) == (
        1,
        [
            'waits for approval: pay {"to": "Müller", "amount": 3}',
            "  --approve p1 | --deny p1=WHY | --answer p1=JSON",
        ],
    )
    assert result.stderr.startswith("agentkit: waiting for pay (p1: approval)")


def test_a_file_that_is_not_there_is_not_made(path: Path, runs: Invoke, resumed: Invoke) -> None:
    sentence = f"agentkit: there is no journal {str(path)!r}: name one with --journal FILE"
    assert refused(runs("list")) == sentence
    for command in ("show", "replay", "export"):
        assert refused(runs(command, "order")) == sentence
    assert refused(runs("fork", "order", "new")) == sentence
    assert refused(resumed([])) == sentence
    assert not path.exists()


def test_a_run_that_is_not_there_is_one_sentence(path: Path, runs: Invoke, resumed: Invoke) -> None:
    finished(path)
    for command in ("show", "replay", "export"):
        assert refused(runs(command, "order")) == "agentkit: there is no run 'order' in this journal"
    assert refused(runs("fork", "order", "new")) == "agentkit: there is no run 'order' in this journal"
    assert refused(resumed([])) == "agentkit: there is no run 'order' in this journal"


def test_a_file_of_another_kind_is_one_sentence(path: Path, runs: Invoke) -> None:
    path.write_text("a diary, and not a database at all, however long it may be\n" * 20, encoding="utf-8")
    assert "is not a SQLite database; give another path" in refused(runs("list"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere:agent", "No module named 'nowhere'"),
        ("plain:missing", "module 'plain' has no attribute 'missing'"),
        ("plain", "module 'plain' has no attribute 'agent'"),
        ("plain:number", "is a int, not an Agent"),
        (":agent", "there is no module before the colon"),
        (".plain:agent", "there is no module before the colon"),
    ],
)
def test_what_names_no_agent_is_one_sentence(
    path: Path, runs: Invoke, importable: Path, name: str, sentence: str
) -> None:
    paused(path)
    (importable / "plain.py").write_text("number = 1\n", encoding="utf-8")
    line = refused(runs("resume", "order", "--agent", name))
    assert line.startswith(f"agentkit: --agent {name}")
    assert sentence in line


def test_an_answer_that_is_no_json_changes_nothing(path: Path, runs: Invoke, resumed: Invoke) -> None:
    paused(path)
    before = said(runs("show", "order"))
    line = refused(resumed([], "--answer", "p1=seven"))
    assert line.startswith("agentkit: --answer p1=seven: what follows = is not JSON")
    line = refused(resumed([], "--approve", "p2"))
    assert line == "agentkit: no call 'p2' is waiting for a decision; waiting are: p1"
    assert said(runs("show", "order")) == before
