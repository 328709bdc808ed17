"""A line of the table at the end: what a job took, as its run results say."""

from dataclasses import dataclass

from agentkit.runtime import RunResult
from agentkit.usage import Usage

COLUMNS = ("job", "turns", "calls", "tokens in", "tokens out", "cost", "retries", "re-asks", "outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a job took. `cost` is USD, None where a price is unknown."""

    job: str
    turns: int
    calls: int
    usage: Usage
    cost: float | None
    retries: int
    reasks: int
    outcome: str

    @classmethod
    def of(cls, job: str, result: RunResult[object], outcome: str) -> "Row":
        """The row of a job that is one run."""
        return cls(
            job=job,
            turns=result.turns,
            calls=result.tool_calls,
            usage=result.usage,
            cost=result.cost,
            retries=result.retries,
            reasks=result.corrections,
            outcome=outcome,
        )

    def cells(self) -> tuple[str, ...]:
        """The cells, in the order of `COLUMNS`."""
        return (
            self.job,
            str(self.turns),
            str(self.calls),
            f"{self.usage.input_tokens:,}",
            f"{self.usage.output_tokens:,}",
            "unknown" if self.cost is None else f"${self.cost:.4f}",
            str(self.retries),
            str(self.reasks),
            self.outcome,
        )

    def sentence(self) -> str:
        """The row for a screen that is too narrow for a table."""
        job, *numbers, outcome = self.cells()
        listed = ", ".join(f"{name} {number}" for name, number in zip(COLUMNS[1:-1], numbers, strict=True))
        return f"{job}: {outcome} ({listed})" if outcome else f"{job}: {listed}"


def total(rows: list[Row]) -> Row:
    """The sum; its cost is unknown when one of them is."""
    costs = [row.cost for row in rows]
    return Row(
        job="total",
        turns=sum(row.turns for row in rows),
        calls=sum(row.calls for row in rows),
        usage=sum((row.usage for row in rows), Usage()),
        cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        retries=sum(row.retries for row in rows),
        reasks=sum(row.reasks for row in rows),
        outcome="",
    )
