"""The assistant: its answer with the passages, the forced first search, and that both follow documents and question."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from agentkit.emulator import Emulator

Program = Callable[[str], ModuleType]
Printed = pytest.CaptureFixture[str]


def test_it_quotes_the_passage_and_names_what_it_found(
    program: Program, gateway: Emulator, data: Path, capsys: Printed
) -> None:
    program("handbook_assistant").main(gateway, data)
    answer, *found = capsys.readouterr().out.splitlines()
    assert answer == (
        "“Trips that cost more than 1,000 EUR need the approval of the department head before they are booked.” "
        "[06_travel.md:7]"
    )
    assert found[0] == "found: 06_travel.md:5"
    assert len(found) == 5


def test_the_search_is_demanded_first_and_its_result_goes_back(program: Program, gateway: Emulator, data: Path) -> None:
    program("handbook_assistant").main(gateway, data)
    first, second = (request.body for request in gateway.requests)
    assert first["tool_choice"] == {"type": "function", "function": {"name": "search"}}
    assert second["tool_choice"] == "auto"
    assert first["tools"] == second["tools"]
    *_, asked, answered = second["messages"]
    assert asked["tool_calls"][0]["function"]["name"] == "search"
    assert (answered["role"], answered["tool_call_id"]) == ("tool", asked["tool_calls"][0]["id"])


def test_a_changed_page_changes_the_passage(program: Program, gateway: Emulator, data: Path, capsys: Printed) -> None:
    page = data / "handbook" / "06_travel.md"
    text = page.read_text(encoding="utf-8").replace("approval of the department head", "approval of the ship's cat")
    page.write_text(f"Foreword.\n\n{text}", encoding="utf-8")
    program("handbook_assistant").main(gateway, data)
    assert capsys.readouterr().out.splitlines()[0] == (
        "“Trips that cost more than 1,000 EUR need the approval of the ship's cat before they are booked.” "
        "[06_travel.md:9]"
    )


def test_another_question_finds_another_page(program: Program, gateway: Emulator, data: Path, capsys: Printed) -> None:
    program("handbook_assistant").main(gateway, data, "Until when do receipts have to be handed in?")
    assert (
        capsys.readouterr().out.splitlines()[0] == "“Hand in receipts within 30 days after the trip.” [06_travel.md:11]"
    )
