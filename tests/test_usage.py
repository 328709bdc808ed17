"""Usage and what it costs."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.usage import Price, Usage

_count = st.integers(0, 10**6)
_usages = st.builds(
    Usage, _count, _count, _count, _count, _count, _count, _count, _count, _count, st.none() | st.integers(0, 99)
)


def test_a_sum_adds_every_count_and_has_no_raw_object() -> None:
    a = Usage(1, 2, 3, 4, 5, 6, 7, 8, 9, cost_usd=0.25, raw={"prompt_tokens": 1})
    b = Usage(10, 20, 30, 40, 50, 60, 70, 80, 90)
    assert a + b == Usage(11, 22, 33, 44, 55, 66, 77, 88, 99, cost_usd=0.25)
    assert (a.reported, b.reported, (a + b).reported) == (True, False, False)


@given(_usages, _usages, _usages)
def test_sums_do_not_depend_on_the_order(a: Usage, b: Usage, c: Usage) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Usage() == a


def test_a_cost_that_the_gateway_reports_is_kept_and_none_is_not_zero() -> None:
    assert (Usage() + Usage()).cost_usd is None
    assert (Usage(cost_usd=0.0) + Usage()).cost_usd == 0.0
    assert (Usage(cost_usd=0.5) + Usage(cost_usd=0.25)).cost_usd == 0.75


@pytest.mark.parametrize(
    ("price", "usage", "usd"),
    [
        (Price(0.75, 4.5, as_of=datetime.date(2026, 3, 1)), Usage(1_000_000, 1_000_000), 5.25),
        (Price(2, 8), Usage(1000, 100, cached_tokens=600), 0.0028),
        (Price(2, 8, cached=0.5), Usage(1000, 100, cached_tokens=600), 0.0019),
        (Price(2, 8, cached=0.0), Usage(1000, 0, cached_tokens=1000), 0.0),
        (Price(2, 8, cached=0.5), Usage(100, 0, cached_tokens=900), 0.00005),  # a server that counts them apart
        (Price(2, 8), Usage(0, 10, reasoning_tokens=10), 0.00008),
        (Price(2, 8), Usage(), 0.0),
    ],
)
def test_a_price_is_for_a_million_tokens_and_reasoning_is_output(price: Price, usage: Usage, usd: float) -> None:
    assert price.cost(usage) == pytest.approx(usd)
