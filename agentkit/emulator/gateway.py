"""The gateway itself: a request in, what becomes of it out. Knows nothing of sockets; `Connection` moves the bytes."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, assert_never

from agentkit._json import loads
from agentkit.emulator import faults as known
from agentkit.emulator.answers import broken_off, cut, html_answer, json_answer, raw_answer, slowed, stream_answer
from agentkit.emulator.brain import Brain, NoReply, Raw, Reply
from agentkit.emulator.checks import check
from agentkit.emulator.completion import Completion, limited, usage_of
from agentkit.emulator.dialects import Dialect, Problem
from agentkit.emulator.exchange import Answer, Outcome, RecordedRequest, Silence
from agentkit.emulator.faults import Fault, Faults
from agentkit.emulator.meter import Meter, Prompt
from agentkit.emulator.worker import Workers

_CHAT, _MODELS = "/v1/chat/completions", "/v1/models"
_MODELS_MADE = 1_767_225_600  # Unix seconds
_UPSTREAM = Problem("the upstream provider failed", kind="server_error")
_NO_RETRY = {"x-should-retry": "false"}  # asking again would only use up another step


class Refused(Exception):
    """A request that is answered with an error, and `headers` besides the usual ones."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.headers = headers or {}


class Gateway:
    """Answers requests in one dialect, out of one brain.

    `requests` grows by each request that arrives, in order; the oldest are dropped beyond `keep`.
    """

    def __init__(self, dialect: Dialect, brain: Brain, key: str, faults: Faults, latency: float, keep: int) -> None:
        self.requests: list[RecordedRequest] = []
        self._dialect = dialect
        self._brain = brain
        self._key = key
        self._faults = faults
        self._latency = latency
        self._keep = keep
        self._meter = Meter()
        self._workers = Workers()
        self._arrived = 0
        self._completed = 0

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
            outcome = self.refusal(refused)
        except Exception as error:  # a bug of ours must reach the test as a response, not as a traceback
            text = f"the emulator failed: {type(error).__name__}: {error}"
            outcome = self.refusal(Refused(Problem(text, kind="server_error"), _NO_RETRY))
        if isinstance(outcome, Silence) or outcome.verbatim:
            return outcome
        return self._stamped(outcome, number)

    def refusal(self, refused: Refused) -> Answer:
        """The error response, in the dialect's words."""
        status, body = self._dialect.render(refused.problem)
        return json_answer(status, body, refused.headers)

    def join(self) -> None:
        """Waits a moment for brains that are still thinking; to be called when the server has stopped."""
        self._workers.join(1.0)

    def _record(self, request: RecordedRequest) -> None:
        self.requests.append(request)
        if len(self.requests) > self._keep:
            del self.requests[0]

    async def _outcome(self, request: RecordedRequest, complaint: str | None) -> Outcome:
        _route(request.method, request.path)
        self._authorise(request.headers)
        if request.path != _CHAT:
            return self._models(request.path.removeprefix(_MODELS).removeprefix("/"))
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            raise Refused(Problem("the content-type header must be application/json"))
        if complaint is not None:
            raise Refused(Problem(f"the request body is not JSON: {complaint}"))
        if problem := check(request.body, self._dialect):
            raise Refused(problem)
        return await self._chat(request.body, request.raw)

    def _authorise(self, headers: Mapping[str, str]) -> None:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if not key:
            raise Refused(Problem("no API key: send the header Authorization: Bearer YOUR_KEY", kind="unauthorized"))
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.encode(), self._key.encode()):
            raise Refused(Problem("the API key is not valid: use the key that the emulator gave", kind="unauthorized"))

    def _models(self, wanted: str) -> Answer:
        fixed = {"object": "model", "created": _MODELS_MADE, "owned_by": "emulator"}
        listed = [{"id": model, **fixed} for model in self._dialect.models]
        if not wanted:
            return json_answer(200, {"object": "list", "data": listed})
        for model in listed:
            if model["id"] == wanted:
                return json_answer(200, model)
        raise Refused(Problem(f"the model {wanted!r} does not exist here", "model", kind="model_not_found"))

    async def _chat(self, body: Mapping[str, Any], raw: bytes) -> Outcome:
        prompt = self._measured(body)
        fault = self._faults.take(
            lambda wanted: wanted.encode() in raw or any(wanted in text for text in _strings(body))
        )
        instead = None if fault is None else self._instead(fault, streaming=bool(body.get("stream")))
        if isinstance(instead, (Answer, Silence)):
            return instead
        reply = await self._asked(body) if instead is None else instead
        if fault is not None and fault.name in known.SPOILERS:
            reply = self._spoiled(reply, fault)
        match reply:
            case Raw():
                answer = raw_answer(reply)
            case Reply():
                answer = self._completed_with(limited(reply, body), body, prompt)
            case _:
                assert_never(reply)
        return answer if fault is None else self._delivered(answer, fault)

    def _measured(self, body: Mapping[str, Any]) -> Prompt:
        prompt, context = self._meter.measure(body), self._dialect.context
        if context is not None and prompt.tokens > context:
            text = f"this model takes at most {context} tokens; the messages have about {prompt.tokens}"
            raise Refused(Problem(text, "messages", kind="context_overflow"))
        return prompt

    def _instead(self, fault: Fault, *, streaming: bool) -> Outcome | Reply | None:
        """What a fault answers without asking the brain; None when the brain is to be asked."""
        if status := known.STATUSES.get(fault.name):
            raise Refused(status.problem, status.headers)
        match fault.name:
            case "hang" | "disconnect":
                return Silence(hang=fault.name == "hang")
            case "error_in_200":
                return json_answer(200, self._upstream_error())
            case "error_in_stream" if not streaming:
                return json_answer(200, self._upstream_error())
            case "html":
                return html_answer()
            case _:
                return known.REPLIES.get(fault.name)

    async def _asked(self, body: Mapping[str, Any]) -> Reply | Raw:
        def ask() -> object:  # not trusted to be what its type says
            return self._brain.reply(body)

        try:
            reply = await self._workers.run(ask)
        except NoReply as error:
            raise Refused(Problem(str(error), kind="server_error"), _NO_RETRY) from None
        except Exception as error:  # the brain is the user's code; its message may hold what must not travel
            problem = Problem(f"the brain raised {type(error).__name__}", kind="server_error")
            raise Refused(problem, _NO_RETRY) from None
        if isinstance(reply, (Reply, Raw)):
            return reply
        text = f"a brain must answer with a Reply or a Raw, not {type(reply).__name__}"
        raise Refused(Problem(text, kind="server_error"), _NO_RETRY)

    def _spoiled(self, reply: Reply | Raw, fault: Fault) -> Reply | Raw:
        spoiled = known.SPOILERS[fault.name](reply) if isinstance(reply, Reply) else None
        if spoiled is None:
            self._faults.give_back(fault)
            return reply
        return spoiled

    def _completed_with(self, reply: Reply, body: Mapping[str, Any], prompt: Prompt) -> Answer:
        self._completed += 1
        completion = Completion(
            id=f"chatcmpl-emulated-{self._completed}",
            model=body["model"],
            reply=reply,
            usage=usage_of(reply, prompt),
            created=int(time.time()),
            plain_created=self._dialect.created,
            fingerprint="fp_emulator" if self._dialect.fingerprint else None,
            # From the whole prompt, so that no two turns of a conversation share one, not even across servers.
            call_ids=tuple(c.id or f"call_{prompt.digest[:16]}_{i}" for i, c in enumerate(reply.calls)),
        )
        if not body.get("stream"):
            return json_answer(200, completion.body())
        include_usage = bool(body.get("stream_options", {}).get("include_usage"))
        return stream_answer(completion.frames(include_usage=include_usage))

    def _delivered(self, answer: Answer, fault: Fault) -> Answer:
        match fault.name:
            case "cut_stream":
                return cut(answer)
            case "error_in_stream":
                return broken_off(answer, self._upstream_error())
            case "slow":
                return slowed(answer, fault.seconds)
            case _:
                return answer

    def _upstream_error(self) -> dict[str, Any]:
        return self._dialect.render(_UPSTREAM)[1]

    def _stamped(self, answer: Answer, number: int) -> Answer:
        own = self._dialect.headers(answer.status, number, time.time())
        if answer.status == 429 and "retry-after" not in answer.headers:
            own.pop("x-ratelimit-reset", None)  # the fault is to say how long to wait in its own way, or not at all
        return replace(answer, headers={"x-request-id": f"req_emulated_{number}", **own, **answer.headers})


def _route(method: str, path: str) -> None:
    """Refuses what is no route of a gateway."""
    models = path == _MODELS or path.startswith(_MODELS + "/")
    if not models and path != _CHAT:
        raise Refused(Problem(f"invalid URL ({method} {path})", kind="not_found"))
    wanted = "GET" if models else "POST"
    if method != wanted:
        problem = Problem(f"{path} takes {wanted}, not {method}", kind="wrong_method")
        raise Refused(problem, {"allow": wanted})


def _decoded(raw: bytes) -> tuple[Any, str | None]:
    """The value of a body, and why it has none."""
    try:
        return loads(raw), None
    except ValueError as error:
        return None, str(error)


def _strings(value: object) -> Iterator[str]:
    """Every string in a JSON value, as the sender meant it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings(list(value.values()))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


async def _wait(seconds: float) -> None:
    import anyio  # when it is needed: importing the emulator is to cost nothing

    await anyio.sleep(seconds)
