"""The log as JSON lines."""

import datetime
import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TextIO

_OF_LOGGING = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """A record as one JSON object: time (UTC), level, event, then the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        entry: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        entry.update({name: value for name, value in vars(record).items() if name not in _OF_LOGGING})
        return json.dumps(entry, ensure_ascii=True, default=str)


@contextmanager
def json_log(out: TextIO) -> Generator[None, None, None]:
    """While the block runs, everything that agentkit logs goes to `out`."""
    logger = logging.getLogger("agentkit")
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
