"""The second contestant: agentkit as its users write it, with default settings."""

from typing import Any

from jobs import PROMPT, TALK, Invoice, get_weather

from agentkit import Agent, History, RunLimits, tool
from agentkit.messages import AssistantMessage, Message, UserMessage
from agentkit.models import TextDelta
from agentkit.providers import ChatCompletionsModel

weather = tool(get_weather)


class WithAgentkit:
    """Each method does one operation of a job and returns what shows that it was done."""

    name = "agentkit"

    def __init__(self, base: str) -> None:
        def model(job: str) -> ChatCompletionsModel:
            return ChatCompletionsModel("bench", base_url=f"{base}/{self.name}/{job}/v1", api_key="k")

        long = RunLimits(turns=200, requests=200, tool_calls=200, tokens=10_000_000)
        self.agents: dict[str, Agent[Any, str]] = {
            "turn": Agent(model("turn")),
            "history": Agent(model("history")),
            "stream": Agent(model("stream")),
            "steps": Agent(model("steps"), tools=[weather]),
            "parallel": Agent(model("parallel"), tools=[weather], limits=long),
            "long": Agent(model("long"), tools=[weather], limits=long),
        }
        self.extractor = Agent(model("structured"), output=Invoice)
        self.talks: dict[int, History] = {}

    async def turn(self) -> object:
        return (await self.agents["turn"].run(PROMPT)).output

    async def steps(self) -> object:
        return await self.loop("steps")

    async def long(self) -> object:
        return await self.loop("long")

    async def parallel(self) -> object:
        return await self.loop("parallel")

    async def structured(self) -> object:
        return (await self.extractor.run(PROMPT)).output

    async def stream(self) -> object:
        deltas = 0
        async with self.agents["stream"].stream(PROMPT) as run:
            async for event in run:
                if isinstance(event, TextDelta):
                    deltas += 1
        return deltas, run.result.output

    def talk(self, length: int) -> None:
        """Begin a conversation of `length` messages, to be gone on with by `history`."""
        messages: list[Message] = [
            AssistantMessage(f"{number}. {TALK}") if number % 2 else UserMessage(f"{number}. {TALK}")
            for number in range(length)
        ]
        self.talks[length] = History(messages)

    async def history(self, length: int) -> object:
        result = await self.agents["history"].run(PROMPT, history=self.talks[length])
        self.talks[length] = result.messages
        return result.output

    async def aclose(self) -> None:
        for agent in (*self.agents.values(), self.extractor):
            async with agent:
                pass

    async def loop(self, job: str) -> tuple[str, int]:
        result = await self.agents[job].run(PROMPT)
        return result.output, result.tool_calls
