"""A response body in memory, never larger than was asked for, whatever it was compressed to. Pure: chunks are given
to it.
"""

import zlib

from agentkit import ToolRetry

ACCEPTED = "gzip"


class Body:
    """Collects the first `max_bytes` of a body; no more than that is ever inflated.

    Args:
        encoding: The Content-Encoding header; "" for none.
        max_bytes: Counts decoded bytes, and the raw ones as well.

    Raises:
        ToolRetry: an encoding that was not asked for.
    """

    def __init__(self, encoding: str, max_bytes: int) -> None:
        name = encoding.strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip"):
            raise ToolRetry("The page is compressed in a way that was not asked for and cannot be read.")
        self._stream = None if name in ("", "identity") else _Gzip()
        self._max_bytes = max_bytes
        self._raw = 0
        self._data = bytearray()
        self._broken: str | None = None

    @property
    def full(self) -> bool:
        """Whether nothing more is taken: the limit is passed, or the compressed data is broken."""
        return self._broken is not None or max(self._raw, len(self._data)) > self._max_bytes

    def add(self, chunk: bytes) -> None:
        """Take the next chunk as it came over the wire."""
        if self.full:
            return
        room = self._max_bytes + 1 - len(self._data)
        self._raw += len(chunk)
        try:
            self._data += chunk[:room] if self._stream is None else self._stream.inflated(chunk, room)
        except zlib.error as error:
            # Kept, not raised: the caller is in the middle of a stream that it has to end in order.
            self._broken = str(error)

    def taken(self) -> tuple[bytes, bool]:
        """The decoded bytes, and whether they are the whole body; call it after the last chunk.

        Raises:
            ToolRetry: the compressed data is broken.
        """
        if self._broken is not None:
            raise ToolRetry(f"The page's compressed data is broken ({self._broken}).")
        return bytes(self._data[: self._max_bytes]), not self.full


class _Gzip:
    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)

    def inflated(self, data: bytes, room: int) -> bytes:
        out = b""
        while data and len(out) < room:
            if self._member.eof:
                if not data.startswith(b"\x1f"):
                    break  # padding after the last member
                self._member = zlib.decompressobj(31)
            out += self._member.decompress(data, room - len(out))
            data = self._member.unused_data
        return out
