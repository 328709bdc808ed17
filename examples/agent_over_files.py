"""An agent that answers a question from a folder of CSV and Markdown files, calling several tools at once.

`python examples/agent_over_files.py` needs no key: the embedded gateway's rule-based demo brain answers. For a real
model give `Agent` its name, such as "toapis:gpt-5-4-mini-official", in place of `gateway.model()`.
"""

import csv
from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

from agentkit import Agent, tool
from agentkit.emulator import Emulator
from agentkit_tools import calculator

DATA = Path(__file__).parent / "data"
QUESTION = "Which region sold most in Q3 and what does the policy say about discounts over 10 %?"


class Folder:
    """Tools over the files of a folder."""

    def __init__(self, root: Path) -> None:
        self._files = {path.name: path for path in sorted(root.iterdir())}

    def _rows(self, path: str) -> list[dict[str, str]]:
        with self._files[path].open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @tool(effect="read")
    def list_files(self) -> list[dict[str, Any]]:
        """List the files of the folder, with the columns of each CSV file."""
        return [
            {"path": path, "columns": list(self._rows(path)[0])} if path.endswith(".csv") else {"path": path}
            for path in self._files
        ]

    @tool(effect="read")
    def read_text(self, path: Annotated[str, "as list_files gives it"]) -> str:
        """Read a text or Markdown file."""
        return self._files[path].read_text(encoding="utf-8")

    @tool(effect="read")
    def column_total(
        self, path: str, column: Annotated[str, "the column of numbers"], group_by: Annotated[str, "names the groups"]
    ) -> dict[str, Any]:
        """Add up a column of numbers, such as revenue or units, of a CSV file, in groups."""
        totals: defaultdict[str, float] = defaultdict(float)
        for row in self._rows(path):
            totals[row[group_by]] += float(row[column])
        return {"path": path, "column": column, "totals": dict(totals)}


def main(gateway: Emulator | None = None, data: Path = DATA, question: str = QUESTION) -> None:
    with Emulator() if gateway is None else nullcontext(gateway) as server:
        folder = Folder(data / "sales")
        agent = Agent(server.model(), tools=[folder.list_files, folder.read_text, folder.column_total, calculator])
        result = agent.run_sync(question)
        print(result.output)
        print(f"{result.turns} turns, {result.tool_calls} tool calls, {result.usage.total_tokens} tokens")


if __name__ == "__main__":
    main()
