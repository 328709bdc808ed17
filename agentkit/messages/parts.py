"""What a message is made of: frozen parts, each saying where its text came from."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

Trust: TypeAlias = Literal["system", "user", "tool", "web"]
"""Who wrote a text, from most to least trusted: the developer, the user, a tool's own words, or the open world."""

ImageDetail: TypeAlias = Literal["auto", "low", "high"]

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of text."""

    text: str
    trust: Trust = "user"


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image, either by `url` (http, https or a data URI, which the server reads) or as `data` bytes.

    `media_type` goes with `data` (image/png, image/jpeg, image/gif, image/webp). `acknowledged` goes with the
    screenshot of a computer: the ids of the vendor's safety checks that someone has agreed to.
    """

    url: str | None = None
    data: bytes | None = None
    media_type: str | None = None
    detail: ImageDetail | None = None
    trust: Trust = "user"
    acknowledged: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.url is None) == (self.data is None):
            raise ValueError("an image has either url= or data=, not both and not neither")
        if self.data is not None and self.media_type is None:
            object.__setattr__(self, "media_type", _image_type(self.data))

    @classmethod
    def from_path(cls, path: str | Path, *, detail: ImageDetail | None = None) -> "ImagePart":
        """The image in a local file, read now.

        Raises:
            OSError: the file cannot be read.
            ValueError: neither the name nor the content says that it is an image.
        """
        data = Path(path).read_bytes()
        try:
            return cls(data=data, detail=detail)  # the content knows better than the name
        except ValueError:
            media_type = _type_by_name(str(path))
            if media_type is None:
                raise
        return cls(data=data, media_type=media_type, detail=detail)

    def as_url(self) -> str:
        """The URL, or the data as a data URI."""
        if self.data is None:
            return self.url or ""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True, slots=True)
class FilePart:
    """A document handed to the model as it is (a PDF, say). Which kinds are read is the server's business."""

    data: bytes
    media_type: str
    name: str
    trust: Trust = "user"

    def as_url(self) -> str:
        """The data as a data URI."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """What the model thought before it answered.

    `field` names where the server put it (`reasoning_content`, `reasoning`, `think` for inline tags, `thinking` for a
    content part): some servers refuse the next request unless it comes back in the same place.
    """

    text: str
    field: str = "reasoning_content"


@dataclass(frozen=True, slots=True)
class RefusalPart:
    """The model's own words for why it will not answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for.

    `arguments` is the decoded object; None when the model's text is not a JSON object, and `problem` then says where
    it goes wrong. `arguments_text` is the model's text as it came, `extra` opaque vendor fields that go back unchanged.
    """

    id: str
    name: str
    arguments: dict[str, Any] | None
    arguments_text: str = ""
    problem: str | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


UserPart: TypeAlias = TextPart | ImagePart | FilePart
ToolPart: TypeAlias = TextPart | ImagePart | FilePart
AssistantPart: TypeAlias = TextPart | ReasoningPart | RefusalPart | ToolCall
Part: TypeAlias = TextPart | ImagePart | FilePart | ReasoningPart | RefusalPart | ToolCall

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def _image_type(data: bytes) -> str:
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise ValueError("the data is not a PNG, JPEG, GIF or WebP image: give media_type= for another kind")


def _type_by_name(name: str) -> str | None:
    import mimetypes  # reads the system's tables

    guessed, _ = mimetypes.guess_type(name)
    return guessed if guessed is not None and guessed.startswith("image/") else None
