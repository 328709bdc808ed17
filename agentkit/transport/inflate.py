"""Bodies under gzip or deflate, opened as they come."""

import zlib
from collections.abc import Iterator

LARGEST_PIECE = 1024 * 1024  # bytes


class Inflate:
    """Opens a compressed body, a bounded piece at a time.

    A kilobyte may hold a megabyte of zeros; a reader with a limit can stop before it holds them all. `encoding` is gzip
    or deflate; servers send the latter with and without zlib's header.
    """

    def __init__(self, encoding: str) -> None:
        self._start: bytes | None = b"" if encoding == "deflate" else None  # until it can be told which deflate it is
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` opens, in pieces of at most 1 MiB.

        Raises:
            zlib.error: it is not what its encoding says.
        """
        if self._start is not None:
            data = self._start + data
            if len(data) < 2:
                self._start = data
                return
            wrapped = data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0
            self._start, self._stream = None, zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        more = True
        while more:
            piece = self._stream.decompress(data, LARGEST_PIECE)
            if piece:
                yield piece
            data = self._stream.unconsumed_tail
            more = bool(data) or len(piece) == LARGEST_PIECE
