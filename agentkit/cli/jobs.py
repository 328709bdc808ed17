"""The two jobs of the demo that are one run of an agent: over a folder of files, and over a handbook."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentkit.agent import Agent
from agentkit.cli.folder import Folder, folder_tools
from agentkit.cli.handbook import handbook_tools
from agentkit.cli.row import Row
from agentkit.cli.screen import Screen
from agentkit.cli.watch import show
from agentkit.errors import ConfigurationError
from agentkit.models import Model
from agentkit.tools import Tool

_FILES = "Answer from the files in the folder: list them, then look into those that matter, several at once. Say which."
_HANDBOOK = "Answer from the documents only: search them first, and quote the passages you use with file and line."


@dataclass(frozen=True, slots=True)
class Answered:
    """A finished job: its answer, and its line of the table."""

    text: str
    row: Row


async def ask_files(model: Model, folder: Path, question: str, screen: Screen) -> Answered:
    """An agent with tools over the CSV and text files of `folder`.

    Raises:
        ConfigurationError: there are no files.
        AgentkitError: there is no answer.
    """
    return await _ask("files", model, _FILES, folder_tools(_checked(folder)), question, screen)


async def ask_handbook(model: Model, folder: Path, question: str, screen: Screen) -> Answered:
    """An assistant that searches the documents of `folder` and answers with the passages it used.

    Raises:
        ConfigurationError: there are no files.
        AgentkitError: there is no answer.
    """
    return await _ask("handbook", model, _HANDBOOK, handbook_tools(_checked(folder)), question, screen)


def _checked(folder: Path) -> Path:
    if not Folder(folder).files():
        raise ConfigurationError(f"there is no CSV, Markdown or text file in {folder}")
    return folder


async def _ask(
    job: str, model: Model, instructions: str, tools: Iterable[Tool[..., Any]], question: str, screen: Screen
) -> Answered:
    agent = Agent(model, instructions=instructions, tools=tools, name=job)
    with screen.busy("waiting for an answer"):
        async with agent.stream(question) as run:
            async for event in run:
                show(event, screen)
    screen.text(f"\nQuestion: {question}\nAnswer:\n{run.result.output}")
    return Answered(run.result.output, Row.of(job, run.result, "answered"))
