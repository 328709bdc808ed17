"""An immutable sequence of messages whose extensions share their prefix.

Runs, requests and results hold the same log; a `History` is a length on it. Extending the newest history appends to the
log, extending an older one copies the prefix to a log of its own, so no history ever sees another's messages.

Beside the messages the log keeps a side table, key -> something made of each message, which makes a step cost what is
new: an adapter encodes each message once, whoever holds the history. Equality, repr and JSON do not see the table.
"""

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

from agentkit.messages import codec
from agentkit.messages.message import Message

T = TypeVar("T")


class _Log:
    """Messages that are only ever appended, and what adapters made of them."""

    __slots__ = ("lock", "messages", "sound", "tables")

    def __init__(self, messages: list[Message], tables: dict[Hashable, list[Any]]) -> None:
        self.messages = messages
        self.tables = tables
        self.sound = {0}  # lengths up to which the messages are known to be valid to send
        self.lock = threading.Lock()  # histories may be shared between threads


class History(Sequence[Message]):
    """The messages of a conversation, immutable. Give it to a later run to go on from there."""

    __slots__ = ("_length", "_log")

    _log: _Log
    _length: int

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        if isinstance(messages, History):
            self._log, self._length = messages._log, messages._length
            return
        self._log = _Log(list(messages), {})
        self._length = len(self._log.messages)

    def extended(self, messages: Iterable[Message]) -> "History":
        """This history followed by `messages`."""
        log, added = self._log, list(messages)
        with log.lock:
            if len(log.messages) != self._length:  # someone else went on from here: part ways
                tables = {key: table[: self._length] for key, table in log.tables.items()}
                log = _Log(log.messages[: self._length], tables)
            log.messages.extend(added)
        return self._view(log, self._length + len(added))

    def prefix(self, length: int) -> "History":
        """The first `length` messages, sharing this log.

        Raises:
            ValueError: there are not so many.
        """
        if not 0 <= length <= self._length:
            raise ValueError(f"a prefix of {length} messages was asked of a history of {self._length}")
        return self._view(self._log, length)

    def derived(self, key: Hashable, make: Callable[[Sequence[Message], int], T]) -> list[T]:
        """What `make(messages, index)` gives for each message, each made once per `key`. Not to be changed.

        For adapters, which keep encoded messages here. `make` must depend on nothing but the messages up to `index`.
        """
        log = self._log
        with log.lock:
            table: list[T] = log.tables.setdefault(key, [])
            table.extend(make(log.messages, index) for index in range(len(table), self._length))
            return table[: self._length]  # a copy: another thread may extend the table while this one is in use

    @property
    def is_sound(self) -> bool:
        """Whether it is known to be valid to send; False says only that nobody has looked."""
        return self._length in self._log.sound

    def mark_sound(self) -> None:
        """Say that it is valid to send: for whoever has checked it, or made it so."""
        self._log.sound.add(self._length)

    def to_json(self) -> bytes:
        """The messages as a JSON array; `from_json` gives back an equal history."""
        return codec.encode_messages(self)

    @classmethod
    def from_json(cls, data: str | bytes) -> "History":
        """The history that `to_json` wrote.

        Raises:
            ValueError: the text is not such an array; the message names the entry.
        """
        return cls(codec.decode_messages(data))

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Message, ...]: ...
    def __getitem__(self, index: int | slice) -> Message | tuple[Message, ...]:
        if isinstance(index, slice):
            return tuple(self._log.messages[i] for i in range(*index.indices(self._length)))
        if not -self._length <= index < self._length:
            raise IndexError(f"history has {self._length} messages, there is no [{index}]")
        return self._log.messages[index if index >= 0 else self._length + index]

    def __iter__(self) -> Iterator[Message]:
        messages = self._log.messages
        return (messages[i] for i in range(self._length))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, History):
            return self[:] == other[:]
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as with list: equality by content, so no hash by identity

    def __repr__(self) -> str:
        return f"History({list(self)!r})"

    @classmethod
    def _view(cls, log: _Log, length: int) -> "History":
        history = cls.__new__(cls)
        history._log, history._length = log, length
        return history
