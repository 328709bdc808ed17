"""An assistant that searches a company handbook, and shows the passages that its answer is from.

`python examples/handbook_assistant.py` needs no key: the embedded gateway's rule-based demo brain answers. For a real
model give `Agent` its name, such as "toapis:gpt-5-4-mini-official", in place of `gateway.model()`.
"""

import json
from contextlib import nullcontext
from pathlib import Path

from agentkit import Agent
from agentkit.emulator import Emulator
from agentkit.messages import ToolMessage
from agentkit_tools import search

DATA = Path(__file__).parent / "data"
QUESTION = "Who has to approve a business trip that costs more than 1,000 EUR?"


def main(gateway: Emulator | None = None, data: Path = DATA, question: str = QUESTION) -> None:
    with Emulator() if gateway is None else nullcontext(gateway) as server:
        agent = Agent(
            server.model(),
            instructions="Answer from the handbook only: search it first, and quote what you use with file and line.",
            tools=[search(data / "handbook")],
            tool_choice="search",
        )
        result = agent.run_sync(question)
    print(result.output)
    for message in result.new_messages:
        if isinstance(message, ToolMessage):
            for passage in json.loads(message.text):
                print(f"found: {passage['file']}:{passage['line']}")


if __name__ == "__main__":
    main()
