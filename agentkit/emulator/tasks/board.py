"""The tasks that are worked on after their request was answered, and what a poll is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentkit.emulator.tasks.complaint import Asked, Complaint, Report
from agentkit.emulator.tasks.fields import Fields
from agentkit.emulator.tasks.inference import Inference
from agentkit.emulator.tasks.result import acknowledgement


@dataclass(slots=True)
class Job:
    """One task in the background: what each result came to, None while it is being made, and how often it was asked."""

    inference: Inference
    outcomes: list[Mapping[str, Any] | Complaint | None] = field(init=False)
    polls: int = 0

    def __post_init__(self) -> None:
        self.outcomes = [None] * len(self.inference.chats)


class Board:
    """The jobs by task. The first `processing` polls of a job are told that it is still being worked on.

    Each later poll is told of one result more, and of all those before it again, as far as they are there. For the
    server's event loop only.
    """

    def __init__(self, processing: int) -> None:
        self._processing = processing
        self._jobs: dict[str, Job] = {}

    def add(self, inference: Inference) -> Job:
        """A new job."""
        job = self._jobs[inference.uuid.lower()] = Job(inference)
        return job

    def poll(self, task: Mapping[str, Any]) -> Report:
        """What a `getResponse` task is told.

        Raises:
            Complaint: it is not as it should be, or there is no such job.
        """
        given = Fields(task)
        given.anything("taskType")
        uuid = given.uuid("taskUUID")
        given.close()
        job = self._jobs.get(uuid.lower())
        if job is None:
            raise Complaint("taskNotFound", f"There is no asynchronous task {uuid}.", ("taskUUID",))
        job.polls += 1
        shown = max(0, job.polls - self._processing)
        data: list[Mapping[str, Any]] = []
        errors: list[Mapping[str, Any]] = []
        for outcome in (*job.outcomes[:shown], *(None for _ in job.outcomes[shown:])):
            if outcome is None:
                data.append(acknowledgement(uuid, status="processing"))
            elif isinstance(outcome, Complaint):
                errors.append({**outcome.entry(Asked("textInference", uuid)), "status": "error"})
            else:
                data.append(outcome)
        return Report(tuple(data), tuple(errors))
