"""The job that reads many invoices at once."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import anyio

from agentkit.cli.invoices import Invoice
from agentkit.cli.row import Row
from agentkit.cli.screen import Screen
from agentkit.cli.watch import reask_line, retry_line
from agentkit.cli.watched import Told, Watched
from agentkit.errors import AgentkitError, ConfigurationError, ContentFiltered, ContextOverflow, EmptyResponse, RunEnded
from agentkit.events import OutputRejected
from agentkit.extract import Extracted, extract
from agentkit.messages import AssistantMessage
from agentkit.models import Model
from agentkit.usage import Usage

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Read:
    """An invoice that was read."""

    file: str
    extracted: Extracted[Invoice]

    @property
    def usage(self) -> Usage:
        return self.extracted.usage

    @property
    def turns(self) -> int:
        return 1 + self.reasks

    @property
    def reasks(self) -> int:
        return self.extracted.corrections


@dataclass(frozen=True, slots=True)
class NotRead:
    """An invoice of which the model gave nothing valid."""

    file: str
    error: RunEnded | ContentFiltered | ContextOverflow

    @property
    def usage(self) -> Usage:
        return self.error.usage if isinstance(self.error, RunEnded) else Usage(requests=1)

    @property
    def turns(self) -> int:
        if not isinstance(self.error, RunEnded):
            return 1
        kept = sum(isinstance(message, AssistantMessage) for message in self.error.history)
        return kept + isinstance(self.error, EmptyResponse)  # an answer of nothing is in no history

    @property
    def reasks(self) -> int:
        return max(0, self.turns - 1)


Result: TypeAlias = Read | NotRead


@dataclass(frozen=True, slots=True)
class _Document:
    name: str
    text: str


async def read_invoices(model: Model, folder: Path, screen: Screen) -> Row:
    """Reads each text file of `folder` as an invoice, eight at a time; one that fails does not stop the others.

    Raises:
        GatewayError, UsageError: the gateway failed, or cannot be asked; the others are stopped then.
        ConfigurationError: there is no text file, or one that cannot be read.
    """
    documents = _documents(folder)
    batch = _Batch(model, screen, len(documents))
    with screen.busy(f"reading {len(documents)} invoices"):
        async with anyio.create_task_group() as tasks:
            for index, document in enumerate(documents):
                tasks.start_soon(batch.read, index, document, tasks.cancel_scope)
    if batch.failure is not None:
        raise batch.failure
    return _row([result for result in batch.results if result is not None], model)


def _documents(folder: Path) -> list[_Document]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".txt" and path.is_file())
        documents = [_Document(path.name, path.read_text(encoding="utf-8-sig", errors="replace")) for path in files]
    except OSError as error:
        raise ConfigurationError(f"{error.filename} cannot be read: {error.strerror}") from error
    if not documents:
        raise ConfigurationError(f"there is no .txt file in {folder}")
    return documents


class _Batch:
    """The results so far, in order of the files; `failure` is what stopped the batch."""

    def __init__(self, model: Model, screen: Screen, count: int) -> None:
        self.results: list[Result | None] = [None] * count
        self.failure: AgentkitError | None = None
        self._model = model
        self._screen = screen
        self._limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def read(self, index: int, document: _Document, batch: anyio.CancelScope) -> None:
        name = document.name

        def told(event: Told) -> None:
            line = reask_line(event) if isinstance(event, OutputRejected) else retry_line(event)
            self._screen.step(f"{name}: {line}", "bad")

        async with self._limiter:
            try:
                extracted = await extract(Invoice, document.text, model=Watched(self._model, told))
            except (RunEnded, ContentFiltered, ContextOverflow) as error:
                self.results[index] = NotRead(name, error)
                self._screen.step(f"{name}: {type(error).__name__}: {error}", "bad")
            except AgentkitError as error:
                self.failure = self.failure or error
                batch.cancel()
            else:
                self.results[index] = Read(name, extracted)
                self._screen.step(f"{name}: {_described(extracted.value)}", "good")


def _described(invoice: Invoice) -> str:
    return f"{invoice.vendor}, {invoice.number}, {invoice.date}, {invoice.total:,.2f} {invoice.currency}"


def _row(results: list[Result], model: Model) -> Row:
    usage = sum((result.usage for result in results), Usage())
    turns = sum(result.turns for result in results)
    price = model.profile.price
    return Row(
        job="invoices",
        turns=turns,
        calls=0,
        usage=usage,
        cost=usage.cost_usd if price is None else price.cost(usage),
        retries=usage.requests - turns,
        reasks=sum(result.reasks for result in results),
        outcome=_outcome(results),
    )


def _outcome(results: list[Result]) -> str:
    read = sum(isinstance(result, Read) for result in results)
    others = [f"{result.file} {_in_words(result.error)}" for result in results if isinstance(result, NotRead)]
    return "; ".join([f"{read} of {len(results)} read", *others])


def _in_words(error: AgentkitError) -> str:
    """`invalid output` for an InvalidOutput."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
