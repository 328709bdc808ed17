"""Reasoning as a text that only this server can read: what `encrypted_content` is. Pure, so any server can open it.

It is no secret, only opaque: a client has to carry it, and cannot make or change one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

_MARK = "gAAAAAB"
_CHECK = 12  # bytes


def seal(reasoning: str) -> str:
    """The text of `reasoning`, closed."""
    data = reasoning.encode("utf-8", "replace")
    return _MARK + base64.urlsafe_b64encode(_check(data) + data).decode()


def opened(sealed: str) -> str | None:
    """What was closed, None when it is nothing that `seal` made."""
    try:
        data = base64.urlsafe_b64decode(sealed.removeprefix(_MARK).encode("ascii"))
    except (binascii.Error, ValueError):
        return None
    check, text = data[:_CHECK], data[_CHECK:]
    return text.decode() if sealed.startswith(_MARK) and check == _check(text) else None


def _check(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_CHECK, person=b"reasoning").digest()
