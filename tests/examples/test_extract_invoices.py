"""Extraction: a line for each invoice, the schema on the wire, and that a new file and a refusal show."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from agentkit.emulator import Emulator, Fault

Program = Callable[[str], ModuleType]
Printed = pytest.CaptureFixture[str]

BREAD = """Nordbrot GmbH
Rechnung Nr. NB-77
Datum: 03.02.2025

Artikel            Menge   Preis    Betrag
Roggenbrot            10    4,50     45,00

Gesamtbetrag                         45,00 EUR
"""


def test_every_invoice_of_the_folder_is_read(program: Program, gateway: Emulator, data: Path, capsys: Printed) -> None:
    program("extract_invoices").main(gateway, data)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 22
    assert lines[0] == "de_01_schreinerei_holm.txt: Schreinerei Holm GmbH: 1968.26 EUR, 2 items"
    assert lines[-2] == "ru_01_sever_mebel.txt: ООО «Север Мебель»: 33900.00 RUB, 2 items"
    assert not any("not read" in line for line in lines)


def test_each_request_carries_the_schema_of_an_invoice(program: Program, gateway: Emulator, data: Path) -> None:
    program("extract_invoices").main(gateway, data)
    formats = [request.body["response_format"] for request in gateway.requests]
    assert len(formats) == 22
    assert all(sent == formats[0] for sent in formats)
    assert formats[0]["type"] == "json_schema"
    assert formats[0]["json_schema"]["name"] == "Invoice"
    wanted = ["vendor", "number", "date", "currency", "total", "items"]
    assert list(formats[0]["json_schema"]["schema"]["properties"]) == wanted
    assert not any("tools" in request.body for request in gateway.requests)


def test_an_added_invoice_is_read_as_well(program: Program, gateway: Emulator, data: Path, capsys: Printed) -> None:
    (data / "invoices" / "de_99_nordbrot.txt").write_text(BREAD, encoding="utf-8")
    program("extract_invoices").main(gateway, data)
    assert "de_99_nordbrot.txt: Nordbrot GmbH: 45.00 EUR, 1 items" in capsys.readouterr().out.splitlines()


def test_an_invoice_that_is_refused_is_named_and_the_others_are_read(
    program: Program, gateway: Emulator, data: Path, capsys: Printed
) -> None:
    gateway.inject(Fault("refusal", match="Nimbus Coffee"))
    program("extract_invoices").main(gateway, data)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "not read" in line] == [
        "en_05_nimbus_coffee.txt: not read: toapis:gpt-5-4-mini-official refused: I'm sorry, I can't help with that."
    ]
    assert len(lines) == 22


def test_a_broken_answer_is_asked_for_again_with_the_reason(
    program: Program, gateway: Emulator, data: Path, capsys: Printed
) -> None:
    gateway.inject(Fault("invalid_json", match="BD-2025-0117"))
    program("extract_invoices").main(gateway, data)
    assert "en_01_bright_desk.txt: Bright Desk Ltd: 1158.00 GBP, 2 items" in capsys.readouterr().out.splitlines()
    (again,) = [request.body for request in gateway.requests if len(request.body["messages"]) > 2]
    assert [message["role"] for message in again["messages"]] == ["system", "user", "assistant", "user"]
    assert "not JSON" in again["messages"][-1]["content"]
