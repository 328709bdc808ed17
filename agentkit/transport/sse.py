"""Server-sent events from bytes.

Lines end at LF, CRLF or CR and nowhere else: text helpers also split at U+2028, U+2029 and U+0085, which are ordinary
characters inside a JSON string. Source: WHATWG HTML, "Server-sent events", and the traffic of real gateways, which is
laxer.
"""

from typing import NamedTuple

from agentkit.errors import MalformedResponse

MAX_LINE = 32 * 1024 * 1024  # bytes of a line, and of the data of an event

_BOM = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event. `name` is empty when the server gave none; `data` is its data lines joined with LF."""

    name: str
    data: bytes


class ServerSentEvents:
    """Cuts a byte stream into events, wherever its chunks are cut. Work and memory are linear in the bytes."""

    def __init__(self) -> None:
        self._pending = bytearray()  # the unfinished line
        self._after_cr = False
        self._at_start = True
        self._between = False  # nothing of the next event has come
        self._name = ""
        self._data: list[bytes] = []
        self._data_size = 0

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that `chunk` completes.

        Raises:
            MalformedResponse: a line, or the data of an event, of more than 32 MiB.
        """
        if (
            self._between  # one event on one line, as nearly every chunk is: half the cost of the way for all others
            and chunk.startswith(b"data: ")
            and chunk.endswith(b"\n\n")
            and chunk.find(b"\n") == len(chunk) - 2
            and b"\r" not in chunk
        ):
            return [ServerSentEvent("", chunk[6:-2])]
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk.startswith(b"\n"):
                chunk = chunk[1:]
        has_cr = b"\r" in chunk
        if not has_cr and b"\n" not in chunk:
            self._hold(chunk)
            return []
        if self._pending:
            chunk = bytes(self._pending) + chunk
            self._pending.clear()
        if has_cr:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        self._hold(lines.pop())
        return self._events(lines)

    def close(self) -> list[ServerSentEvent]:
        """The event that the end of the stream completes: some servers leave out the last blank line."""
        line = bytes(self._pending)
        self._pending.clear()
        return self._events([line, b""])

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._between = False
            self._pending += piece
            if len(self._pending) > MAX_LINE:
                raise MalformedResponse(
                    f"the server sent more than {MAX_LINE // 2**20} MiB without a line end; this is no event stream"
                )

    def _events(self, lines: list[bytes]) -> list[ServerSentEvent]:
        if self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        events: list[ServerSentEvent] = []
        name, data, size = self._name, self._data, self._data_size
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[6:] if line.startswith(b"data: ") else line[5:])
                size += len(line)
            elif not line:
                if data or name:
                    events.append(ServerSentEvent(name, b"\n".join(data)))
                    name, data, size = "", [], 0
            elif line.startswith(b"event:"):
                name = line[6:].strip().decode(errors="replace")
            elif line == b"data":
                data.append(b"")
                size += len(line)
        self._name, self._data, self._data_size = name, data, size
        self._between = not (data or name or self._pending or self._after_cr)
        if size > MAX_LINE:
            raise MalformedResponse(
                f"the server sent more than {MAX_LINE // 2**20} MiB of data without the blank line that ends an event"
            )
        return events
