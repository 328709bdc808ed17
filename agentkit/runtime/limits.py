"""What a run may spend, checked before it is spent.

Before each attempt a reservation is held for its estimated input and its possible output; the server's usage replaces
it. Nested runs reserve from their own budget and from every one above, so the root's limits hold for the whole tree.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from agentkit.usage import Price, Usage

OnLimit: TypeAlias = Literal["raise", "answer"]
"""At a limit: the end, or one last turn without tools, whose answer is the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """When a run ends without an answer. None switches a limit off.

    Attributes:
        turns: answers of the model.
        requests: attempts on the wire, retries included.
        tool_calls: executed calls.
        corrections: re-asks for an output that was not valid.
        seconds: wall time.
        tokens: input and output, nested runs included.
        cost_usd: USD, nested runs included; needs a known price, or a gateway that reports cost.
        on_limit: `answer` asks once more at a limit, without tools, to answer with what there is: after the last of
            `turns`, after a turn that wanted more than `tool_calls`, and before a request that would leave too little
            for that last one. Of `requests` one is kept back for it, and of `tokens` and `cost_usd` what the latest
            request may use and as much output again. `seconds` and `corrections` always raise.
    """

    turns: int | None = 50
    requests: int | None = 100
    tool_calls: int | None = 200
    corrections: int | None = 3
    seconds: float | None = 1800.0
    tokens: int | None = 2_000_000
    cost_usd: float | None = None
    on_limit: OnLimit = "raise"


class LimitReached(Exception):
    """A limit stands in the way; the loop turns it into the run's end. `limit` is its name in `RunLimits`."""

    def __init__(self, limit: str, text: str) -> None:
        super().__init__(text)
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Reservation:
    """Tokens and USD held for an attempt that is under way."""

    input_tokens: int
    output_tokens: int
    cost_usd: float | None

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class Budget:
    """What one run has spent and holds. Used from one event loop; nothing here waits, so each step is whole."""

    def __init__(self, limits: RunLimits, parent: "Budget | None" = None) -> None:
        self.limits = limits
        self.parent = parent
        self.usage = Usage()
        self.cost: float | None = 0.0
        self.counted_tokens = 0  # reported, or estimated where nothing was
        self.counted_cost = 0.0
        self.requests = 0
        self.turns = 0
        self.tool_calls = 0
        self.corrections = 0
        self.last: LimitReached | None = None  # why the turn under way is the last one, if it is
        self._calls_refused = False
        self._held_tokens = 0
        self._held_cost = 0.0
        self._kept_tokens = 0  # for the last turn
        self._kept_cost = 0.0

    @property
    def cost_limit(self) -> float | None:
        """The tightest limit in USD, of this run or of one above."""
        return min((most for each in self._chain() if (most := each.limits.cost_usd) is not None), default=None)

    def begin_turn(self) -> None:
        """Count a turn.

        Raises:
            LimitReached: it would be one too many.
        """
        if self.last is not None:
            raise self.last
        if self._answers and self._calls_refused:
            raise LimitReached("tool_calls", "the run wanted more tool calls than it may make")
        if self.limits.turns is not None and self.turns >= self.limits.turns:
            raise LimitReached("turns", f"the run has had its {self.limits.turns} turns")
        self.turns += 1

    def begin_last(self, reached: LimitReached) -> bool:
        """Make the next request the last one; False when the run ends here."""
        if not self._answers or reached.limit == "seconds":
            return False
        if reached.limit in ("turns", "tool_calls"):  # the others stand in the way of a turn that has begun
            self.turns += 1
        self.last = reached
        return True

    @property
    def _answers(self) -> bool:
        """Whether a last turn is still to come."""
        return self.limits.on_limit == "answer" and self.last is None

    def reserve(self, input_tokens: int, output_tokens: int, price: Price | None) -> Reservation:
        """Hold what an attempt may use, here and in every budget above, and count the request.

        Raises:
            LimitReached: it does not fit; nothing is held then.
        """
        cost = None if price is None else price.cost(Usage(input_tokens=input_tokens, output_tokens=output_tokens))
        reservation = Reservation(input_tokens, output_tokens, cost)
        self._keep(reservation, price)
        for budget in self._chain():
            budget._check(reservation)
        for budget in self._chain():
            budget.requests += 1
            budget._held_tokens += reservation.tokens
            budget._held_cost += cost or 0.0
        return reservation

    def settle(self, reservation: Reservation, usage: Usage, price: Price | None) -> None:
        """Replace a reservation by what was used; where the server reports nothing, the estimate stays counted."""
        tokens = usage.total_tokens if usage.reported else reservation.tokens
        if usage.cost_usd is not None:
            cost: float | None = usage.cost_usd
        elif price is not None and usage.reported:
            cost = price.cost(usage)
        else:
            cost = None
        for budget in self._chain():
            budget._release(reservation)
            budget.usage = budget.usage + usage
            budget.counted_tokens += tokens
            budget.counted_cost += (cost if usage.reported else reservation.cost_usd) or 0.0
            budget.cost = None if budget.cost is None or cost is None else budget.cost + cost

    def discard(self, reservation: Reservation, output_tokens: int, *, billed: bool | None) -> None:
        """Replace the reservation of a failed attempt: its input and what came of the output, unless it is free."""
        tokens = 0 if billed is False else reservation.input_tokens + output_tokens
        share = tokens / reservation.tokens if reservation.tokens else 0.0
        for budget in self._chain():
            budget._release(reservation)
            budget.usage = replace(budget.usage, requests=budget.usage.requests + 1)
            budget.counted_tokens += tokens
            budget.counted_cost += (reservation.cost_usd or 0.0) * share

    def take_calls(self, wanted: int) -> int:
        """How many of `wanted` tool calls may run; they are counted."""
        allowed = wanted
        for budget in self._chain():
            if budget.limits.tool_calls is not None:
                allowed = min(allowed, max(0, budget.limits.tool_calls - budget.tool_calls))
        for budget in self._chain():
            budget.tool_calls += allowed
        self._calls_refused = self._calls_refused or allowed < wanted
        return allowed

    def correct(self) -> bool:
        """Count a correction; False when there may be none."""
        if self.limits.corrections is not None and self.corrections >= self.limits.corrections:
            return False
        self.corrections += 1
        return True

    def charge_above(self) -> None:
        """Count what this run has spent in those above: they did not know of it when they were written down."""
        for budget in self._chain()[1:]:
            budget.charge(self)

    def charge(self, below: "Budget") -> None:
        """Count what a run below has spent."""
        self.usage = self.usage + below.usage
        self.counted_tokens += below.counted_tokens
        self.counted_cost += below.counted_cost
        self.requests += below.requests
        self.tool_calls += below.tool_calls
        self.cost = None if self.cost is None or below.cost is None else self.cost + below.cost

    def _chain(self) -> "list[Budget]":
        chain: list[Budget] = [self]
        budget = self.parent
        while budget is not None:
            chain.append(budget)
            budget = budget.parent
        return chain

    def _keep(self, reservation: Reservation, price: Price | None) -> None:
        """Keep back what a last turn takes: as much as this request, whose answer it will have to read as well."""
        if self._answers:
            output = reservation.output_tokens
            self._kept_tokens = reservation.tokens + output
            longer = Usage(input_tokens=reservation.input_tokens + output, output_tokens=output)
            self._kept_cost = 0.0 if price is None else price.cost(longer)
        else:
            self._kept_tokens, self._kept_cost = 0, 0.0

    def _check(self, reservation: Reservation) -> None:
        limits = self.limits
        if limits.requests is not None and self.requests + self._answers >= limits.requests:
            raise LimitReached("requests", f"the run has made its {limits.requests} requests")
        if limits.tokens is not None:
            left = limits.tokens - self.counted_tokens - self._held_tokens - self._kept_tokens
            if reservation.tokens > left:
                raise LimitReached(
                    "tokens",
                    f"the next request may use {reservation.tokens:,} tokens (estimated input "
                    f"{reservation.input_tokens:,}, output up to {reservation.output_tokens:,}), and "
                    f"{max(0, left):,} of {limits.tokens:,} are left",
                )
        if limits.cost_usd is not None:
            money = limits.cost_usd - self.counted_cost - self._held_cost - self._kept_cost
            wanted = reservation.cost_usd  # None: the gateway tells afterwards, so nothing can be reserved
            if money <= 0 if wanted is None else wanted > money:
                may = "an unknown amount of" if wanted is None else f"{wanted:.6f}"
                raise LimitReached(
                    "cost_usd",
                    f"the next request may cost {may} USD, and {max(0.0, money):.6f} of "
                    f"{limits.cost_usd:g} USD are left",
                )

    def _release(self, reservation: Reservation) -> None:
        self._held_tokens -= reservation.tokens
        self._held_cost -= reservation.cost_usd or 0.0
