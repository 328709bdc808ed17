"""What agentkit tells the log: structured events on the standard logger `agentkit`, silent until someone listens.

structlog renders them (event name as the message, fields as `extra` of the log record) and is imported on the first
record that is enabled. Nothing is configured globally. Message content and arguments are never logged; the text of
exceptions is.

Events: `request`, `retry`, `response`, `tool`, `turn`, `run`, `failure`, `warning`; the fields are ids, attempt,
finish_reason, tokens, cost (USD) and seconds.
"""

import functools
import logging
import re
from collections.abc import MutableMapping
from typing import Any, Literal, TypeAlias

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

_LEVELS: dict[Level, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_LOGGER = logging.getLogger("agentkit")
_LOGGER.addHandler(logging.NullHandler())

_KEY_LIKE = re.compile(r"\b(?:sk|ms|rk|pk|key|gsk|xai)-[A-Za-z0-9_\-]{6,}|(?i:\bbearer\s+)[A-Za-z0-9._~+/=\-]{6,}")
_LONG = 8  # characters of a secret that no word holds by chance
_SECRET_FIELD = re.compile(r"authorization|api[_-]?key|secret|password|token$", re.IGNORECASE)


def emit(level: Level, event: str, /, **fields: Any) -> None:
    """Log `event` with `fields`; costs next to nothing while nobody listens."""
    number = _LEVELS[level]
    if _LOGGER.isEnabledFor(number) and _somebody_listens():
        _structured().log(number, event, **fields)


def redact(text: str, *secrets: str) -> str:
    """`text` without anything that looks like a key, and without the given secrets.

    A short secret is one that a local server takes for want of a key (`x`, `token`): it goes as a word of its own only,
    or it would spoil other words, `max_tokens` say.
    """
    for secret in secrets:
        if len(secret) >= _LONG:
            text = text.replace(secret, "[key]")
        elif secret:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "[key]", text)
    return _KEY_LIKE.sub("[key]", text)


def _somebody_listens() -> bool:
    logger: logging.Logger | None = _LOGGER
    while logger is not None:
        if not all(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


@functools.cache
def _structured() -> Any:
    import structlog

    return structlog.wrap_logger(
        _LOGGER,
        processors=[_redacted, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _redacted(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in fields.items():
        if _SECRET_FIELD.search(name):
            fields[name] = "[key]"
        elif isinstance(value, str):
            fields[name] = redact(value)
    return fields
