"""The gateway itself: a request in, what becomes of it out. Knows nothing of sockets; `Connection` moves the bytes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agentkit._json import loads
from agentkit.emulator.answers import json_answer, raw_answer, stream_answer
from agentkit.emulator.background import Background
from agentkit.emulator.brain import Brain, Raw
from agentkit.emulator.checks import check
from agentkit.emulator.completions import NO_RETRY, Completions
from agentkit.emulator.delivery import delivered, in_place_of_an_answer
from agentkit.emulator.dialects import Dialect, Problem
from agentkit.emulator.endpoints import PATHS, surfaces_of
from agentkit.emulator.exchange import Answer, Outcome, RecordedRequest, Refused, Silence
from agentkit.emulator.faults import Faults
from agentkit.emulator.keys import Keys
from agentkit.emulator.listing import MODELS, listed_models
from agentkit.emulator.refusals import Refusal, check_refusals
from agentkit.emulator.surface import Invalid, Surface
from agentkit.emulator.tasks import Tasks

if TYPE_CHECKING:
    from anyio.abc import TaskStatus


class Gateway:
    """Answers requests in one dialect, out of one brain.

    `requests` grows by each request that arrives, in order; the oldest are dropped beyond `keep`.
    """

    def __init__(
        self,
        dialect: Dialect,
        brain: Brain,
        key: str,
        faults: Faults,
        latency: float,
        keep: int,
        refusals: Sequence[Refusal] = (),
        polls: int = 1,
    ) -> None:
        self.requests: list[RecordedRequest] = []
        self._dialect = dialect
        self._refusals = tuple(refusals)
        self._surfaces = surfaces_of(dialect)
        self._keys = Keys(key)
        self._completions = Completions(dialect, brain, faults)
        self._background = Background()
        self._tasks: Tasks | None = None
        if "tasks" in dialect.surfaces:
            self._tasks = Tasks(dialect, self._completions, faults, self._keys, self._background, polls)
        self._latency = latency
        self._keep = keep
        self._arrived = 0

    async def respond(self, method: str, target: str, headers: Mapping[str, str], raw: bytes) -> Outcome:
        """What becomes of one request, after `latency` seconds. Never raises, whatever the request or the brain."""
        self._arrived += 1
        number = self._arrived
        body, complaint = _decoded(raw)
        request = RecordedRequest(method, target.partition("?")[0], headers, body, raw)
        self._record(request)
        if self._latency:
            await _wait(self._latency)
        try:
            outcome = await self._outcome(request, complaint)
        except Refused as refused:
            outcome = self.refusal(refused, request.path, number)
        except Exception as error:  # a bug of ours must reach the test as a response, not as a traceback
            text = f"the emulator failed: {type(error).__name__}: {error}"
            outcome = self.refusal(Refused(Problem(text, kind="server_error"), NO_RETRY), request.path, number)
        if isinstance(outcome, Silence) or outcome.verbatim:
            return outcome
        return self._stamped(outcome, request.path, number)

    def refusal(self, refused: Refused, path: str = "", number: int = 0) -> Answer:
        """The error response to a request, in the words of the surface at `path`, or of the dialect's first one."""
        if self._tasks is not None and path == PATHS["tasks"]:
            status, body = self._tasks.error(refused.problem)
        else:
            status, body = refused.answer or self._surface_for(path).error(refused.problem, self._dialect)
        if body.get("type") == "error":  # Anthropic's envelope, which repeats the header
            body = {**body, "request_id": _request_id(number)}
        return json_answer(status, body, refused.headers)

    async def background(self, *, task_status: TaskStatus[None]) -> None:
        """Goes on with what outlives its request, until it is cancelled; to be run beside the requests."""
        await self._background.run(task_status=task_status)

    def join(self) -> None:
        """Waits a moment for brains and webhooks that are still at it; to be called when the server has stopped."""
        self._completions.join()
        if self._tasks is not None:
            self._tasks.join()

    def _record(self, request: RecordedRequest) -> None:
        self.requests.append(request)
        if len(self.requests) > self._keep:
            del self.requests[0]

    def _surface_for(self, path: str) -> Surface:
        return self._surfaces.get(path) or next(iter(self._surfaces.values()))

    async def _outcome(self, request: RecordedRequest, complaint: str | None) -> Outcome:
        models = request.path == MODELS or request.path.startswith(MODELS + "/")
        tasks = self._tasks if request.path == PATHS["tasks"] else None
        self._route(request.method, request.path, models=models)
        if tasks is None:
            self._authorise(request)
        if models:
            return listed_models(self._dialect, request.path)
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            raise Refused(Problem("the content-type header must be application/json"))
        if complaint is not None:
            raise Refused(Problem(f"the request body is not JSON: {complaint}"))
        if tasks is not None:  # they may carry the key in the body
            return await tasks.respond(request)
        return await self._answered(self._surfaces[request.path], request)

    def _authorise(self, request: RecordedRequest) -> None:
        if self._surface_for(request.path).path == PATHS["messages"]:
            self._keys.check_anthropic(request.headers)
        else:
            self._keys.check_bearer(request.headers)

    def _route(self, method: str, path: str, *, models: bool) -> None:
        """Refuses what is no route of this gateway."""
        tasks = self._tasks is not None and path == PATHS["tasks"]
        if not (models or tasks or path in self._surfaces):
            raise Refused(Problem(f"invalid URL ({method} {path})", kind="not_found"))
        wanted = "GET" if models else "POST"
        if method != wanted:
            problem = Problem(f"{path} takes {wanted}, not {method}", kind="wrong_method")
            raise Refused(problem, {"allow": wanted})

    async def _answered(self, surface: Surface, request: RecordedRequest) -> Outcome:
        body = request.body
        chat = self._translated(surface, body)
        prompt = self._completions.measured(chat)
        fault = self._completions.fault_for(body, request.raw)
        streaming = bool(body.get("stream"))

        def render(problem: Problem) -> tuple[int, dict[str, Any]]:
            return surface.error(problem, self._dialect)

        if fault is not None and (instead := in_place_of_an_answer(fault, render, streaming=streaming)):
            return instead
        made = await self._completions.complete(chat, prompt, fault)
        if isinstance(made, Raw):
            answer = raw_answer(made)
        elif streaming:
            answer = stream_answer(surface.frames(made, body))
        else:
            answer = json_answer(200, surface.plain(made, body))
        if fault is None:
            return answer
        return delivered(answer, fault, lambda problem, sent: surface.error_frame(problem, self._dialect, sent))

    def _translated(self, surface: Surface, body: object) -> dict[str, Any]:
        """The Chat Completions request that the brain is to see, checked."""
        if not isinstance(body, dict):
            raise Refused(Problem("the request body must be a JSON object"))
        try:
            chat = surface.chat(body)
        except Invalid as invalid:
            raise Refused(invalid.problem) from None
        rules = self._dialect if surface.path == PATHS["chat"] else self._dialect.elsewhere()
        if problem := check(chat, rules):
            raise Refused(problem)
        check_refusals(self._refusals, surface.path, body, chat)
        return chat

    def _stamped(self, answer: Answer, path: str, number: int) -> Answer:
        own = self._dialect.headers(answer.status, number, time.time())
        if answer.status == 429 and "retry-after" not in answer.headers:
            own.pop("x-ratelimit-reset", None)  # the fault is to say how long to wait in its own way, or not at all
        name = "request-id" if self._surface_for(path).path == PATHS["messages"] else "x-request-id"
        return replace(answer, headers={name: _request_id(number), **own, **answer.headers})


def _request_id(number: int) -> str:
    return f"req_emulated_{number}"


def _decoded(raw: bytes) -> tuple[Any, str | None]:
    """The value of a body, and why it has none."""
    try:
        return loads(raw), None
    except ValueError as error:
        return None, str(error)


async def _wait(seconds: float) -> None:
    import anyio  # when it is needed: importing the emulator is to cost nothing

    await anyio.sleep(seconds)
