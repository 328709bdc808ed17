"""From a model's written name to a model, with what the models and runs of one process share."""

import functools

from agentkit.errors import ConfigurationError
from agentkit.models import Model
from agentkit.providers.chat_completions import ChatCompletionsModel
from agentkit.providers.gateways import gateway_named
from agentkit.tools import DaemonThreads


class Registry:
    """Resolves `"gateway:model"`, and holds what outlives a run. `Agent(registry=Registry())` isolates, as tests do.

    `threads` is how many sync tools run at once.
    """

    def __init__(self, *, threads: int = 32) -> None:
        self.threads = DaemonThreads(threads)
        self._models: dict[str, ChatCompletionsModel] = {}

    def model(self, name: str) -> Model:
        """The model of `"gateway:model"`, the same each time; a gateway alone means the model of its page.

        Raises:
            ConfigurationError: an unknown gateway, or a gateway alone that has no model of its own.
        """
        model = self._models.get(name)
        if model is None:
            model = self._models[name] = self._make(name)
        return model

    def _make(self, name: str) -> ChatCompletionsModel:
        prefix, _, model = name.partition(":")
        gateway = gateway_named(prefix)
        model = model or gateway.default_model or ""
        if not model:
            raise ConfigurationError(
                f"{name!r} names no model: write '{prefix}:' and the model's id, as in '{prefix}:name'"
            )
        return ChatCompletionsModel(model, gateway=gateway)


@functools.cache
def default_registry() -> Registry:
    """The one of this process."""
    return Registry()
