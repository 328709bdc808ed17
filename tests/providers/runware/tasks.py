"""A model at the embedded gateway's task endpoint, and a server whose every answer the test writes."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from agentkit import RetryPolicy
from agentkit.emulator import Emulator
from agentkit.messages import UserMessage
from agentkit.models import ModelRequest
from agentkit.providers import RunwareModel
from agentkit.providers.learned import LearnedProfiles
from agentkit.providers.runware import Polling

from ...transport.servers import read_request, serving  # noqa: TID252  (tests is no package to import from)

MODEL = "openai:gpt@5.4-mini"
HI = ModelRequest([UserMessage("Hi")])
AT_ONCE = RetryPolicy(waits=(0, 0, 0), jitter=0)
OFTEN = Polling(first=0, second=0, longest=0, budget=5)
USAGE = {"promptTokens": 18, "completionTokens": 3, "totalTokens": 21}

Answer: TypeAlias = Callable[[dict[str, Any]], bytes | None]
"""What a server sends for a task; None hangs up without a word."""


def tasks(gateway: Emulator, **options: Any) -> RunwareModel:
    """A model at the gateway's task endpoint, which retries and polls without waiting."""
    return at(gateway.urls["tasks"], api_key=gateway.key, **options)


def at(url: str, **options: Any) -> RunwareModel:
    """The same at any URL."""
    defaults: dict[str, Any] = {
        "api_key": "rw-key",
        "retry": AT_ONCE,
        "polling": OFTEN,
        "learned": LearnedProfiles(),
    }
    return RunwareModel(options.pop("model", MODEL), base_url=url, **{**defaults, **options})


def sent(gateway: Emulator) -> list[dict[str, Any]]:
    """The tasks that the gateway was sent, in order."""
    return [task for request in gateway.requests for task in request.body]


class Cut(bytes):
    """The beginning of an answer, after which the connection is closed."""


class TaskServer:
    """Answers one task after the other, and keeps them."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = [*answers]
        self.tasks: list[dict[str, Any]] = []

    def __call__(self, connection: socket.socket, number: int, seen: object) -> None:
        while data := read_request(connection):
            (task,) = json.loads(data.partition(b"\r\n\r\n")[2])
            self.tasks.append(task)
            answer = self._answers.pop(0)(task) if self._answers else http(500, {})
            if answer is None:
                return
            connection.sendall(answer)
            if isinstance(answer, Cut):
                return


@contextmanager
def answering(*answers: Answer) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A task server's URL, and the tasks that it was sent."""
    server = TaskServer(answers)
    with serving(server) as seen:
        yield seen.url, server.tasks


def http(status: int, body: Any, *, kind: str = "application/json") -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(text)}\r\n\r\n"
    return head.encode() + text


def replies(body: Any, status: int = 200) -> Answer:
    """An answer that does not depend on the task."""
    return lambda task: http(status, body)


def acknowledged(task: dict[str, Any], **more: Any) -> bytes:
    return http(200, {"data": [{"taskType": "textInference", "taskUUID": task["taskUUID"], **more}]})


def working(task: dict[str, Any]) -> bytes:
    return acknowledged(task, status="processing")


def finished(task: dict[str, Any], text: str = "Hello!", **more: Any) -> dict[str, Any]:
    """A result."""
    return {
        "taskType": "textInference",
        "taskUUID": task["taskUUID"],
        "text": text,
        "finishReason": "stop",
        "usage": USAGE,
        "cost": 0.001,
        **more,
    }


def succeeded(task: dict[str, Any]) -> bytes:
    return http(200, {"data": [finished(task, status="success")]})


def failed(task: dict[str, Any], code: str = "invalidModel", **more: Any) -> dict[str, Any]:
    """An error of the task itself."""
    named = {"taskType": "textInference", "taskUUID": task["taskUUID"]}
    return {"code": code, "message": f"It went wrong: {code}.", **named, **more}


def not_found(task: dict[str, Any]) -> bytes:
    error = {"code": "taskNotFound", "message": "There is no such task.", "taskType": "getResponse"}
    return http(404, {"errors": [{**error, "taskUUID": task["taskUUID"]}]})


def hangs_up(task: dict[str, Any]) -> None:
    """Takes the task, and closes the connection without an answer."""
