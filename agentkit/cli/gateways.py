"""The known gateways as a table: what they serve, what is known of it, and whether a key is set. Sends nothing."""

import os
from collections.abc import Iterator, Sequence

from agentkit.cli.screen import Screen
from agentkit.models import Profile
from agentkit.providers import GATEWAYS, Gateway

_COLUMNS = ("write", "context", "output", "USD per 1M in/out", "key")
_UNKNOWN = "?"


def show_gateways(screen: Screen) -> None:
    """One row for each model that a page documents, and one for a gateway's other models."""
    screen.title("Known gateways")
    rows = [row for gateway in GATEWAYS.values() for row in _rows(gateway)]
    screen.grid(_COLUMNS, rows)
    screen.text("")
    screen.text(
        f"{_UNKNOWN}: the vendor's page does not say. Any model id goes through, listed or not. Limits and prices are "
        "those of the vendors' pages on the day named; try a gateway with: agentkit check GATEWAY:MODEL"
    )


def _rows(gateway: Gateway) -> Iterator[Sequence[str]]:
    for model, profile in gateway.models.items():
        coming = " (coming soon)" if model in gateway.coming_soon else ""
        yield (f"{gateway.name}:{model}{coming}", *_figures(profile), _key(gateway))
    if not gateway.models:
        yield (f"{gateway.name}:{gateway.default_model or 'MODEL'}", *_figures(gateway.profile), _key(gateway))


def _figures(profile: Profile) -> tuple[str, str, str]:
    price = profile.price
    if price is not None:
        dated = f" ({price.as_of.isoformat()})" if price.as_of is not None else ""
        cost = f"{price.input:.2f} / {price.output:.2f}{dated}"
    else:
        cost = "in each answer" if profile.reports_cost else _UNKNOWN
    return _tokens(profile.context), _tokens(profile.max_output), cost


def _tokens(number: int | None) -> str:
    return _UNKNOWN if number is None else f"{number:,}"


def _key(gateway: Gateway) -> str:
    if gateway.key_variable is None:
        return "none needed"
    return f"{gateway.key_variable}: {'set' if os.environ.get(gateway.key_variable) else 'not set'}"
