"""The signature of a thinking block: proof that its text is what this server said. Pure, so any server can check it."""

from __future__ import annotations

import base64
import hashlib
import hmac


def signature(thinking: str) -> str:
    """The signature of a thinking text."""
    data = thinking.encode("utf-8", "replace")
    return "Eq" + base64.b64encode(hashlib.blake2b(data, digest_size=30, person=b"thinking").digest()).decode()


def signed(thinking: str, given: str) -> bool:
    """Whether `given` is the signature of `thinking`."""
    return hmac.compare_digest(signature(thinking).encode(), given.encode("utf-8", "replace"))
