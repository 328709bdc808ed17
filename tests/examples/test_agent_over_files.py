"""The agent over files: what it prints, what went over the wire, and that both follow the files and the question."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agentkit.emulator import Emulator

Program = Callable[[str], ModuleType]
Printed = pytest.CaptureFixture[str]

POLICY = (
    "“Discounts over 10 % need the written approval of the regional manager before the offer is sent.” "
    "[discount_policy.md:11]",
    "“Discounts over 20 % also need the approval of the finance director.” [discount_policy.md:11]",
)
WEST = "column_total(path='sales_2025_q3.csv', group_by='region', column='revenue'): West: 29,021 is the highest of 4"


def calls(message: dict[str, Any]) -> list[str]:
    return [call["function"]["name"] for call in message["tool_calls"]]


def test_it_prints_the_best_region_and_quotes_the_policy(
    program: Program, gateway: Emulator, data: Path, capsys: Printed
) -> None:
    program("agent_over_files").main(gateway, data)
    *answer, took = capsys.readouterr().out.splitlines()
    assert answer == [WEST, *POLICY]
    assert took.startswith("3 turns, 3 tool calls, ")


def test_each_request_carries_the_tools_and_the_answers_in_call_order(
    program: Program, gateway: Emulator, data: Path
) -> None:
    program("agent_over_files").main(gateway, data)
    bodies = [request.body for request in gateway.requests]
    names = ["list_files", "read_text", "column_total", "calculator"]
    assert [[tool["function"]["name"] for tool in body["tools"]] for body in bodies] == [names] * 3
    assert [body["tool_choice"] for body in bodies] == ["auto"] * 3
    question, listing, listed, looking, *looked = bodies[-1]["messages"]
    assert question == {"role": "user", "content": program("agent_over_files").QUESTION}
    assert (calls(listing), calls(looking)) == (["list_files"], ["column_total", "read_text"])
    answers = [(message["role"], message["tool_call_id"]) for message in (listed, *looked)]
    assert answers == [("tool", call["id"]) for message in (listing, looking) for call in message["tool_calls"]]


def test_a_changed_figure_changes_the_answer(program: Program, gateway: Emulator, data: Path, capsys: Printed) -> None:
    with (data / "sales" / "sales_2025_q3.csv").open("a", encoding="utf-8") as file:
        file.write("2025-09-30,East,Standing desk,100,44900.00\n")
    program("agent_over_files").main(gateway, data)
    assert WEST.replace("West: 29,021", "East: 56,731") in capsys.readouterr().out.splitlines()


def test_another_question_has_another_answer(program: Program, gateway: Emulator, data: Path, capsys: Printed) -> None:
    program("agent_over_files").main(gateway, data, "Which product sold least in Q2?")
    answer, took = capsys.readouterr().out.splitlines()
    assert answer == (
        "column_total(path='sales_2025_q2.csv', group_by='product', column='revenue'): "
        "Desk lamp: 4,173 is the lowest of 4"
    )
    assert took.startswith("3 turns, 2 tool calls, ")


@pytest.mark.parametrize("name", ["agent_over_files", "extract_invoices", "handbook_assistant"])
def test_a_program_needs_no_gateway_of_the_callers(program: Program, capsys: Printed, name: str) -> None:
    program(name).main()
    assert capsys.readouterr().out
