"""What is wrong with one task, and the error objects that say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from agentkit.emulator.dialects import Kind, Problem

_DOCUMENTATION = "https://runware.ai/docs/platform/errors"

_CODES: Mapping[Kind, tuple[int, str]] = MappingProxyType(
    {
        "invalid_request": (400, "invalidRequest"),
        "unsupported_parameter": (400, "unsupportedParameter"),
        "unprocessable": (422, "unprocessableRequest"),
        "too_large": (413, "requestTooLarge"),
        "context_overflow": (400, "contextLengthExceeded"),
        "unauthorized": (401, "invalidApiKey"),
        "payment_required": (400, "insufficientCredits"),
        "rate_limited": (429, "rateLimitExceeded"),
        "quota": (429, "quotaExceeded"),
        "model_not_found": (400, "invalidModel"),
        "not_found": (404, "notFound"),
        "wrong_method": (405, "methodNotAllowed"),
        "server_error": (500, "providerError"),
        "overloaded": (503, "providerOverloaded"),
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which task an error is about: as much as it says of itself."""

    type: str | None = None
    uuid: str | None = None

    @classmethod
    def by(cls, task: object) -> Asked:
        """What can be read off a task that may be anything."""
        if not isinstance(task, Mapping):
            return cls()
        kind, uuid = task.get("taskType"), task.get("taskUUID")
        return cls(kind if isinstance(kind, str) else None, uuid if isinstance(uuid, str) else None)


class Complaint(Exception):
    """A task that fails. `parameter` is the path of the field at fault; `limits` are min, max and the like."""

    def __init__(
        self,
        code: str,
        message: str,
        parameter: tuple[str, ...] = (),
        *,
        status: int = 400,
        limits: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.parameter = parameter
        self.status = status
        self.limits = limits or {}
        self.headers = headers or {}

    @classmethod
    def of(cls, problem: Problem, headers: Mapping[str, str] | None = None) -> Complaint:
        """A problem of the gateway's as a task's."""
        status, code = _CODES[problem.kind]
        path = tuple(re.findall(r"[^.\[\]]+", problem.param or ""))
        return cls(code, problem.message, path, status=status, headers=headers)

    def entry(self, asked: Asked) -> dict[str, Any]:
        """The object that stands in `errors`. A field of its own is named as text, one that lies deeper as a list."""
        parameter: Any = self.parameter[0] if len(self.parameter) == 1 else list(self.parameter)
        return {
            "code": self.code,
            "message": self.message,
            **({"parameter": parameter} if self.parameter else {}),
            **self.limits,
            **({"taskType": asked.type} if asked.type else {}),
            **({"taskUUID": asked.uuid} if asked.uuid else {}),
            "documentation": _DOCUMENTATION,
        }

    def before_a_stream(self, asked: Asked) -> dict[str, Any]:
        """The whole body where a stream was asked for and did not begin."""
        uuid = {"taskUUID": asked.uuid} if asked.uuid else {}
        return {"error": {"code": self.code, "message": self.message}, **uuid}


@dataclass(frozen=True, slots=True)
class Report:
    """What one task of a request comes to: entries for `data`, complaints for `errors`."""

    data: tuple[Mapping[str, Any], ...] = ()
    errors: tuple[Mapping[str, Any], ...] = ()
    status: int = 200  # of the first error, when nothing else succeeded
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
