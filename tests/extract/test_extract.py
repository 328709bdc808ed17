"""Extraction of one text."""

import pytest
from pydantic import BaseModel

from agentkit import InvalidOutput, RunLimits, extract
from agentkit.emulator import Emulator, Reply
from agentkit.extract import Extracted
from agentkit.usage import Usage

pytestmark = pytest.mark.anyio

USED = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
TEXT = "Invoice 17, total 9.50 EUR"


class Invoice(BaseModel):
    number: int
    total: float


async def test_a_value_is_extracted_with_what_it_took() -> None:
    fenced = '```json\n{"number":17,"total":9.5}\n```'
    with Emulator([Reply(text='{"number":17}', usage=USED), Reply(text=fenced, usage=USED)]) as gateway:
        extracted = await extract(Invoice, TEXT, model=gateway.model(), instructions="Totals are in EUR.")
        first = gateway.requests[0].body
    assert extracted == Extracted(
        value=Invoice(number=17, total=9.5),
        usage=Usage(input_tokens=20, output_tokens=10, total_tokens=30, requests=2),
        cost=2 * (10 * 0.60 + 5 * 3.60) / 1_000_000,
        corrections=1,
        warnings=("the output was mended: fence",),
    )
    system, user = first["messages"]
    assert system["content"].startswith("Extract the data that is asked for")
    assert system["content"].endswith("\n\nTotals are in EUR.")
    assert user == {"role": "user", "content": TEXT}
    assert first["response_format"]["json_schema"]["name"] == "Invoice"
    assert "tools" not in first


async def test_options_of_a_run_are_taken_and_its_errors_come_through() -> None:
    with Emulator([Reply(text="{}")]) as gateway:
        with pytest.raises(InvalidOutput) as caught:
            await extract(
                Invoice, TEXT, model=gateway.model(), output_mode="json_object", limits=RunLimits(corrections=0)
            )
        assert gateway.requests[0].body["response_format"] == {"type": "json_object"}
    assert caught.value.problems == ("number: field required", "total: field required")
