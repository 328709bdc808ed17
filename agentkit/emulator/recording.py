"""A brain that answers as a real gateway once did, from a file of recorded exchanges."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from agentkit._json import loads
from agentkit.emulator.brain import NoReply, Raw

_COMPARED = ("model", "messages", "tools", "stream")
_EVENT_END = re.compile(r"(?<=\n\n)|(?<=\r\n\r\n)")
# What belonged to the recorded connection and would be wrong on this one.
_DROPPED = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection", "keep-alive", "date"})


@dataclass(frozen=True, slots=True)
class _Exchange:
    line: int
    key: Mapping[str, Any]
    answer: Raw


class Recording:
    """A brain that replays recorded exchanges.

    The file has one JSON object a line: `request` (the decoded body), `status`, `headers`, `body` (the response's text)
    and `stream` (whether that is an event stream). It is read at the first request. A request matches by model,
    messages, tools and stream; several exchanges of one request are replayed in order, and the last one then stays.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._exchanges: list[_Exchange] | None = None
        self._replayed: set[int] = set()

    def reply(self, request: Mapping[str, Any], /) -> Raw:
        """The recorded answer to `request`.

        Raises:
            NoReply: the file has no such request (it says where the nearest one differs), or cannot be read.
        """
        with self._lock:
            if self._exchanges is None:
                self._exchanges = self._read()
            key = _key(request, bool(request.get("stream")))
            found = [exchange for exchange in self._exchanges if exchange.key == key]
            if not found:
                raise NoReply(self._unknown(key))
            chosen = next((exchange for exchange in found if exchange.line not in self._replayed), found[-1])
            self._replayed.add(chosen.line)
            return chosen.answer

    def _read(self) -> list[_Exchange]:
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError as error:
            raise NoReply(f"cannot read the recording {self._path}: {error.strerror}") from None
        return [self._exchange(number, line) for number, line in enumerate(lines, 1) if line.strip()]

    def _exchange(self, number: int, line: bytes) -> _Exchange:
        try:
            record = loads(line)
            stream, headers = bool(record.get("stream")), record.get("headers") or {}
            default = "text/event-stream" if stream else "application/json"
            kept = {name.lower(): value for name, value in headers.items() if name.lower() not in _DROPPED}
            chunks = _EVENT_END.split(record["body"]) if stream else [record["body"]]
            answer = Raw(
                tuple(chunk.encode() for chunk in chunks if chunk),
                status=record["status"],
                headers={"content-type": default, **kept},
            )
            return _Exchange(number, _key(record["request"], stream), answer)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise NoReply(f"line {number} of the recording {self._path} is no exchange: {error!r}") from None

    def _unknown(self, key: Mapping[str, Any]) -> str:
        exchanges = self._exchanges or []
        if not exchanges:
            return f"the recording {self._path} is empty"
        differences = [(_first_difference(exchange.key, key, ""), exchange.line) for exchange in exchanges]
        where, line = max(differences, key=lambda difference: _rank(difference[0]))
        return f"no recorded exchange has this request; the nearest one (line {line}) differs in {where}"


def _key(request: Mapping[str, Any], stream: bool) -> dict[str, Any]:
    return {**{name: request.get(name) for name in _COMPARED}, "stream": stream}


def _first_difference(recorded: Any, asked: Any, path: str) -> str:
    """Where the two first differ, as a path."""
    if isinstance(recorded, Mapping) and isinstance(asked, Mapping):
        name = next(name for name in (*recorded, *asked) if recorded.get(name, ...) != asked.get(name, ...))
        return _first_difference(recorded.get(name), asked.get(name), f"{path}.{name}" if path else str(name))
    if _is_list(recorded) and _is_list(asked):
        for index, (left, right) in enumerate(zip(recorded, asked, strict=False)):
            if left != right:
                return _first_difference(left, right, f"{path}[{index}]")
        return f"{path}[{min(len(recorded), len(asked))}]"
    return path


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _rank(path: str) -> tuple[int, int]:
    """Higher for what differs later: a request that agrees up to a late message is the nearest."""
    index = re.match(r"messages\[(\d+)\]", path)
    return _COMPARED.index(re.split(r"[.\[]", path)[0]), int(index[1]) if index else 0
