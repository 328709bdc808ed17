"""The demo: which jobs run, on which files, with what going wrong on purpose, and the table at the end."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, assert_never, get_args

import anyio

from agentkit.cli.data import data_folder
from agentkit.cli.extraction import read_invoices
from agentkit.cli.jobs import ask_files, ask_handbook
from agentkit.cli.row import Row
from agentkit.cli.screen import Screen
from agentkit.cli.target import Target
from agentkit.emulator import Emulator, Fault
from agentkit.providers import ProviderModel

Job: TypeAlias = Literal["files", "invoices", "handbook"]
JOBS: tuple[Job, ...] = get_args(Job)

FILES_QUESTION = "Which region sold most in Q3 and what does the policy say about discounts over 10 %?"
HANDBOOK_QUESTION = "Who has to approve a business trip that costs more than 1,000 EUR?"

# Each hits the one invoice that has the text in it, so that the jobs' own way of mending shows.
_ON_PURPOSE = (
    Fault("invalid_json", match="BD-2025-0117"),
    Fault("invalid_json", match="SN-77-204518"),
    Fault("refusal", match="Nimbus Coffee"),
)

_HONEST = "The answers come from a rule-based demo brain, not a language model; the requests are real HTTP on loopback."


@dataclass(frozen=True, slots=True)
class Order:
    """What the user wants run. No jobs: all of them, or the files job when there is a folder or a question."""

    jobs: tuple[str, ...] = ()
    folder: Path | None = None
    question: str | None = None

    @property
    def chosen(self) -> tuple[Job, ...]:
        """The jobs, in the order of the demo."""
        if self.jobs:
            return tuple(job for job in JOBS if job in self.jobs)
        return ("files",) if self.folder is not None or self.question is not None else JOBS


def check_order(order: Order) -> str | None:
    """What does not fit together, in a sentence; None when all does."""
    asking = [job for job in order.chosen if job != "invoices"]
    if order.folder is not None and order.question is None and asking:
        return "--folder needs --ask with your question (or --job invoices)"
    if order.question is not None and not asking:
        return "--ask goes with --job files or --job handbook"
    return None


def run_demo(order: Order, target: Target, faults: Sequence[Fault], screen: Screen) -> None:
    """Runs the jobs and shows the table.

    Raises:
        AgentkitError: a job failed as a whole; what was begun has been stopped.
        KeyboardInterrupt: Ctrl-C; likewise.
    """
    with ExitStack() as stack:
        if target.embedded:
            on_purpose = () if order.folder is not None else _ON_PURPOSE
            gateway = stack.enter_context(Emulator(faults=(*faults, *on_purpose)))
            model: ProviderModel = gateway.model()
            screen.text(f"The embedded gateway listens at {gateway.url}. {_HONEST}")
            if on_purpose and "invoices" in order.chosen:
                screen.text("Among the invoices it breaks two answers and refuses one, to show what happens then.")
        else:
            model = target.make()
            screen.text(f"The model is {model.name} at {model.base_url}.")
        screen.table(anyio.run(_run_jobs, order, model, screen))


async def _run_jobs(order: Order, model: ProviderModel, screen: Screen) -> list[Row]:
    async with model:
        return [await _run_job(job, order, model, screen) for job in order.chosen]


async def _run_job(job: Job, order: Order, model: ProviderModel, screen: Screen) -> Row:
    match job:
        case "files":
            screen.title("files: an agent with parallel tools over a folder of CSV and Markdown files")
            folder = order.folder or data_folder() / "sales"
            answered = await ask_files(model, folder, order.question or FILES_QUESTION, screen)
            return answered.row
        case "invoices":
            screen.title("invoices: structured extraction, eight at a time")
            return await read_invoices(model, order.folder or data_folder() / "invoices", screen)
        case "handbook":
            screen.title("handbook: an assistant that answers with the passages it used")
            folder = order.folder or data_folder() / "handbook"
            answered = await ask_handbook(model, folder, order.question or HANDBOOK_QUESTION, screen)
            return answered.row
        case _:
            assert_never(job)
