"""What both contestants are asked to do: the same prompt, tool, output type and history."""

from typing import Literal

from pydantic import BaseModel

PROMPT = "What is the weather like?"
TALK = "Let us talk about the weather in the north for a while, and then about something else."


async def get_weather(city: str, unit: Literal["c", "f"] = "c") -> dict[str, object]:
    """The weather of a city.

    Args:
        city: name of the city
        unit: Celsius or Fahrenheit
    """
    return {"city": city, "unit": unit, "temperature": 3}


class Address(BaseModel):
    street: str
    city: str
    country: str


class Party(BaseModel):
    name: str
    tax_id: str
    address: Address


class Totals(BaseModel):
    net: float
    tax: float
    gross: float


class Line(BaseModel):
    sku: str
    text: str
    quantity: int
    price: float


class Invoice(BaseModel):
    number: str
    date: str
    currency: str
    paid: bool
    note: str
    seller: Party
    buyer: Party
    totals: Totals
    lines: list[Line]
