"""Makes the results of a task that has been read: asks for each completion, and tells the task's webhook of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from agentkit.emulator.brain import Raw
from agentkit.emulator.completion import Completion
from agentkit.emulator.completions import Completions
from agentkit.emulator.exchange import Refused
from agentkit.emulator.faults import Fault
from agentkit.emulator.meter import Prompt
from agentkit.emulator.tasks.board import Job
from agentkit.emulator.tasks.complaint import Asked, Complaint, Report
from agentkit.emulator.tasks.inference import Inference
from agentkit.emulator.tasks.result import result_entry
from agentkit.emulator.tasks.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Order:
    """One task that nothing is wrong with: its size, and the fault that hits it."""

    inference: Inference
    prompt: Prompt
    fault: Fault | None


class Results:
    """Makes results, one completion each."""

    def __init__(self, completions: Completions, webhooks: Webhooks) -> None:
        self._completions = completions
        self._webhooks = webhooks

    async def all(self, order: Order) -> Report | Raw:
        """Every result of a task, up to the first that fails; or the bytes that the brain gave in place of one."""
        data: list[Mapping[str, Any]] = []
        for index in range(len(order.inference.chats)):
            try:
                made = await self.one(order, index)
            except Complaint as complaint:
                entry = complaint.entry(Asked("textInference", order.inference.uuid))
                return Report(tuple(data), (entry,), complaint.status, complaint.headers)
            if isinstance(made, Raw):
                return made
            data.append(result_entry(made, order.inference, index))
        return Report(tuple(data))

    async def one(self, order: Order, index: int) -> Completion | Raw:
        """The `index`-th result of a task.

        Raises:
            Complaint: the brain has none.
        """
        inference, chat = order.inference, order.inference.chats[index]
        prompt = order.prompt if index == 0 else self._completions.measured(chat)
        try:
            made = await self._completions.complete(chat, prompt, order.fault)
        except Refused as refused:
            complaint = Complaint.of(refused.problem, refused.headers)
            self._tell(inference, {"errors": [complaint.entry(Asked("textInference", inference.uuid))]})
            raise complaint from None
        if isinstance(made, Completion):
            self._tell(inference, {"data": [result_entry(made, inference, index)]})
        return made

    def into(self, job: Job, order: Order) -> Callable[[], Coroutine[Any, Any, None]]:
        """The work that makes the results of a job, which never raises."""

        async def work() -> None:
            for index in range(len(job.outcomes)):
                job.outcomes[index] = await self._outcome(order, index)

        return work

    async def _outcome(self, order: Order, index: int) -> Mapping[str, Any] | Complaint:
        try:
            made = await self.one(order, index)
        except Complaint as complaint:
            return complaint
        except Exception as error:  # a bug of ours must reach the poll, not end the server
            return Complaint("providerError", f"the emulator failed: {type(error).__name__}: {error}", status=500)
        if isinstance(made, Raw):
            return Complaint("providerError", "A brain's raw answer cannot be the result of an asynchronous task.")
        return result_entry(made, order.inference, index, status="success")

    def _tell(self, inference: Inference, body: Mapping[str, Any]) -> None:
        if inference.webhook is not None:
            self._webhooks.post(inference.webhook, body)
