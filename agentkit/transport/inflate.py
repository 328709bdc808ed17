"""Bodies under gzip or deflate, opened as they come."""

import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from agentkit.errors import StreamTruncated

_LARGEST_PIECE = 1024 * 1024  # bytes


async def inflated(chunks: AsyncGenerator[bytes, None], encoding: str) -> AsyncGenerator[bytes, None]:
    """The opened body, in pieces of at most 1 MiB. `encoding` is gzip or deflate.

    A kilobyte may hold a megabyte of zeros; a reader with a limit can stop before it holds them all.

    Raises:
        StreamTruncated: what comes is not what its encoding says.
    """
    inflate = _Inflate(encoding)
    async with aclosing(chunks):
        async for chunk in chunks:
            try:
                for piece in inflate.feed(chunk):
                    yield piece
            except zlib.error as error:
                raise StreamTruncated(f"the answer cannot be decompressed: {error}") from error


class _Inflate:
    def __init__(self, encoding: str) -> None:
        self._start: bytes | None = b"" if encoding == "deflate" else None  # until it can be told which deflate it is
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` opens; servers send deflate with and without zlib's header."""
        if self._start is not None:
            data = self._start + data
            if len(data) < 2:
                self._start = data
                return
            wrapped = data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0
            self._start, self._stream = None, zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        more = True
        while more:
            piece = self._stream.decompress(data, _LARGEST_PIECE)
            if piece:
                yield piece
            data = self._stream.unconsumed_tail
            more = bool(data) or len(piece) == _LARGEST_PIECE
