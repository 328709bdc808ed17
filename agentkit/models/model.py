"""The Model protocol: who answers a request.

Above: the loop, `respond`. Below: wire adapters, and models that wrap a model. A model knows nothing of tools' bodies,
runs or limits; it retries what its own policy says and tells of each attempt before its bytes are sent.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from agentkit.errors import MalformedResponse
from agentkit.models.profile import Profile
from agentkit.models.request import ModelRequest
from agentkit.models.response import ModelResponse, ResponseCompleted, ResponseEvent


class Model(Protocol):
    """Answers requests, as a stream of events.

    `name` is what logs and results call it.
    """

    @property
    def name(self) -> str: ...

    @property
    def profile(self) -> Profile:
        """What it accepts; may change between requests as it learns."""
        ...

    def events(self, request: ModelRequest, *, stream: bool) -> AsyncGenerator[ResponseEvent, None]:
        """The answer to `request`, ending with `ResponseCompleted`.

        A plain answer (`stream=False`) has no deltas. Close the generator (`contextlib.aclosing`) when leaving early.

        Raises:
            GatewayError: no attempt succeeded, or one failed after deltas were given.
            UsageError: the request cannot be sent to this model; nothing was sent.
        """
        ...


class Respond:
    """Gives a `Model` its `respond`: adapters and wrappers inherit it."""

    async def respond(self: Model, request: ModelRequest, *, stream: bool = False) -> ModelResponse:
        """One answer, no loop. `stream` asks the server to stream; the answer is the same.

        Raises:
            GatewayError, UsageError: see `Model.events`.
        """
        response: ModelResponse | None = None
        async with aclosing(self.events(request, stream=stream)) as events:
            async for event in events:
                if isinstance(event, ResponseCompleted):
                    response = event.response
        if response is None:
            raise MalformedResponse(f"{self.name} ended without an answer")
        return response
