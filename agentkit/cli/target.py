"""Who answers: the embedded gateway, or a model that the user names."""

import os
from dataclasses import dataclass

from agentkit.errors import ConfigurationError, MissingKey
from agentkit.providers import GATEWAYS, LearnedProfiles, ProviderModel
from agentkit.providers.gateways import gateway_named
from agentkit.providers.registry import model_class


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A written model name, taken apart."""

    gateway: str | None
    model: str


@dataclass(frozen=True, slots=True)
class Target:
    """What the user said of the model. All None: the embedded gateway."""

    model: str | None = None
    base_url: str | None = None
    key_variable: str | None = None

    @property
    def embedded(self) -> bool:
        return self.model is None

    def problem(self, *, faulty: bool) -> str | None:
        """What is wrong with the options, in a sentence; None when they fit together."""
        if self.model is None:
            given = "--base-url" if self.base_url else "--api-key-env" if self.key_variable else None
            return f"{given} needs --model as well" if given else None
        if faulty:
            return "--fault is for the embedded gateway: leave out --model, or the fault"
        return None

    def make(self, learned: LearnedProfiles | None = None) -> ProviderModel:
        """The model that the user named; nothing is sent yet.

        Raises:
            ConfigurationError: an unknown gateway, or a URL that is none.
            MissingKey: the variable that should hold the key is not set.
        """
        if self.model is None:
            raise AssertionError("the embedded gateway makes its own model")
        named = _taken_apart(self.model, other_server=self.base_url is not None)
        surface = gateway_named(named.gateway).surface if named.gateway is not None else "chat_completions"
        return model_class(surface)(
            named.model, base_url=self.base_url, gateway=named.gateway, api_key=self._key(), learned=learned
        )

    def _key(self) -> str | None:
        if self.key_variable is None:
            return None
        key = os.environ.get(self.key_variable)
        if not key:
            text = f"the environment variable {self.key_variable} is not set: put the gateway's API key in it"
            raise MissingKey(text, variable=self.key_variable)
        return key


def _taken_apart(name: str, *, other_server: bool) -> _Named:
    """`gateway:model`; where a base URL says which server, a name without a known gateway is all model.

    Raises:
        ConfigurationError: an unknown gateway, or no model.
    """
    prefix, _, model = name.partition(":")
    if other_server and prefix not in GATEWAYS:
        return _Named(gateway=None, model=name)
    chosen = model or gateway_named(prefix).default_model
    if not chosen:
        raise ConfigurationError(f"{name} names no model: write {prefix}: and the model's id after it")
    return _Named(gateway=prefix, model=chosen)
