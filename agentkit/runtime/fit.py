"""Keeping the history within what the model takes: by its declared context before a request, by its refusal after one.

Only where the agent was given a compaction; a refusal triggers it once for a turn.
"""

import re
from contextlib import aclosing

from agentkit import telemetry
from agentkit.errors import ContextOverflow, EmptyResponse
from agentkit.models import AttemptDiscarded, AttemptStarting, ModelRequest, ModelResponse, ResponseCompleted
from agentkit.runtime.run import Run

_SHARE = 0.6  # of the estimate, when the server does not say how much it takes
_SAID = re.compile(r"(?:maximum|limit|context|at most|up to)\D{0,60}?(\d{3,8})", re.IGNORECASE)


async def fit(run: Run) -> None:
    """Compact the history before a request that the declared context would not take."""
    context = run.spec.model.profile.context
    if run.spec.compaction is None or context is None:
        return
    room = context - run.output_tokens(run.settings.max_tokens)
    if run.input_tokens() > room:
        await _compact(run, room)


async def fit_after(run: Run, error: ContextOverflow) -> bool:
    """Compact the history after the server has refused it; whether there is anything else to send now."""
    if run.spec.compaction is None:
        return False
    estimated = run.input_tokens()
    said = _SAID.search(error.provider_message or "")
    room = int(said[1]) - run.output_tokens(run.settings.max_tokens) if said else 0
    if not 0 < room < estimated:
        room = int(estimated * _SHARE)
    return await _compact(run, room)


async def _compact(run: Run, room: int) -> bool:
    compaction = run.spec.compaction
    if compaction is None:
        return False
    before = len(run.history)

    async def ask(request: ModelRequest) -> ModelResponse:
        return await _asked(run, request)

    shorter = await compaction.compact(run.history, keep=max(1, room - run.fixed_tokens()), ask=ask)
    if shorter is run.history:
        return False
    run.replace(shorter)
    text = f"the history was compacted from {before} to {len(shorter)} messages"
    run.warnings.append(text)
    telemetry.emit("warning", "warning", run_id=run.run_id, text=text)
    return True


async def _asked(run: Run, request: ModelRequest) -> ModelResponse:
    """One answer of the run's model, within the run's limits.

    Raises:
        LimitReached: it does not fit; it was not sent.
        GatewayError: no attempt succeeded.
    """
    price = run.spec.model.profile.price
    held = None
    try:
        async with aclosing(run.spec.model.events(request, stream=False)) as events:
            async for event in events:
                match event:
                    case AttemptStarting(max_tokens=bound):
                        held = run.budget.reserve(run.input_tokens(), run.output_tokens(bound), price)
                    case AttemptDiscarded(billed=billed) if held is not None:
                        run.budget.discard(held, 0, billed=billed)
                        held = None
                    case ResponseCompleted(response) if held is not None:
                        run.budget.settle(held, response.usage, price)
                        held = None
                        return response
                    case _:
                        pass
    finally:
        if held is not None:
            run.budget.discard(held, 0, billed=None)
    raise run.ended(EmptyResponse, "the model gave no summary")
