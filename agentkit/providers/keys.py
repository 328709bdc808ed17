"""API keys: where they come from, and which cannot be one. No key is ever part of a message."""

import os

from agentkit.errors import ConfigurationError, MissingKey


def resolve_key(given: str | None, variable: str | None, gateway: str, *, required: bool) -> str | None:
    """The key given, or the one in the environment variable; None where none is needed.

    Raises:
        MissingKey: there is none and the gateway wants one; the message names the variable.
        ConfigurationError: it cannot be sent in a header as it stands.
    """
    if given is not None:
        return _checked(given, "the key given as api_key=")
    if variable is not None:
        found = os.environ.get(variable)
        if found:
            return _checked(found, f"the key in {variable}")
    if not required:
        return None
    raise MissingKey(
        f"{gateway} wants an API key: set the environment variable {variable}, or pass api_key=", variable=variable
    )


def _checked(key: str, where: str) -> str:
    problem = _problem(key)
    if problem is not None:
        raise ConfigurationError(f"{where} {problem}: set it to the bare key, as the gateway's page shows it")
    return key


def _problem(key: str) -> str | None:
    if not key:
        return "is empty"
    if "\n" in key or "\r" in key:
        return "has a newline in it"
    if key.lower().startswith("bearer"):
        return 'begins with "Bearer", which agentkit adds itself'
    if any(character.isspace() for character in key):
        return "has a blank in it"
    if not key.isascii() or not key.isprintable():
        return "has characters that are not printable ASCII"
    return None
