"""The demo brain, over tools, schemas and texts that it has not seen: what it calls, fills, quotes and admits."""

import csv
import datetime
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from agentkit.emulator.brain import Call, Reply
from agentkit.emulator.demo import DemoBrain

DATA = Path(__file__).parents[2] / "examples" / "data"
TEXT = {"type": "string"}
Functions = Mapping[str, Callable[..., Any]]


def tool(name: str, description: str, required: Mapping[str, Any] | None = None, **optional: Any) -> dict[str, Any]:
    properties = {**(required or {}), **optional}
    parameters = {"type": "object", "properties": properties, "required": list(required or {})}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def ask(text: str, tools: Sequence[dict[str, Any]] = (), **more: Any) -> Reply:
    return DemoBrain().reply(
        {"model": "any", "messages": [user(text)], **({"tools": list(tools)} if tools else {}), **more}
    )


def turn(reply: Reply, results: Sequence[Any], start: int = 0) -> list[dict[str, Any]]:
    """The assistant message of a reply and the tool messages that answer its calls."""
    calls = [
        {
            "id": f"call_{start + i}",
            "type": "function",
            "function": {"name": c.name, "arguments": json.dumps(c.arguments)},
        }
        for i, c in enumerate(reply.calls)
    ]
    answers = [
        {"role": "tool", "tool_call_id": c["id"], "content": r if isinstance(r, str) else json.dumps(r)}
        for c, r in zip(calls, results, strict=True)
    ]
    return [{"role": "assistant", "content": None, "tool_calls": calls}, *answers]


def converse(question: str, tools: Sequence[dict[str, Any]], functions: Functions) -> tuple[list[list[Call]], str]:
    """The calls of each turn, and the text at the end."""
    messages, turns = [user(question)], list[list[Call]]()
    while len(turns) < 10:
        reply = DemoBrain().reply({"model": "any", "messages": messages, "tools": list(tools)})
        if not reply.calls:
            return turns, reply.text or ""
        results = [functions[c.name](**dict(c.arguments)) for c in reply.calls if not isinstance(c.arguments, str)]
        messages += turn(reply, results, start=10 * len(turns))
        turns.append(list(reply.calls))
    raise AssertionError("no answer after ten turns")


# tools from someone who has not seen the brain ----------------------------------------------------------------------

WEATHER = tool(
    "get_weather",
    "Current conditions for a city",
    {"city": TEXT},
    unit={"type": "string", "enum": ["c", "f"], "default": "c"},
)
MONEY = tool(
    "convert_money",
    "Convert an amount of money between two currencies at today's rate",
    {
        "amount": {"type": "number"},
        "source": {"type": "string", "description": "ISO 4217 code of the currency to convert from"},
        "target": {"type": "string", "description": "ISO 4217 code to convert to"},
    },
)
MAIL = tool("send_email", "Send an e-mail", {"to": TEXT, "subject": TEXT, "body": TEXT})
STRANGERS = [WEATHER, MONEY, MAIL]


@pytest.mark.parametrize(
    ("question", "calls"),
    [
        ("How hot is it in Oslo right now?", [Call("get_weather", {"city": "Oslo"})]),
        (
            "weather in san francisco in fahrenheit please",
            [Call("get_weather", {"city": "san francisco", "unit": "f"})],
        ),
        ("I'm flying to Lisbon. Do I need an umbrella, is there rain?", [Call("get_weather", {"city": "Lisbon"})]),
        (
            "Change 99.50 pounds into Swiss francs",
            [Call("convert_money", {"amount": 99.5, "source": "GBP", "target": "CHF"})],
        ),
        (
            "What's the weather in Paris and Rome and how much is 250 USD in EUR?",
            [
                Call("get_weather", {"city": "Paris"}),
                Call("get_weather", {"city": "Rome"}),
                Call("convert_money", {"amount": 250, "source": "USD", "target": "EUR"}),
            ],
        ),
        (
            'Send an email to ann@example.org with subject "Hi" saying see you at ten',
            [Call("send_email", {"to": "ann@example.org", "subject": "Hi", "body": "see you at ten"})],
        ),
    ],
)
def test_tools_are_picked_and_filled_in_the_words_of_the_question(question: str, calls: list[Call]) -> None:
    assert ask(question, STRANGERS) == Reply(calls=tuple(calls))


@pytest.mark.parametrize(
    ("parameters", "question", "arguments"),
    [
        ({"url": TEXT}, "Please fetch https://example.org/a.html!", {"url": "https://example.org/a.html"}),
        ({"when": {"type": "string", "format": "date"}}, "Please fetch 3 May 2025", {"when": "2025-05-03"}),
        ({"when": {"type": "string", "format": "date"}}, "Please fetch for tomorrow", {"when": "tomorrow"}),
        ({"ids": {"type": "array", "items": {"type": "integer"}}}, "Fetch 3, 5 and 8", {"ids": [3, 5, 8]}),
        ({"parts": {"type": "array", "items": {"enum": ["head", "body"]}}}, "Fetch the body", {"parts": ["body"]}),
        ({"names": {"type": "array", "items": TEXT}}, "Fetch Ada and Grace", {"names": ["Ada", "Grace"]}),
        ({"archived": {"type": "boolean"}}, "Fetch it, but not what is archived", {"archived": False}),
        ({"order_number": TEXT}, "Fetch order A-1042", {"order_number": "A-1042"}),
        ({"expression": TEXT}, "Fetch (3 + 4) * 2", {"expression": "(3 + 4) * 2"}),
        ({"title": {"type": "string"}}, 'Fetch "The Trial"', {"title": "The Trial"}),
        ({"kind": {"const": "all"}}, "Fetch everything", {"kind": "all"}),
        ({"zip": {"type": "string", "pattern": r"^\d{5}$"}}, 'Fetch "abc" or "20095"', {"zip": "20095"}),
        ({"zip": {"type": "string", "pattern": "["}}, 'Fetch "20095"', {"zip": "20095"}),
    ],
)
def test_a_parameter_is_filled_by_its_kind(
    parameters: dict[str, Any], question: str, arguments: dict[str, Any]
) -> None:
    assert ask(question, [tool("fetch", "Fetch it", parameters)]) == Reply(calls=(Call("fetch", arguments),))


def test_the_answer_quotes_what_the_tools_returned() -> None:
    turns, text = converse(
        "What's the weather in Oslo and convert 10 EUR to USD",
        STRANGERS,
        {
            "get_weather": lambda city: {"city": city, "temperature": -7, "sky": "snow"},
            "convert_money": lambda amount, source, target: f"{amount * 1.1:.2f} {target}",
        },
    )
    assert [[c.name for c in calls] for calls in turns] == [["get_weather", "convert_money"]]
    assert text == (
        "get_weather(city='Oslo'): city: Oslo, temperature: -7, sky: snow\n"
        "convert_money(amount=10, source='EUR', target='USD'): 11.00 USD"
    )


def test_a_failed_call_is_not_repeated_and_its_error_is_told() -> None:
    turns, text = converse(
        "What's the weather in Paris and Atlantis?",
        [WEATHER],
        {"get_weather": lambda city: "error: unknown city 'Atlantis'" if city == "Atlantis" else {"temperature": 20}},
    )
    assert len(turns) == 1
    assert "temperature: 20" in text
    assert "unknown city 'Atlantis'" in text


def test_an_id_that_only_a_result_knows_is_taken_from_it() -> None:
    tools = [
        tool("list_orders", "List the open orders of a customer", {"customer": TEXT}),
        tool("get_order", "Show one order with its delivery status", {"order_id": TEXT}),
    ]
    turns, text = converse(
        "List the open orders of Miriam and show me the delivery status of each order",
        tools,
        {
            "list_orders": lambda customer: [
                {"order_id": "A-17", "of": customer},
                {"order_id": "A-23", "of": customer},
            ],
            "get_order": lambda order_id: {"order_id": order_id, "status": "on its way"},
        },
    )
    assert turns[-1] == [Call("get_order", {"order_id": "A-17"}), Call("get_order", {"order_id": "A-23"})]
    assert text.count("status: on its way") == 2


# saying what it is --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["Tell me a joke", "What is the capital of France?", "Who won the match?"])
def test_when_no_tool_fits_it_says_so(question: str) -> None:
    reply = ask(question, STRANGERS)
    assert reply.calls == ()
    assert reply.text is not None
    assert reply.text.startswith("None of the tools that I was given fits this request (get_weather, convert_money, ")
    assert "not a language model" in reply.text


@pytest.mark.parametrize("question", ["Who are you?", "hello", "What can you do?"])
@pytest.mark.parametrize("tools", [(), STRANGERS])
def test_asked_who_it_is_it_says_that_it_is_no_language_model(question: str, tools: Sequence[dict[str, Any]]) -> None:
    reply = ask(question, tools)
    assert reply.calls == ()
    assert "not a language model" in (reply.text or "")


def test_without_tools_or_documents_it_admits_that_it_cannot_answer() -> None:
    assert (ask("What is the capital of France?").text or "").startswith("I can't answer that")


# tool_choice --------------------------------------------------------------------------------------------------------


def test_tool_choice_none_calls_nothing() -> None:
    assert ask("How hot is it in Oslo?", STRANGERS, tool_choice="none").calls == ()


@pytest.mark.parametrize("question", ["Tell me a joke", "hello", "How hot is it in Oslo?"])
def test_tool_choice_required_calls_something(question: str) -> None:
    assert len(ask(question, STRANGERS, tool_choice="required").calls) == 1


def test_a_named_tool_is_called_although_another_would_fit() -> None:
    named = {"type": "function", "function": {"name": "convert_money"}}
    assert [c.name for c in ask("How hot is it in Oslo?", STRANGERS, tool_choice=named).calls] == ["convert_money"]


def test_without_parallel_calls_one_call_is_made_at_a_time() -> None:
    reply = ask("What's the weather in Paris and Rome?", STRANGERS, parallel_tool_calls=False)
    assert reply.calls == (Call("get_weather", {"city": "Paris"}),)


# a folder of files --------------------------------------------------------------------------------------------------

FOLDER = [
    tool("ls", "Browse the files of the folder, with the columns of each table"),
    tool("open_page", "Read one text file", {"filename": TEXT}),
    tool(
        "sum_column",
        "Sum a column of numbers, such as revenue, of a CSV file",
        {"filename": TEXT, "column": {"type": "string", "description": "a column of numbers"}},
        group_by={"type": "string", "description": "make a sum for each value of this column"},
    ),
]
QUESTION = "Which region sold most in Q3 and what does the policy say about discounts over 10 %?"


def folder(root: Path) -> Functions:
    def rows(name: str) -> list[dict[str, str]]:
        with (root / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def ls() -> list[dict[str, Any]]:
        names = sorted(p.name for p in root.iterdir())
        return [{"filename": n, "columns": list(rows(n)[0])} if n.endswith(".csv") else {"filename": n} for n in names]

    def open_page(filename: str) -> str:
        return (root / filename).read_text(encoding="utf-8")

    def sum_column(filename: str, column: str, group_by: str) -> dict[str, Any]:
        sums: defaultdict[str, float] = defaultdict(float)
        for row in rows(filename):
            sums[row[group_by]] += float(row[column])
        return {"sums": dict(sums)}

    return {"ls": ls, "open_page": open_page, "sum_column": sum_column}


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    for file in (DATA / "sales").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_a_folder_is_listed_then_read_in_parallel_then_quoted(sales: Path) -> None:
    turns, text = converse(QUESTION, FOLDER, folder(sales))
    assert turns == [
        [Call("ls", {})],
        [
            Call("sum_column", {"filename": "sales_2025_q3.csv", "column": "revenue", "group_by": "region"}),
            Call("open_page", {"filename": "discount_policy.md"}),
        ],
    ]
    assert "West: 29,021 is the highest of 4" in text
    assert "“Discounts over 10 % need the written approval of the regional manager before the offer is sent.”" in text
    assert "[discount_policy.md:11]" in text


def test_a_changed_figure_changes_the_answer(sales: Path) -> None:
    with (sales / "sales_2025_q3.csv").open("a", encoding="utf-8") as file:
        file.write("2025-09-30,East,Standing desk,100,44900.00\n")
    _, text = converse(QUESTION, FOLDER, folder(sales))
    assert "East: 56,731 is the highest of 4" in text


def test_another_question_is_followed(sales: Path) -> None:
    turns, text = converse("Which product sold least in Q2?", FOLDER, folder(sales))
    assert turns[1] == [
        Call("sum_column", {"filename": "sales_2025_q2.csv", "column": "revenue", "group_by": "product"}),
    ]
    assert "Desk lamp: 4,173 is the lowest of 4" in text


def test_where_the_likeliest_files_say_nothing_the_others_are_read(sales: Path) -> None:
    (sales / "west.md").write_text("# West\n\nThe office has a view.\n", encoding="utf-8")
    turns, text = converse("What did the trade fair bring for the West?", FOLDER, folder(sales))
    assert turns[1] == [Call("open_page", {"filename": "west.md"})]
    assert "“West: the trade fair in September brought eleven new business customers.” [region_notes.md:6]" in text


# documents ----------------------------------------------------------------------------------------------------------

SEARCH = [tool("find_passages", "Search the manual", {"query": TEXT}, top={"type": "integer", "default": 3})]


def handbook(query: str) -> list[dict[str, Any]]:
    wanted = {w[:5].casefold() for w in query.split()}
    found = [
        {"file": page.name, "line": number, "text": line}
        for page in sorted((DATA / "handbook").iterdir())
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        if any(w in line.casefold() for w in wanted)
    ]
    return sorted(found, key=lambda f: -sum(w in str(f["text"]).casefold() for w in wanted))[:5]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (
            "How many vacation days do I get?",
            "“Every employee has 29 days of paid vacation per calendar year.” [03_leave.md:5]",
        ),
        ("How long is the probation period?", "“The probation period is six months.” [01_welcome.md:11]"),
        (
            "What is the training budget?",
            "“Each employee has a training budget of 1,200 EUR per year.” [08_learning.md:3]",
        ),
    ],
)
def test_a_question_is_answered_by_quoting_a_passage_with_its_source(question: str, answer: str) -> None:
    turns, text = converse(question, SEARCH, {"find_passages": handbook})
    assert [c.name for calls in turns for c in calls] == ["find_passages"]
    assert text.splitlines()[0] == answer


@pytest.mark.parametrize("question", ["What is the CEO's shoe size?", "May I work from Spain?"])
def test_what_the_documents_do_not_say_is_not_invented(question: str) -> None:
    _, text = converse(question, SEARCH, {"find_passages": handbook})
    assert text == f"I don't know: nothing that I was given answers “{question}”."


def test_documents_in_the_prompt_are_quoted_with_their_source() -> None:
    prompt = (
        "Source: rivers.txt\nThe Seine is 777 km long.\nThe Rhine is longer.\n\nSource: towers.txt\nIt is 330 m high.\n"
    )
    assert ask(f"{prompt}\nHow long is the Seine?").text == "“The Seine is 777 km long.” [rivers.txt]"
    assert (ask(f"{prompt}\nWho painted the Mona Lisa?").text or "").startswith("I don't know")


# extraction ---------------------------------------------------------------------------------------------------------


class Position(BaseModel):
    name: str
    quantity: float
    price: float = Field(description="price of one unit")
    sum: float = Field(description="total amount of the line")


class Bill(BaseModel):
    seller: str = Field(description="the company or person that issued the bill")
    bill_number: str
    issued_on: datetime.date = Field(description="date of the bill")
    currency: str = Field(description="ISO 4217")
    grand_total: float = Field(description="amount to pay, tax included")
    positions: list[Position]


def schema_of(model: type[BaseModel], **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": model.__name__, "schema": model.model_json_schema(), **more}}


def extract(model: type[BaseModel], text: str) -> Any:
    return json.loads(ask(text, response_format=schema_of(model)).text or "")


BILLS = {
    "de_02_buerobedarf_lenz": ("Bürobedarf Lenz KG", "20250388", "2025-03-18", "EUR", 324.28, 3),
    "de_03_stadtwerke": ("Stadtwerke Nordufer AG", "SN-77-204518", "2025-06-05", "EUR", 846.33, 2),
    "en_01_bright_desk": ("Bright Desk Ltd", "BD-2025-0117", "2025-03-14", "GBP", 1158.0, 2),
    "es_02_imprenta_luna": ("Imprenta Luna S.A", "2025-219", "2025-06-17", "EUR", 1415.7, 2),
    "fr_01_papeterie_lumiere": ("Papeterie Lumière SARL", "F-2025-118", "2025-03-12", "EUR", 914.4, 2),
    "it_01_luce_viva": ("Luce Viva S.r.l", "118/2025", "2025-03-06", "EUR", 1154.12, 2),
    "pl_01_meble_wisla": ("Meble Wisła Sp. z o.o", "FV/2025/05/031", "2025-05-26", "PLN", 7094.64, 2),
    "ru_01_sever_mebel": ("ООО «Север Мебель»", "214", "2025-03-11", "RUB", 33900.0, 2),
}


@pytest.mark.parametrize("name", BILLS)
def test_a_schema_in_other_words_is_filled_from_invoices_in_several_languages(name: str) -> None:
    value = extract(Bill, (DATA / "invoices" / f"{name}.txt").read_text(encoding="utf-8"))
    bill = Bill.model_validate(value)
    assert (
        bill.seller,
        bill.bill_number,
        bill.issued_on.isoformat(),
        bill.currency,
        bill.grand_total,
        len(bill.positions),
    ) == BILLS[name]
    assert all(round(p.quantity * p.price, 2) == p.sum for p in bill.positions)


def test_most_of_the_invoices_of_the_demo_are_filled_with_values_that_validate() -> None:
    files = sorted((DATA / "invoices").glob("*.txt"))
    bills = [Bill.model_validate(extract(Bill, f.read_text(encoding="utf-8"))) for f in files]
    assert len(bills) >= 20
    assert len({b.bill_number for b in bills}) == len(bills)


FORM = {
    "type": "object",
    "properties": {
        "guest": {"type": "string"},
        "arrival": {"type": "string", "format": "date"},
        "nights": {"type": "integer"},
        "breakfast": {"type": "boolean"},
        "room": {"enum": ["single", "double", "family"]},
        "extras": {"type": "array", "items": {"type": "string"}},
        "contact": {"$ref": "#/$defs/Contact"},
        "remark": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["guest", "arrival", "nights", "breakfast", "room", "extras", "contact", "remark"],
    "$defs": {"Contact": {"type": "object", "properties": {"phone": TEXT}, "required": ["phone"]}},
}
BOOKING = """Guest: Ada Lovelace
Arrival: 3rd June 2025
Nights: 4
Breakfast: yes
Room: one Double with a view
Extras: parking, late check-out and crib
Phone: +49 40 1234
"""
BOOKED = {
    "guest": "Ada Lovelace",
    "arrival": "2025-06-03",
    "nights": 4,
    "breakfast": True,
    "room": "double",
    "extras": ["parking", "late check-out", "crib"],
    "contact": {"phone": "+49 40 1234"},
    "remark": None,
}


def test_each_kind_of_property_is_filled() -> None:
    declared = {"type": "json_schema", "json_schema": {"name": "form", "schema": FORM}}
    assert json.loads(ask(BOOKING, response_format=declared).text or "") == BOOKED


def test_a_schema_in_the_prompt_is_filled_too() -> None:
    messages = [{"role": "system", "content": f"Answer in JSON by this schema:\n{json.dumps(FORM)}"}, user(BOOKING)]
    reply = DemoBrain().reply({"model": "any", "messages": messages, "response_format": {"type": "json_object"}})
    assert json.loads(reply.text or "") == BOOKED


def test_an_output_tool_gets_the_value_as_its_arguments() -> None:
    output = tool("final_result", "Give the final result")
    output["function"]["parameters"] = FORM
    assert ask(BOOKING, [output], tool_choice="required").calls == (Call("final_result", BOOKED),)


def test_tools_come_first_and_their_results_fill_the_output() -> None:
    class Report(BaseModel):
        city: str
        temperature: float
        summary: str

    messages = [user("How hot is it in Oslo?")]
    request = {"model": "any", "messages": messages, "tools": STRANGERS, "response_format": schema_of(Report)}
    first = DemoBrain().reply(request)
    assert first == Reply(calls=(Call("get_weather", {"city": "Oslo"}),))
    last = DemoBrain().reply({**request, "messages": messages + turn(first, [{"city": "Oslo", "temperature": 4.5}])})
    assert json.loads(last.text or "") == {
        "city": "Oslo",
        "temperature": 4.5,
        "summary": "get_weather(city='Oslo'): city: Oslo, temperature: 4.5",
    }


def test_a_validation_error_makes_it_try_the_next_reading() -> None:
    class Note(BaseModel):
        due_date: datetime.date
        amount: float

    text = "Due date: 03/04/2025\nAmount: 1.234\n"
    first = ask(text, response_format=schema_of(Note)).text or ""
    assert json.loads(first) == {"due_date": "2025-04-03", "amount": 1.234}
    report = "Your answer is not valid:\ndue_date: should be before 2025-03-31\namount: should be more than 1,000"
    messages = [user(text), {"role": "assistant", "content": first}, user(report)]
    again = DemoBrain().reply({"model": "any", "messages": messages, "response_format": schema_of(Note)})
    assert json.loads(again.text or "") == {"due_date": "2025-03-04", "amount": 1234}


def test_the_reports_of_pydantic_and_of_output_tools_are_understood() -> None:
    output = tool("final_answer", "The final answer", {"due_date": {"type": "string", "format": "date"}})
    text = "Due date: 03/04/2025\n"
    first = ask(text, [output])
    messages = [user(text), *turn(first, ["1 validation error for Note\ndue_date\n  should be earlier"])]
    again = DemoBrain().reply({"model": "any", "messages": messages, "tools": [output]})
    assert (first.calls, again.calls) == (
        (Call("final_answer", {"due_date": "2025-04-03"}),),
        (Call("final_answer", {"due_date": "2025-03-04"}),),
    )


def test_an_answer_with_its_quotes_and_sources_fills_a_schema_that_asks_for_them() -> None:
    class Cited(BaseModel):
        answer: str
        quotes: list[str]
        sources: list[str]

    messages = [user("How long is the probation period?")]
    request = {"model": "any", "messages": messages, "tools": SEARCH, "response_format": schema_of(Cited)}
    first = DemoBrain().reply(request)
    found = handbook("probation period")
    last = DemoBrain().reply({**request, "messages": messages + turn(first, [found])})
    assert json.loads(last.text or "") == {
        "answer": "“The probation period is six months.” [01_welcome.md:11]",
        "quotes": ["The probation period is six months."],
        "sources": ["01_welcome.md:11"],
    }


def test_what_is_not_in_the_text_stays_empty_so_that_validation_shows_it() -> None:
    assert extract(Bill, "Dear all,\nthe meeting is moved.\n")["grand_total"] is None


# any request --------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYWORDS = [
    "type",
    "properties",
    "required",
    "items",
    "enum",
    "anyOf",
    "$ref",
    "$defs",
    "format",
    "pattern",
    "title",
    "const",
]
SCHEMAS = st.recursive(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["string", "number", "integer", "boolean", "null", "array", "object"])}
    )
    | st.dictionaries(st.sampled_from(KEYWORDS), JSON, max_size=4),
    lambda inner: st.fixed_dictionaries(
        {"properties": st.dictionaries(st.sampled_from(["total", "date", "items", "to", "path"]), inner, max_size=4)},
        optional={"required": st.just(["total", "path"]), "items": inner, "anyOf": st.lists(inner, max_size=2)},
    ),
    max_leaves=6,
)
TEXTS = st.text(max_size=80) | st.sampled_from(
    [QUESTION, BOOKING, "Total 1.234,50 EUR | 2 x 3 = 6", "#" * 50, "{" * 60]
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": TEXTS | JSON},
        optional={"tool_calls": JSON, "tool_call_id": st.text(max_size=4)},
    ),
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(messages=MESSAGES, schema=SCHEMAS, parameters=SCHEMAS, choice=st.sampled_from(["auto", "none", "required", "t"]))
def test_no_request_makes_it_raise(
    messages: list[dict[str, Any]], schema: dict[str, Any], parameters: dict[str, Any], choice: str
) -> None:
    request = {
        "messages": messages,
        "tools": [{"type": "function", "function": {"name": "t", "description": "find", "parameters": parameters}}],
        "tool_choice": choice,
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    }
    assert DemoBrain().reply(request) == DemoBrain().reply(request)


@settings(max_examples=100, deadline=None)
@given(request=st.dictionaries(st.sampled_from(["messages", "tools", "tool_choice", "response_format"]), JSON))
def test_no_nonsense_makes_it_raise(request: dict[str, Any]) -> None:
    assert isinstance(DemoBrain().reply(request), Reply)
