"""Who answers: the embedded gateway, or a model that the user names."""

import os
from dataclasses import dataclass
from pathlib import Path

from agentkit.errors import ConfigurationError, MissingKey
from agentkit.models import Profile
from agentkit.providers import GATEWAYS, Gateway, LearnedProfiles, ProviderModel
from agentkit.providers.gateways import Surface, on_surface
from agentkit.providers.registry import model_class, named


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the user said of the model. All None: the embedded gateway.

    `profile` is a file that `agentkit check --save` has written. `key_variable` names the environment variable that
    holds the key, in place of the gateway's own.
    """

    model: str | None = None
    base_url: str | None = None
    surface: Surface | None = None
    key_variable: str | None = None
    profile: Path | None = None

    @property
    def embedded(self) -> bool:
        return self.model is None

    @property
    def note(self) -> str | None:
        """What the user may not expect of the key, in a sentence; None when there is nothing to say."""
        if self.model is None:
            return None
        gateway, _ = self._named(self.model)
        variable = gateway.key_variable if gateway is not None else None
        if gateway is None or variable is None or self.key_variable or self._at_home(gateway):
            return None
        if not os.environ.get(variable):
            return None
        return (
            f"{variable} is for {gateway.base_url} and is not sent to another base URL: to send it to yours, add "
            f"--api-key-env {variable}"
        )

    def problem(self, *, faulty: bool) -> str | None:
        """What is wrong with the options, in a sentence; None when they fit together."""
        if self.model is None:
            options = {
                "--base-url": self.base_url,
                "--surface": self.surface,
                "--api-key-env": self.key_variable,
                "--profile": self.profile,
            }
            given = next((name for name, value in options.items() if value), None)
            return f"{given} needs --model as well" if given else None
        if faulty:
            return "--fault is for the embedded gateway: leave out --model, or the fault"
        return None

    def make(self, learned: LearnedProfiles | None = None) -> ProviderModel:
        """The model that the user named; nothing is sent yet.

        Raises:
            ConfigurationError: an unknown gateway, one that is not asked on that surface, a URL that is none, or a file
                that holds no profile.
            MissingKey: the variable that should hold the key is not set.
        """
        if self.model is None:
            raise AssertionError("the embedded gateway makes its own model")
        gateway, model = self._named(self.model)
        surface = self.surface or (gateway.surface if gateway is not None else "chat_completions")
        return model_class(surface)(
            model,
            base_url=self.base_url,
            gateway=gateway,
            api_key=self._key(gateway),
            profile=None if self.profile is None else _profile(self.profile),
            learned=learned,
        )

    def _named(self, name: str) -> tuple[Gateway | None, str]:
        """The preset and the model id; where a base URL says which server, a name without a known gateway is all id."""
        prefix = name.partition(":")[0]
        if self.base_url is not None and prefix not in GATEWAYS:
            return None, name
        if prefix.partition("/")[0] not in GATEWAYS:
            known = ", ".join(each for each in GATEWAYS if "/" not in each)
            raise ConfigurationError(
                f"{prefix!r} is not a known gateway: write one of them before the model ({known}), or give --base-url "
                f"with the URL of a server that serves {name!r}"
            )
        gateway, model = named(name)
        if self.surface is None:
            return gateway, model
        preset = on_surface(gateway.name, self.surface)
        if preset is None:
            raise ConfigurationError(
                f"{gateway.name} has no surface {self.surface}: leave out --surface, or the gateway"
            )
        return preset, model

    def _at_home(self, gateway: Gateway) -> bool:
        """Whether the request goes to the gateway's own address, where its key may go."""
        return self.base_url is None or self.base_url.rstrip("/") == gateway.base_url.rstrip("/")

    def _key(self, gateway: Gateway | None) -> str | None:
        """The key that the options name; None leaves it to the model to find its own."""
        if self.key_variable is not None:
            key = os.environ.get(self.key_variable)
            if not key:
                text = f"the environment variable {self.key_variable} is not set: put the gateway's API key in it"
                raise MissingKey(text, variable=self.key_variable)
            return key
        variable = gateway.key_variable if gateway is not None and gateway.key_required else None
        if gateway is not None and variable is not None and self._at_home(gateway) and not os.environ.get(variable):
            text = (
                f"{gateway.name} wants an API key: set the environment variable {variable}, or name the one that holds "
                "it with --api-key-env"
            )
            raise MissingKey(text, variable=variable)
        return None


def _profile(path: Path) -> Profile:
    """The profile in a file."""
    try:
        return Profile.from_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error
