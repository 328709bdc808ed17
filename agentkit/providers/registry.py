"""From a model's written name to a model, with what the models and runs of one process share."""

import functools
from collections.abc import Mapping
from typing import Any, assert_never

from agentkit.errors import ConfigurationError
from agentkit.models import Model, Profile
from agentkit.providers.chat_completions import ChatCompletionsModel
from agentkit.providers.gateways import Gateway, Surface, gateway_named
from agentkit.providers.learned import LearnedProfiles, process_profiles
from agentkit.providers.model import ProviderModel
from agentkit.tools import DaemonThreads


def model_class(surface: Surface) -> type[ProviderModel]:
    """The class of a surface's models; wires other than Chat Completions are imported here, when they are wanted."""
    match surface:
        case "chat_completions":
            return ChatCompletionsModel
        case "responses":
            from agentkit.providers.responses import ResponsesModel

            return ResponsesModel
        case "messages":
            from agentkit.providers.messages import MessagesModel

            return MessagesModel
        case "tasks":
            from agentkit.providers.runware import RunwareModel

            return RunwareModel
        case _:
            assert_never(surface)


def named(name: str) -> tuple[Gateway, str]:
    """The preset and the model id that `"gateway:model"` means; a gateway alone means the model of its page.

    Raises:
        ConfigurationError: an unknown gateway, or a gateway alone that has no model of its own.
    """
    prefix, _, model = name.partition(":")
    gateway = gateway_named(prefix)
    model = model or gateway.default_model or ""
    if not model:
        raise ConfigurationError(
            f"{name!r} names no model: write '{prefix}:' and the model's id, as in '{prefix}:name'"
        )
    return gateway, model


class Registry:
    """Resolves `"gateway:model"`, and holds what outlives a run. `Agent(registry=Registry())` isolates, as tests do.

    `threads` is how many sync tools run at once. `profiles` says by name what models accept, in place of the presets:
    what `agentkit check` has saved, say.
    """

    def __init__(
        self,
        *,
        threads: int = 32,
        profiles: Mapping[str, Profile] | None = None,
        learned: LearnedProfiles | None = None,
    ) -> None:
        self.threads = DaemonThreads(threads)
        self.journals: dict[str, Any] = {}  # by file, kept by the agents that write into them
        self._profiles = dict(profiles or {})
        self._learned = learned or LearnedProfiles()
        self._models: dict[str, ProviderModel] = {}

    def model(self, name: str) -> Model:
        """The model of `"gateway:model"`, the same each time; a gateway alone means the model of its page.

        Raises:
            ConfigurationError: an unknown gateway, or a gateway alone that has no model of its own.
        """
        model = self._models.get(name)
        if model is None:
            model = self._models[name] = self._make(name)
        return model

    def _make(self, name: str) -> ProviderModel:
        gateway, model = named(name)
        profile = self._profiles.get(name) or self._profiles.get(f"{gateway.name}:{model}")
        return model_class(gateway.surface)(model, gateway=gateway, profile=profile, learned=self._learned)


@functools.cache
def default_registry() -> Registry:
    """The one of this process."""
    return Registry(learned=process_profiles())
