"""History: immutable, sharing its prefix, each message made into something once."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import History
from agentkit.messages import AssistantMessage, Message, SystemMessage, UserMessage

A, B, C, D = (UserMessage(letter) for letter in "abcd")


def _text(messages: Sequence[Message], index: int) -> str:
    message = messages[index]
    return message.text or ""


def test_it_is_a_sequence() -> None:
    history = History([A, B, C])
    assert (len(history), history[0], history[-1], history[1:], list(history)) == (3, A, C, (B, C), [A, B, C])
    assert (A in history, D in history, history.index(B), list(reversed(history))) == (True, False, 1, [C, B, A])
    assert history[::-2] == (C, A)
    assert not History()
    for index in (3, -4):
        with pytest.raises(IndexError, match="history has 3 messages"):
            history[index]


def test_equality_and_repr_are_those_of_its_messages() -> None:
    assert History([A, B]) == History([A]).extended([B])
    assert History([A]) != History([B])
    assert History([A]) != [A]
    assert repr(History([SystemMessage("x")])) == "History([SystemMessage(text='x')])"
    with pytest.raises(TypeError, match="unhashable"):
        hash(History())


def test_it_does_not_see_what_becomes_of_the_list_that_it_was_made_of() -> None:
    given_list: list[Message] = [A]
    history = History(given_list)
    given_list.append(B)
    assert list(history) == [A]


def test_extending_leaves_the_history_as_it_is_and_forks_part_ways() -> None:
    base = History([A])
    left, right = base.extended([B]), base.extended([C, D])
    assert (list(base), list(left), list(right)) == ([A], [A, B], [A, C, D])
    assert list(left.extended([D])) == [A, B, D]
    assert list(right.extended([])) == [A, C, D]
    assert list(History(left).extended([C])) == [A, B, C]
    assert list(left) == [A, B]


def test_a_prefix_is_the_beginning_and_can_be_gone_on_from() -> None:
    history = History([A, B, C])
    assert list(history.prefix(2).extended([D])) == [A, B, D]
    assert (list(history.prefix(0)), history.prefix(3)) == ([], history)
    for length in (-1, 4):
        with pytest.raises(ValueError, match=f"a prefix of {length} messages"):
            history.prefix(length)


def test_each_message_is_made_once_whoever_holds_the_history() -> None:
    made: list[int] = []

    def make(messages: Sequence[Message], index: int) -> str:
        made.append(index)
        return _text(messages, index)

    base = History([A, B])
    assert base.derived("key", make) == ["a", "b"]
    longer = History(base).extended([C])
    assert longer.derived("key", make) == ["a", "b", "c"]
    assert base.derived("key", make) == ["a", "b"]
    assert base.extended([D]).derived("key", make) == ["a", "b", "d"]  # the fork takes what was made with it
    assert longer.prefix(1).derived("key", make) == ["a"]
    assert made == [0, 1, 2, 2]
    assert base.derived("another key", lambda messages, index: index) == [0, 1]


def test_what_was_made_is_invisible_to_equality_repr_and_json() -> None:
    plain, used = History([A, B]), History([A, B])
    used.derived("key", _text)
    assert (plain, repr(plain), plain.to_json()) == (used, repr(used), used.to_json())


def test_a_list_that_was_handed_out_does_not_grow_with_the_history() -> None:
    base = History([A])
    held = base.derived("key", _text)
    base.extended([B]).derived("key", _text)
    assert held == ["a"]


def test_a_making_that_fails_is_tried_again() -> None:
    history, broken = History([A, B, C]), True

    def make(messages: Sequence[Message], index: int) -> str:
        if broken and index == 1:
            raise ValueError("not yet")
        return _text(messages, index)

    with pytest.raises(ValueError, match="not yet"):
        history.derived("key", make)
    broken = False
    assert history.derived("key", make) == ["a", "b", "c"]


def test_threads_that_go_on_from_one_history_do_not_see_each_other() -> None:
    base, threads = History([A]), 8
    together = threading.Barrier(threads, timeout=5)

    def go_on(number: int) -> tuple[list[str], list[str]]:
        history = base
        together.wait()
        for step in range(50):
            history = history.extended([UserMessage(f"{number}.{step}")])
            history.derived("key", _text)
        return [_text(history, index) for index in range(len(history))], history.derived("key", _text)

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(go_on, range(threads)))
    expected = [["a", *(f"{number}.{step}" for step in range(50))] for number in range(threads)]
    assert results == [(texts, texts) for texts in expected]
    assert list(base) == [A]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 9)), max_size=20))
def test_any_tree_of_histories_reads_like_lists(steps: list[tuple[int, int, int]]) -> None:
    histories, lists = [History()], [[]]  # type: tuple[list[History], list[list[Message]]]
    for source, count, cut in steps:
        index = source % len(histories)
        length = min(cut, len(lists[index]))
        added = [AssistantMessage(f"{len(histories)}/{number}") for number in range(count)]
        histories.append(histories[index].prefix(length).extended(added))
        lists.append([*lists[index][:length], *added])
        assert [list(history) for history in histories] == lists
        for history, plain in zip(histories, lists, strict=True):
            assert history.derived("key", _text) == [_text(plain, number) for number in range(len(plain))]
