"""What requests used, and what that costs."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one response or, added up, of a run.

    `input_tokens` includes `cached_tokens` (read from the server's prompt cache) and `cache_write_tokens`;
    `output_tokens` includes `reasoning_tokens` and the prediction tokens. `cost_usd` is what the gateway itself
    reported, None when it reported nothing. `raw` is the server's own object, None when it sent none.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0
    requests: int = 0
    cost_usd: float | None = None
    raw: Mapping[str, Any] | None = None

    @property
    def reported(self) -> bool:
        """Whether the server reported it; a sum has no raw object and reports False."""
        return self.raw is not None

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.total_tokens + other.total_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.accepted_prediction_tokens + other.accepted_prediction_tokens,
            self.rejected_prediction_tokens + other.rejected_prediction_tokens,
            self.requests + other.requests,
            _sum(self.cost_usd, other.cost_usd),
        )


@dataclass(frozen=True, slots=True)
class Price:
    """USD for a million tokens, as a vendor's page gave it on a day.

    `cached` is the price of input tokens read from the prompt cache; None when the page names none, and they are then
    priced as input.
    """

    input: float
    output: float
    cached: float | None = None
    as_of: datetime.date | None = None

    def cost(self, usage: Usage) -> float:
        """USD for `usage`."""
        cached = min(usage.cached_tokens, usage.input_tokens) if self.cached is not None else 0
        fresh = usage.input_tokens - cached
        return (fresh * self.input + cached * (self.cached or 0.0) + usage.output_tokens * self.output) / 1_000_000


def _sum(a: float | None, b: float | None) -> float | None:
    if a is None:
        return b
    return a if b is None else a + b
