"""Everything agentkit raises.

```
AgentkitError
├── UsageError                 the caller's mistake; nothing was sent
│   ├── ConfigurationError     a value, a combination or a name that cannot work
│   ├── MissingKey             no API key for a gateway that wants one
│   ├── ToolDefinitionError    a function that cannot become a tool
│   ├── OutputTypeError        an output type that cannot be declared to a model
│   ├── RunNotFinished         the result of a stream was asked for before its end
│   ├── RunExists              the journal has an unfinished run of that id: resume it
│   ├── RunConflict            somebody else has the run, or its id stands for something else
│   └── RunUnfinished          the last run of the session is not finished
├── StorageError               a file cannot be read or written: full, locked, damaged, not allowed
├── GatewayError               the outside world's failure
│   ├── AuthenticationError    401: the key is wrong
│   ├── PermissionDenied       403: the key may not do this
│   ├── QuotaExhausted         402, or a quota used up: paying helps, waiting does not
│   ├── RateLimited            429: too fast
│   ├── Overloaded             503, 529: the server has too much to do
│   ├── ServerError            5xx
│   ├── GatewayTimeout         408, 504, or no answer in time
│   ├── ConnectionFailed       no connection, or it broke before the answer began
│   ├── BadRequest             400, 404, 413, 422: the request is at fault
│   │   └── ContextOverflow    more tokens than the model takes
│   ├── ContentFiltered        the gateway's filter stopped it
│   ├── StreamTruncated        the stream ended without its end
│   └── MalformedResponse      an answer that cannot be read
└── RunEnded                   a run that ended without an answer
    ├── RunPaused              calls wait for a decision; the run can be resumed
    ├── LimitExceeded          turns, requests, tool calls, corrections, tokens, time or money
    ├── Refused                the model declined
    ├── Truncated              the answer was cut at the output limit
    ├── InvalidOutput          no valid output within the allowed corrections
    ├── EmptyResponse          the model answered nothing
    └── ToolFailed             a tool with on_error="raise" raised
```
"""

from typing import Any, ClassVar

from agentkit.messages import AssistantMessage, History
from agentkit.usage import Usage


class AgentkitError(Exception):
    """The root of the tree; `str()` is one clear sentence that says what to do."""


class UsageError(AgentkitError):
    """The caller's mistake. Nothing was sent."""


class ConfigurationError(UsageError):
    """A value, a combination or a name that cannot work."""


class MissingKey(UsageError):
    """No API key for a gateway that wants one. `variable` is the environment variable that would hold it."""

    def __init__(self, message: str, *, variable: str | None = None) -> None:
        super().__init__(message)
        self.variable = variable


class ToolDefinitionError(UsageError):
    """A function that cannot become a tool; raised when it is decorated."""


class OutputTypeError(UsageError):
    """An output type that cannot be declared to a model."""


class RunNotFinished(UsageError):
    """The result of a stream was asked for before the stream ended."""


class RunExists(UsageError):
    """The journal has an unfinished run of that id; `Agent.resume` goes on with it. `run_id` is the id."""

    def __init__(self, message: str, *, run_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id


class RunConflict(UsageError):
    """Somebody else is at the run, or its id stands for another input. `run_id` is the id."""

    def __init__(self, message: str, *, run_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id


class RunUnfinished(UsageError):
    """The last run of the session is not finished: resume it or discard it first. `run_id` is that run's id."""

    def __init__(self, message: str, *, run_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id


class StorageError(AgentkitError):
    """A file cannot be read or written: full, locked, damaged, not allowed. What was durable before still is."""


class GatewayError(AgentkitError):
    """The outside world's failure.

    Attributes:
        status: HTTP status, None when there was no answer.
        code: the gateway's own code or type, as it sent it.
        param: the request parameter that the gateway names.
        request_id: for the gateway's support.
        retryable: whether the same request may succeed later.
        retry_after: seconds the gateway asks to wait, None when it does not say.
        billed: whether the gateway charges for it; None where that is not documented.
        partial: what had arrived of the answer, None when nothing had.
        headers: the answer's rate-limit, quota and retry headers, lower-case names.
        provider_message: the gateway's own words.
        body: the decoded error object, None when there was none.
        history: what a run had done when it met this, valid to go on from; None outside of a run.
        learned: what the model's profile knows since this refusal, in words; a request planned anew may be taken.
    """

    retryable_by_default: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        billed: bool | None = None,
        partial: AssistantMessage | None = None,
        headers: dict[str, str] | None = None,
        provider_message: str | None = None,
        body: Any = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.request_id = request_id
        self.retryable = self.retryable_by_default if retryable is None else retryable
        self.retry_after = retry_after
        self.billed = billed
        self.partial = partial
        self.headers = headers or {}
        self.provider_message = provider_message
        self.body = body
        self.history: History | None = None
        self.learned: str | None = None


class AuthenticationError(GatewayError):
    """401: the key is missing, wrong or revoked."""


class PermissionDenied(GatewayError):
    """403: the key may not do this."""


class QuotaExhausted(GatewayError):
    """402, or a quota that is used up: paying helps, waiting does not."""


class RateLimited(GatewayError):
    """429: too fast. Retried after the wait that the gateway asks for."""

    retryable_by_default = True


class Overloaded(GatewayError):
    """503, 529: the server has too much to do."""

    retryable_by_default = True


class ServerError(GatewayError):
    """5xx."""

    retryable_by_default = True


class GatewayTimeout(GatewayError):
    """408, 504, or no answer in time."""

    retryable_by_default = True


class ConnectionFailed(GatewayError):
    """No connection, or it broke before the answer began."""

    retryable_by_default = True


class BadRequest(GatewayError):
    """400, 404, 413, 422: the request is at fault; sending it again cannot help."""


class ContextOverflow(BadRequest):
    """More tokens than the model takes."""


class ContentFiltered(GatewayError):
    """The gateway's content filter stopped the request or the answer."""


class StreamTruncated(GatewayError):
    """The stream ended without its end; `partial` holds what had arrived."""

    retryable_by_default = True


class MalformedResponse(GatewayError):
    """An answer that cannot be read: not JSON, or not the shape of one."""


class RunEnded(AgentkitError):
    """A run that ended without an answer; what was done so far is attached.

    Attributes:
        history: valid to send, so that a new run can go on from it.
        usage: what was used.
        run_id: the run's id.
        partial: the partial text, None when there is none.
    """

    def __init__(
        self,
        message: str,
        *,
        history: History | None = None,
        usage: Usage | None = None,
        run_id: str = "",
        partial: str | None = None,
    ) -> None:
        super().__init__(message)
        self.history = history if history is not None else History()
        self.usage = usage if usage is not None else Usage()
        self.run_id = run_id
        self.partial = partial


class RunPaused(RunEnded):
    """Calls wait for somebody's decision, or for a result from outside; everything else has been done.

    `pending` are the calls, each with what it waits for. `state` is a JSON value that `Agent.resume` takes, with the
    decisions; with a journal the run's id is enough. `history` does not have the answer that holds the open calls.
    """

    def __init__(self, message: str, *, pending: tuple[Any, ...] = (), state: Any = None, **attached: Any) -> None:
        super().__init__(message, **attached)
        self.pending = pending
        self.state = state


class LimitExceeded(RunEnded):
    """A limit of the run was reached. `limit` is its name in `RunLimits`."""

    def __init__(self, message: str, *, limit: str = "", **attached: Any) -> None:
        super().__init__(message, **attached)
        self.limit = limit


class Refused(RunEnded):
    """The model declined; `refusal` is in its words. It is not asked again."""

    def __init__(self, message: str, *, refusal: str = "", **attached: Any) -> None:
        super().__init__(message, **attached)
        self.refusal = refusal


class Truncated(RunEnded):
    """The answer was cut at the output limit; `partial` has what came."""


class InvalidOutput(RunEnded):
    """No valid output within the allowed corrections. `problems` lists what was wrong with the last one."""

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), **attached: Any) -> None:
        super().__init__(message, **attached)
        self.problems = problems


class EmptyResponse(RunEnded):
    """The model answered nothing: no text, no call, no refusal."""


class ToolFailed(RunEnded):
    """A tool with on_error="raise" raised; the exception is `__cause__` and `error`.

    `siblings` are the exceptions of the other calls of the same turn, in call order.
    """

    def __init__(
        self, message: str, *, error: Exception | None = None, siblings: tuple[Exception, ...] = (), **attached: Any
    ) -> None:
        super().__init__(message, **attached)
        self.error = error
        self.siblings = siblings
