"""A model that tells of its retries and re-asks, for runs that nobody streams."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeAlias

from agentkit.events import AttemptDiscarded, OutputRejected
from agentkit.messages import UserMessage
from agentkit.models import Model, ModelRequest, Profile, ResponseEvent

Told: TypeAlias = AttemptDiscarded | OutputRejected


class Watched:
    """`model`, and `told` is called for each retry and each correction that passes through; for one run."""

    def __init__(self, model: Model, told: Callable[[Told], None]) -> None:
        self._model = model
        self._told = told
        self._corrections = 0

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def profile(self) -> Profile:
        return self._model.profile

    async def events(self, request: ModelRequest, *, stream: bool) -> AsyncGenerator[ResponseEvent, None]:
        """See `Model.events`."""
        problems = _problems(request)
        if problems:
            self._corrections += 1
            self._told(OutputRejected(problems, self._corrections))
        async with aclosing(self._model.events(request, stream=stream)) as events:
            async for event in events:
                if isinstance(event, AttemptDiscarded):
                    self._told(event)
                yield event


def _problems(request: ModelRequest) -> tuple[str, ...]:
    """What the loop found wrong with the last output; none when the request is no correction."""
    last = request.messages[-1]
    if not isinstance(last, UserMessage) or all(part.trust != "system" for part in last.parts):
        return ()
    return tuple(line.removeprefix("- ") for line in last.text.splitlines() if line.startswith("- "))
