"""A model behind Runware's task endpoint.

The OpenAI-compatible surface (`"runware:..."`) is the one for agents; this one is for what only tasks can do: several
results of one request, asynchronous delivery, webhooks, and the cost of each answer.
"""

from contextlib import aclosing
from typing import Unpack

from agentkit.errors import GatewayError
from agentkit.models import ModelRequest, ModelResponse
from agentkit.providers.delivery import Delivery, Line
from agentkit.providers.model import ProviderModel, ProviderOptions
from agentkit.providers.runware.delivery import Polling, TaskDelivery, TaskTerms, Way
from agentkit.providers.runware.encode import ToolsPlace
from agentkit.transport import RetryPolicy


class RunwareModel(ProviderModel):
    """A model id at Runware's task API, as in `openai:gpt@5.4-mini`; `gateway` is `"runware/tasks"` by default.

    `delivery` says how plain answers come; streamed ones come as a stream. `polling` holds for all but `"sync"`. Tools
    need `experimental_tools`, because no document says how calls come back; `tools_place` is where they go. The rest is
    `ProviderModel`'s. A retry is a new task; an answer that was lost on its way is asked for by the old task's UUID.
    """

    surface = "tasks"

    def __init__(
        self,
        model: str,
        *,
        delivery: Way = "sync",
        polling: Polling | None = None,
        experimental_tools: bool = False,
        tools_place: ToolsPlace = "task",
        **options: Unpack[ProviderOptions],
    ) -> None:
        if options.get("gateway") is None:
            options["gateway"] = "runware/tasks"
        self._terms = TaskTerms(
            way=delivery,
            polling=polling or Polling(),
            experimental_tools=experimental_tools,
            tools_place=tools_place,
        )
        super().__init__(model, **options)  # which makes the delivery, by these terms

    async def variations(self, request: ModelRequest, number: int) -> tuple[ModelResponse | GatewayError, ...]:
        """`number` answers (1 to 4) to one request, those that failed as errors, in the order in which they came.

        Raises:
            ConfigurationError: `number` is not 1 to 4, or the request has tools.
            GatewayError: there is not one answer.
        """
        several = self._tasks.several(number)
        async with aclosing(self._answer(request, several, stream=False)) as events:
            async for _ in events:
                pass
        return several.results

    def _make_delivery(self, line: Line, retry: RetryPolicy) -> Delivery:
        self._tasks = TaskDelivery(line, self.model, self._terms, retry)
        return self._tasks
