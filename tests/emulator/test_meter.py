"""Token counts and remembered prefixes, within bounded memory."""

from __future__ import annotations

from typing import Any

from agentkit.emulator.meter import Meter


def request(*texts: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text} for text in texts]}


def test_a_prefix_is_forgotten_when_newer_ones_need_its_place() -> None:
    meter = Meter(capacity=2)

    cached = [meter.measure(request(text)).cached > 0 for text in ("a", "a", "b", "c", "c", "a")]

    assert cached == [False, True, False, False, True, False]


def test_a_prefix_that_is_used_stays() -> None:
    meter = Meter(capacity=2)

    cached = [meter.measure(request(text)).cached > 0 for text in ("a", "b", "a", "c", "a", "b")]

    assert cached == [False, False, True, False, True, False]


def test_a_digest_names_the_whole_prompt() -> None:
    meter = Meter()
    digests = [meter.measure(asked).digest for asked in (request("a"), request("a"), request("a", "b"), request("b"))]

    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
