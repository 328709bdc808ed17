"""JSON as the wire has it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import _json

_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(_values)
def test_what_is_written_is_read_as_the_standard_library_reads_it(value: Any) -> None:
    text = json.dumps(value)
    assert repr(_json.loads(text)) == repr(json.loads(text))
    if "\\ud" not in text:  # lone surrogates cannot be written
        assert repr(_json.loads(_json.dumps(value))) == repr(value)


def test_it_is_written_compactly_in_utf_8_and_in_the_order_given() -> None:
    assert _json.dumps({"b": [1, 2.5, None, True], "a": "zwölf"}) == '{"b":[1,2.5,null,true],"a":"zwölf"}'.encode()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (bytearray(b"[1]"), [1]),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\ud83d"', "\ud83d"),
        ("12345678901234567890123456789", 12345678901234567890123456789),
        ("[" * 300 + "]" * 300, None),
        ('{"a":1,"a":2}', {"a": 2}),
        ("1.0", 1.0),
    ],
)
def test_what_real_servers_send_is_read(text: str | bytes | bytearray, value: Any) -> None:
    read = _json.loads(text)
    assert value is None or repr(read) == repr(value)


@pytest.mark.parametrize("text", ["[%s]", '{"a":%s}', '["\\ud800",%s]'])
def test_what_is_nested_more_than_300_levels_deep_is_refused_by_every_parser(text: str) -> None:
    for depth in (50, 299):
        assert _json.loads(nested(text, depth))
    for depth in (301, 600, 100_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            _json.loads(nested(text, depth))


def nested(text: str, depth: int) -> str:
    before, after = text.split("%s")
    return before * depth + "1" + after * depth


@pytest.mark.parametrize("text", ['"\ud83d"', '{"a":"\ud83d"}'])
def test_a_lone_surrogate_in_a_str_is_read(text: str) -> None:
    assert _json.loads(text) == json.loads(text)
    assert _json.partial(text) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1 column 1"),
        ('{"a": 1,}', "line 1 column"),
        ('{"a":\n nul}', "line 2 column 2"),
        ("{'a': 1}", "line 1 column 2"),
        ("NaN", "NaN is not JSON"),
        ("[Infinity]", "Infinity is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ("[1] [2]", "Extra data: line 1 column 5"),
        (b"\xff\xfe\x00", "codec can't decode"),
        ("[" * 100_000, "nested too deeply"),
        ("<html>", "line 1 column 1"),
    ],
)
def test_what_is_no_json_is_a_value_error_with_its_place(text: str | bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        _json.loads(text)


def test_what_json_cannot_say_is_not_written() -> None:
    circular: list[Any] = []
    circular.append(circular)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (float("nan"), float("inf"), circular, deep):
        with pytest.raises(ValueError, match=r"JSON compliant|[Cc]ircular|nested too deeply"):
            _json.dumps(value)
    with pytest.raises(TypeError):
        _json.dumps({"a": {1, 2}})


def test_a_lone_surrogate_is_written_as_a_replacement_character() -> None:
    assert _json.dumps(["a\udc80b", "\ud83d\ude00"]) == '["a�b","😀"]'.encode()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("{", {}),
        ('{"a', {}),
        ('{"a": "wor', {"a": "wor"}),
        ('{"a": [1, 2', {"a": [1]}),
        ('{"a": [1, 2,', {"a": [1, 2]}),
        ('{"a": 1, "b": -12.5e', {"a": 1}),
        ('{"a": true', {"a": True}),
        ('{"a": "room 12', {"a": "room 12"}),
        ('{"a": "x", "b12', {"a": "x"}),
        (b'{"a": 1, "b": 23', {"a": 1}),
        ("[[1,2],[3", [[1, 2], []]),
        ('{"a": "\\', {"a": ""}),
        ('{"a": "x\\ud83d', {"a": "x"}),
        ('{"a": tru', {}),
        ('{"a": {"b": "c"}}', {"a": {"b": "c"}}),
        (b'{"a": "z', {"a": "z"}),
        ("nonsense", None),
        ('{"a": NaN', None),
    ],
)
def test_a_text_that_is_cut_gives_what_is_complete(text: str | bytes, value: Any) -> None:
    assert _json.partial(text) == value


@given(_values.filter(lambda value: "\\ud" not in json.dumps(value)))
def test_every_beginning_of_a_text_can_be_read(value: Any) -> None:
    text = _json.dumps({"value": value})
    for end in range(len(text)):
        assert isinstance(_json.partial(text[:end]), dict | None)
    assert repr(_json.partial(text)) == repr({"value": value})
