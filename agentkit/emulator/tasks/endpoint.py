"""`POST /v1`: an array of tasks in, what became of each out. The tasks of one request run one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentkit._json import dumps
from agentkit.emulator.answers import json_answer, raw_answer, stream_answer
from agentkit.emulator.background import Background
from agentkit.emulator.brain import Raw
from agentkit.emulator.checks import check
from agentkit.emulator.completion import data_frame
from agentkit.emulator.completions import Completions
from agentkit.emulator.delivery import ErrorFrame, Render, delivered, in_place_of_an_answer
from agentkit.emulator.dialects import Dialect, Problem
from agentkit.emulator.exchange import Answer, Outcome, RecordedRequest, Refused
from agentkit.emulator.faults import Fault, Faults
from agentkit.emulator.keys import Keys
from agentkit.emulator.tasks.board import Board
from agentkit.emulator.tasks.complaint import Asked, Complaint, Report
from agentkit.emulator.tasks.inference import in_own_words, read_inference
from agentkit.emulator.tasks.result import acknowledgement, result_frames
from agentkit.emulator.tasks.results import Order, Results
from agentkit.emulator.tasks.webhooks import Webhooks


class Tasks:
    """The task endpoint of one server. `polls` is how often a poll is told that a task is being processed."""

    def __init__(
        self, dialect: Dialect, completions: Completions, faults: Faults, keys: Keys, background: Background, polls: int
    ) -> None:
        self._dialect = dialect
        self._completions = completions
        self._keys = keys
        self._background = background
        self._board = Board(polls)
        self._webhooks = Webhooks(faults)
        self._results = Results(completions, self._webhooks)
        self._used: set[str] = set()

    async def respond(self, request: RecordedRequest) -> Outcome:
        """The answer to one request, whose body is JSON."""
        try:
            tasks = self._authorised(request)
        except Complaint as complaint:
            return _answer([_failed(complaint, Asked("authentication"))])
        for task in tasks:
            if isinstance(task, Mapping) and task.get("deliveryMethod") == "stream":
                return await self._stream(task, len(tasks))
        return await self._batch(tasks)

    def error(self, problem: Problem) -> tuple[int, dict[str, Any]]:
        """The status and body of an error that is no task's."""
        return _rendering(Asked())(problem)

    def join(self) -> None:
        """Waits a moment for webhooks that are being called; to be called when the server has stopped."""
        self._webhooks.join()

    def _authorised(self, request: RecordedRequest) -> Sequence[Any]:
        """The tasks without the one that carries the key, which may take the place of the header."""
        tasks = request.body
        if not isinstance(tasks, list) or not tasks:
            raise Complaint("invalidRequest", "The body must be an array of at least one task.")
        first, *others = tasks
        if not (isinstance(first, Mapping) and first.get("taskType") == "authentication"):
            try:
                self._keys.check_bearer(request.headers)
            except Refused as refused:
                raise Complaint("invalidApiKey", refused.problem.message, ("apiKey",), status=401) from None
            return tasks
        key = first.get("apiKey")
        if not isinstance(key, str) or not self._keys.is_right(key):
            raise Complaint("invalidApiKey", "The API key is not valid.", ("apiKey",), status=401)
        return others

    async def _stream(self, task: Mapping[str, Any], tasks: int) -> Outcome:
        asked = Asked.by(task)
        try:
            if tasks > 1:
                text = "deliveryMethod stream takes one task in a request."
                raise Complaint("invalidDeliveryMethod", text, ("deliveryMethod",))
            if asked.type != "textInference":
                raise _no_such_task(asked)
            order = self._order(task, asked, streaming=True)
            if not isinstance(order, Order):
                return order
            made = await self._results.one(order, 0)
        except Complaint as complaint:
            return json_answer(complaint.status, complaint.before_a_stream(asked), complaint.headers)
        if isinstance(made, Raw):
            return raw_answer(made)
        answer = stream_answer(result_frames(made, order.inference))
        return answer if order.fault is None else delivered(answer, order.fault, _framing(asked))

    async def _batch(self, tasks: Sequence[Any]) -> Outcome:
        reports: list[Report] = []
        deliveries: list[Fault] = []
        for task in tasks:
            asked = Asked.by(task)
            try:
                outcome = await self._one(task, asked, deliveries)
            except Complaint as complaint:
                outcome = _failed(complaint, asked)
            if not isinstance(outcome, Report):
                return outcome  # the whole answer, whatever the other tasks came to
            reports.append(outcome)
        answer = _answer(reports)
        for fault in deliveries:
            answer = delivered(answer, fault, _framing(Asked()))
        return answer

    async def _one(self, task: object, asked: Asked, deliveries: list[Fault]) -> Report | Outcome:
        """What one task comes to; a fault that spoils how the answer is sent is added to `deliveries`."""
        if not isinstance(task, Mapping):
            raise Complaint("invalidRequest", "A task must be an object.")
        match asked.type:
            case "textInference":
                order = self._order(task, asked, streaming=False)
                if not isinstance(order, Order):
                    return order
                deliveries += [] if order.fault is None else [order.fault]
                return await self._made(order)
            case "getResponse":
                fault, instead = self._fault(task, asked, streaming=False, poll=True)
                deliveries += [] if fault is None else [fault]
                return self._board.poll(task) if instead is None else instead
            case "ping":
                return Report(({"taskType": "ping", "pong": True},))
            case _:
                raise _no_such_task(asked)

    async def _made(self, order: Order) -> Report | Outcome:
        if order.inference.delivery == "async":
            job = self._board.add(order.inference)
            self._background.start(self._results.into(job, order))
            return Report((acknowledgement(order.inference.uuid),))
        made = await self._results.all(order)
        return raw_answer(made) if isinstance(made, Raw) else made

    def _order(self, task: Mapping[str, Any], asked: Asked, *, streaming: bool) -> Order | Outcome:
        """The task, checked, with its taskUUID used up; or what a fault answers in place of everything.

        Raises:
            Complaint: what is wrong with it, or a fault that is an error.
        """
        inference = read_inference(task, self._dialect)
        if inference.uuid.lower() in self._used:
            text = f"The taskUUID {inference.uuid} has been used before; each task needs one of its own."
            raise Complaint("duplicateTaskUUID", text, ("taskUUID",))
        if problem := check(inference.chats[0], self._dialect.elsewhere()):
            raise Complaint.of(in_own_words(problem, inference.chats[0]))
        try:
            prompt = self._completions.measured(inference.chats[0])
        except Refused as refused:
            raise Complaint.of(refused.problem) from None
        fault, instead = self._fault(task, asked, streaming=streaming)
        if instead is not None:
            return instead
        self._used.add(inference.uuid.lower())
        return Order(inference, prompt, fault)

    def _fault(
        self, task: Mapping[str, Any], asked: Asked, *, streaming: bool, poll: bool = False
    ) -> tuple[Fault | None, Outcome | None]:
        """The fault that hits the task, and what it answers in place of everything."""
        fault = self._completions.fault_for(task, dumps(task), poll=poll)
        if fault is None:
            return None, None
        try:
            return fault, in_place_of_an_answer(fault, _rendering(asked), streaming=streaming)
        except Refused as refused:
            raise Complaint.of(refused.problem, refused.headers) from None


def _no_such_task(asked: Asked) -> Complaint:
    return Complaint("invalidTaskType", f"There is no task {asked.type!r} here.", ("taskType",))


def _failed(complaint: Complaint, asked: Asked) -> Report:
    return Report(errors=(complaint.entry(asked),), status=complaint.status, headers=complaint.headers)


def _rendering(asked: Asked) -> Render:
    def render(problem: Problem) -> tuple[int, dict[str, Any]]:
        complaint = Complaint.of(problem)
        return complaint.status, {"errors": [complaint.entry(asked)]}

    return render


def _framing(asked: Asked) -> ErrorFrame:
    return lambda problem, sent: data_frame(_rendering(asked)(problem)[1])


def _answer(reports: Sequence[Report]) -> Answer:
    """Results and errors of all tasks together; an error status only when there is nothing but errors."""
    data = [entry for report in reports for entry in report.data]
    errors = [entry for report in reports for entry in report.errors]
    if not errors:
        return json_answer(200, {"data": data})
    if data:
        return json_answer(200, {"data": data, "errors": errors})
    first = next(report for report in reports if report.errors)
    return json_answer(first.status, {"errors": errors}, first.headers)
