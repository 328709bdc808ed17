"""The first contestant: the loop that a good engineer writes by hand with httpx, and nothing that is not needed."""

import asyncio
import json
from typing import Any

import httpx
from jobs import PROMPT, TALK, Invoice, get_weather

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "name of the city"},
                "unit": {"type": "string", "enum": ["c", "f"], "default": "c", "description": "Celsius or Fahrenheit"},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
FUNCTIONS = {"get_weather": get_weather}


class HandWritten:
    """Each method does one operation of a job and returns what shows that it was done."""

    name = "httpx"

    def __init__(self, base: str) -> None:
        self.base = f"{base}/{self.name}"
        self.client = httpx.AsyncClient(headers={"authorization": "Bearer k"}, timeout=60, trust_env=False)
        self.format = {
            "type": "json_schema",
            "json_schema": {"name": "Invoice", "strict": True, "schema": Invoice.model_json_schema()},
        }
        self.talks: dict[int, list[dict[str, Any]]] = {}

    async def turn(self) -> object:
        return (await self.ask("turn", [{"role": "user", "content": PROMPT}]))["content"]

    async def steps(self) -> object:
        return await self.loop("steps")

    async def long(self) -> object:
        return await self.loop("long")

    async def parallel(self) -> object:
        return await self.loop("parallel")

    async def structured(self) -> object:
        message = await self.ask("structured", [{"role": "user", "content": PROMPT}], response_format=self.format)
        return Invoice.model_validate_json(message["content"])

    async def stream(self) -> object:
        body = {
            "model": "bench",
            "messages": [{"role": "user", "content": PROMPT}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        pieces: list[str] = []
        async with self.client.stream("POST", f"{self.base}/stream/v1/chat/completions", json=body) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if not line.startswith("data: ") or line == "data: [DONE]":
                    continue
                choices = json.loads(line[6:])["choices"]
                if choices and choices[0]["delta"].get("content"):
                    pieces.append(choices[0]["delta"]["content"])
        return len(pieces), "".join(pieces)

    def talk(self, length: int) -> None:
        """Begin a conversation of `length` messages, to be gone on with by `history`."""
        roles = ("user", "assistant")
        self.talks[length] = [{"role": roles[number % 2], "content": f"{number}. {TALK}"} for number in range(length)]

    async def history(self, length: int) -> object:
        messages = self.talks[length]
        messages.append({"role": "user", "content": PROMPT})
        message = await self.ask("history", messages)
        messages.append({"role": "assistant", "content": message["content"]})
        return message["content"]

    async def aclose(self) -> None:
        await self.client.aclose()

    async def loop(self, job: str) -> tuple[str, int]:
        messages: list[dict[str, Any]] = [{"role": "user", "content": PROMPT}]
        done = 0
        while True:
            message = await self.ask(job, messages, tools=[TOOL])
            messages.append(message)
            if not message.get("tool_calls"):
                return message["content"], done
            results = await asyncio.gather(*(self.call(call) for call in message["tool_calls"]))
            messages.extend(results)
            done += len(results)

    async def call(self, call: dict[str, Any]) -> dict[str, Any]:
        function = call["function"]
        result = await FUNCTIONS[function["name"]](**json.loads(function["arguments"]))
        return {"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)}

    async def ask(self, job: str, messages: list[dict[str, Any]], **more: Any) -> Any:
        body = {"model": "bench", "messages": messages, **more}
        response = await self.client.post(f"{self.base}/{job}/v1/chat/completions", json=body)
        response.raise_for_status()
        return response.json()["choices"][0]["message"]
