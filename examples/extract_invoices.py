"""Structured extraction: every invoice of a folder becomes a validated `Invoice`, several at a time.

`python examples/extract_invoices.py` needs no key: the embedded gateway's rule-based demo brain answers. For a real
model give `extract` its name, such as "toapis:gpt-5-4-mini-official", in place of `gateway.model()`.
"""

import datetime
from contextlib import nullcontext
from pathlib import Path

import anyio
from pydantic import BaseModel, Field

from agentkit import RunEnded, extract
from agentkit.emulator import Emulator

DATA = Path(__file__).parent / "data"


class LineItem(BaseModel):
    description: str
    quantity: float
    unit_price: float
    amount: float = Field(description="total of the line")


class Invoice(BaseModel):
    vendor: str = Field(description="who issued the invoice: company or person")
    number: str = Field(description="invoice number")
    date: datetime.date = Field(description="date of issue")
    currency: str = Field(description="ISO 4217 code", pattern="^[A-Z]{3}$")
    total: float = Field(description="amount to pay, tax included")
    items: list[LineItem] = Field(description="lines of the invoice")


async def read_all(gateway: Emulator, texts: dict[str, str]) -> dict[str, str]:
    """A line for each text, by its name."""
    model, limiter, lines = gateway.model(), anyio.CapacityLimiter(8), dict[str, str]()

    async def read(name: str, text: str) -> None:
        async with limiter:
            try:
                invoice = (await extract(Invoice, text, model=model)).value
            except RunEnded as error:
                lines[name] = f"not read: {error}"
            else:
                lines[name] = f"{invoice.vendor}: {invoice.total:.2f} {invoice.currency}, {len(invoice.items)} items"

    async with model, anyio.create_task_group() as tasks:
        for name, text in texts.items():
            tasks.start_soon(read, name, text)
    return lines


def main(gateway: Emulator | None = None, data: Path = DATA) -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in (data / "invoices").glob("*.txt")}
    with Emulator() if gateway is None else nullcontext(gateway) as server:
        for name, line in sorted(anyio.run(read_all, server, texts).items()):
            print(f"{name}: {line}")


if __name__ == "__main__":
    main()
