"""Server-sent events from bytes.

Lines end at LF, CRLF or CR and nowhere else: text helpers also split at U+2028, U+2029 and U+0085, which are ordinary
characters inside a JSON string. Source: WHATWG HTML, "Server-sent events", and the traffic of real gateways, which is
laxer.
"""

from dataclasses import dataclass

from agentkit.errors import MalformedResponse

MAX_LINE = 32 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event. `name` is empty when the server gave none; `data` is its data lines joined with LF."""

    name: str
    data: bytes


class ServerSentEvents:
    """Cuts a byte stream into events, wherever its chunks are cut. Work and memory are linear in the bytes."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []  # the unfinished line
        self._pending_size = 0
        self._after_cr = False
        self._at_start = True
        self._name = ""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that `chunk` completes.

        Raises:
            MalformedResponse: a line of more than 32 MiB.
        """
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk.startswith(b"\n"):
                chunk = chunk[1:]
        has_cr = b"\r" in chunk
        if not has_cr and b"\n" not in chunk:
            self._hold(chunk)
            return []
        if self._pending:
            self._pending.append(chunk)
            chunk = b"".join(self._pending)
        if has_cr:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = chunk.split(b"\n")
        self._pending, self._pending_size = [], 0
        if rest:
            self._hold(rest)
        return self._events(lines)

    def close(self) -> list[ServerSentEvent]:
        """The event that the end of the stream completes: some servers leave out the last blank line."""
        line = b"".join(self._pending)
        self._pending, self._pending_size = [], 0
        return self._events([line, b""])

    def _hold(self, piece: bytes) -> None:
        self._pending.append(piece)
        self._pending_size += len(piece)
        if self._pending_size > MAX_LINE:
            raise MalformedResponse(
                f"the server sent more than {MAX_LINE // 2**20} MiB without a line end; this is no event stream"
            )

    def _events(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        for line in lines:
            if self._at_start:
                self._at_start = False
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif not line:
                if self._data or self._name:
                    events.append(ServerSentEvent(self._name, b"\n".join(self._data)))
                    self._name, self._data = "", []
            elif line.startswith(b"event:"):
                self._name = line[6:].strip().decode(errors="replace")
            elif line == b"data":
                self._data.append(b"")
        return events
