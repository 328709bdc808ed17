"""Calls the webhooks of finished tasks, from a thread of its own, each once: a call that fails is not repeated."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from agentkit._json import dumps
from agentkit.emulator.faults import WEBHOOKS, Faults

_UNKNOWN = "00000000-0000-4000-8000-000000000000"
_PATIENCE = 5.0  # seconds that a webhook may take to answer


class Webhooks:
    """Posts finished items, in the order in which they are given.

    Faults: `webhook_lost` makes no call, `webhook_twice` makes it twice, `webhook_unknown` makes one before it that
    is about a task that nobody asked for.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._calls: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()

    def post(self, url: str, body: Mapping[str, Any]) -> None:
        """Has `body` posted to `url`; returns at once."""
        text = dumps(body)
        fault = self._faults.take(lambda wanted: wanted.encode() in text, WEBHOOKS)
        match fault.name if fault is not None else None:
            case "webhook_lost":
                return
            case "webhook_twice":
                self._enqueue(url, text)
            case "webhook_unknown":
                self._enqueue(url, dumps(_about_another(body)))
            case _:
                pass
        self._enqueue(url, text)

    def join(self) -> None:
        """Returns when the calls so far have been made, or after a moment."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._calls.put(None)
            thread.join(1.0)

    def _enqueue(self, url: str, text: bytes) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="agentkit-emulator-webhooks", daemon=True)
                self._thread.start()
        self._calls.put((url, text))

    def _run(self) -> None:
        from http.client import HTTPException  # not before there is a webhook: it is slow to load

        while (call := self._calls.get()) is not None:
            with contextlib.suppress(OSError, HTTPException):  # nobody there: the call is lost
                _call(*call)


def _call(url: str, text: bytes) -> None:
    from http.client import HTTPConnection

    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=_PATIENCE)
    with contextlib.closing(connection):
        connection.request("POST", path, text, {"content-type": "application/json"})
        connection.getresponse().read()


def _about_another(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: [{**entry, "taskUUID": _UNKNOWN} for entry in entries] for name, entries in body.items()}
