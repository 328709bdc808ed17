"""What the demo reads from an invoice."""

import datetime

from pydantic import BaseModel, Field


class LineItem(BaseModel):
    """A line of an invoice."""

    description: str
    quantity: float
    unit_price: float
    amount: float = Field(description="total of the line")


class Invoice(BaseModel):
    """An invoice."""

    vendor: str = Field(description="who issued the invoice: company or person")
    number: str = Field(description="invoice number")
    date: datetime.date = Field(description="date of issue")
    currency: str = Field(description="ISO 4217 code", pattern="^[A-Z]{3}$")
    total: float = Field(description="amount to pay, tax included")
    items: list[LineItem] = Field(description="lines of the invoice")
