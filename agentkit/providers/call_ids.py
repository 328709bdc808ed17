"""Ids of calls: for those that came without one, and for servers that want them short and plain.

The history keeps the ids that the model gave; each is told to such a server in one and the same other form, so calls
and their results go on belonging together.
"""

import hashlib
import string
import uuid

from agentkit.models import Profile

_ALPHABET = string.digits + string.ascii_letters


def fresh_id() -> str:
    """An id that no other call has."""
    return f"call_{uuid.uuid4().hex[:16]}"


def fitted_id(call_id: str, profile: Profile) -> str:
    """The id as the server takes it: itself, or as many letters and digits as the profile says, made from it."""
    length = profile.tool_id_length
    if length is None or (len(call_id) == length and call_id.isascii() and call_id.isalnum()):
        return call_id
    number = int.from_bytes(hashlib.sha256(call_id.encode(errors="surrogatepass")).digest())
    letters: list[str] = []
    for _ in range(length):
        number, place = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[place])
    return "".join(letters)
