"""Messages and their parts."""

from pathlib import Path

import pytest

from agentkit.messages import (
    AssistantMessage,
    FilePart,
    ImagePart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)

_PNG = b"\x89PNG\r\n\x1a\n..."


def test_a_string_is_one_text_part_that_says_who_wrote_it() -> None:
    assert UserMessage("hi").parts == (TextPart("hi", "user"),)
    assert UserMessage("hi", trust="web") == UserMessage([TextPart("hi", "web")])
    assert AssistantMessage("hi").parts == (TextPart("hi", "tool"),)
    assert ToolMessage("1", "t", "hi") == ToolMessage("1", "t", [TextPart("hi", "tool")])


def test_an_answer_gives_its_kinds_of_parts() -> None:
    call = ToolCall("1", "add", {})
    answer = AssistantMessage(
        [ReasoningPart("a"), ReasoningPart("b"), TextPart("c"), TextPart("d"), call, RefusalPart("e")]
    )
    assert (answer.text, answer.reasoning, answer.refusal, answer.tool_calls) == ("cd", "ab", "e", (call,))
    nothing = AssistantMessage([])
    assert (nothing.text, nothing.reasoning, nothing.refusal, nothing.tool_calls) == (None, None, None, ())
    assert UserMessage([TextPart("a"), ImagePart(url="x"), TextPart("b")]).text == "ab"
    assert ToolMessage("1", "t", [ImagePart(url="x")]).text == ""


def test_messages_and_parts_are_frozen() -> None:
    for message in (UserMessage("hi"), AssistantMessage("hi"), ToolMessage("1", "t", "x")):
        with pytest.raises(AttributeError):
            message.parts = ()  # type: ignore[misc]  # what must not work
        assert not hasattr(message, "__dict__")
    with pytest.raises(AttributeError):
        TextPart("x").text = "changed"  # type: ignore[misc]  # what must not work


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (_PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"GIF87a", "image/gif"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
    ],
)
def test_the_kind_of_an_image_is_read_from_its_bytes(data: bytes, media_type: str, tmp_path: Path) -> None:
    assert ImagePart(data=data).media_type == media_type
    misnamed = tmp_path / "picture.bmp"
    misnamed.write_bytes(data)
    assert ImagePart.from_path(misnamed, detail="high") == ImagePart(data=data, media_type=media_type, detail="high")


def test_the_name_decides_where_the_bytes_do_not(tmp_path: Path) -> None:
    vector = tmp_path / "drawing.svg"
    vector.write_bytes(b"<svg/>")
    assert ImagePart.from_path(str(vector)) == ImagePart(data=b"<svg/>", media_type="image/svg+xml")
    text = tmp_path / "notes.txt"
    text.write_bytes(b"hello")
    with pytest.raises(ValueError, match="give media_type="):
        ImagePart.from_path(text)
    with pytest.raises(FileNotFoundError):
        ImagePart.from_path(tmp_path / "nothing.png")


def test_an_image_has_a_url_or_data_and_not_both() -> None:
    with pytest.raises(ValueError, match="either url= or data="):
        ImagePart()
    with pytest.raises(ValueError, match="either url= or data="):
        ImagePart(url="https://i.test", data=_PNG)
    with pytest.raises(ValueError, match="not a PNG, JPEG, GIF or WebP"):
        ImagePart(data=b"BM...")


def test_images_and_files_have_a_url() -> None:
    assert ImagePart(url="https://i.test").as_url() == "https://i.test"
    assert ImagePart(data=b"abc", media_type="image/bmp").as_url() == "data:image/bmp;base64,YWJj"
    assert FilePart(b"abc", "application/pdf", "a.pdf").as_url() == "data:application/pdf;base64,YWJj"
