"""What every journal does: runs, leases, sessions, forks."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from agentkit.errors import RunConflict, RunExists, RunUnfinished, UsageError
from agentkit.journal import Journal, NewRun, Record, RunRow

_FIRST, _SECOND, _THIRD = (Record("messages", f'{{"n":{n}}}'.encode()) for n in range(3))
_LEASE = 30.0


class _Clock:
    now: float


def _new(run_id: str, *, session: str | None = None, parent: str | None = None) -> NewRun:
    return NewRun(
        run_id=run_id, agent="clerk", model="m", session=session, parent=parent, fingerprint="f", input_hash="i"
    )


def _row(run_id: str) -> RunRow:
    """The row of a run that has just begun."""
    return RunRow(
        run_id=run_id,
        status="running",
        agent="clerk",
        model="m",
        session=None,
        parent=None,
        fingerprint="f",
        input_hash="i",
        created=1_000.0,
        updated=1_000.0,
        steps=1,
        owner="me",
        lease_until=1_000.0 + _LEASE,
        result=None,
    )


@pytest.mark.anyio
async def test_a_run_is_kept_with_its_records_in_order(journal: Journal, clock: _Clock) -> None:
    assert await journal.begin(_new("a"), [_FIRST], "me") is None
    assert await journal.load("a") == (_row("a"), [_FIRST])
    clock.now += 5
    journal.append("a", "me", [_SECOND])
    journal.append("a", "me", [_THIRD, _FIRST])
    await journal.durable("a")
    row = replace(_row("a"), steps=4, updated=1_005.0, lease_until=1_005.0 + _LEASE)
    assert await journal.load("a") == (row, [_FIRST, _SECOND, _THIRD, _FIRST])
    await journal.close("a", "me", "finished", [_SECOND], b'{"text":"done"}')
    row = replace(row, status="finished", steps=5, owner=None, lease_until=None, result=b'{"text":"done"}')
    assert await journal.load("a") == (row, [_FIRST, _SECOND, _THIRD, _FIRST, _SECOND])


@pytest.mark.anyio
async def test_closing_keeps_what_was_appended_before(journal: Journal) -> None:
    await journal.begin(_new("a"), [], "me")
    journal.append("a", "me", [_FIRST])
    await journal.close("a", "me", "paused", [_SECOND], None)
    assert (await journal.load("a"))[1] == [_FIRST, _SECOND]


@pytest.mark.anyio
async def test_a_run_that_is_there_is_returned_and_left_as_it_is(journal: Journal, clock: _Clock) -> None:
    await journal.begin(_new("a"), [_FIRST], "me")
    clock.now += 100
    assert await journal.begin(replace(_new("a"), input_hash="other"), [_SECOND], "you") == _row("a")
    assert await journal.load("a") == (_row("a"), [_FIRST])


@pytest.mark.anyio
async def test_a_live_run_cannot_be_taken_and_an_abandoned_one_can(journal: Journal, clock: _Clock) -> None:
    await journal.begin(_new("a"), [_FIRST], "me")
    clock.now += _LEASE - 1
    with pytest.raises(RunConflict) as caught:
        await journal.take("a", "you")
    assert caught.value.run_id == "a"
    await journal.beat("a", "me")
    clock.now += _LEASE - 1
    with pytest.raises(RunConflict):
        await journal.take("a", "you")
    clock.now += 1
    assert await journal.take("a", "you") == replace(
        _row("a"), updated=clock.now, owner="you", lease_until=clock.now + _LEASE
    )


@pytest.mark.anyio
async def test_an_append_renews_the_lease(journal: Journal, clock: _Clock) -> None:
    await journal.begin(_new("a"), [], "me")
    clock.now += _LEASE - 1
    journal.append("a", "me", [_FIRST])
    await journal.durable("a")
    clock.now += _LEASE - 1
    with pytest.raises(RunConflict):
        await journal.take("a", "you")


@pytest.mark.anyio
async def test_an_expired_lease_that_nobody_took_is_still_ours(journal: Journal, clock: _Clock) -> None:
    await journal.begin(_new("a"), [], "me")
    clock.now += 10 * _LEASE
    journal.append("a", "me", [_FIRST])
    await journal.durable("a")
    await journal.beat("a", "me")


@pytest.mark.anyio
async def test_who_has_lost_a_run_can_neither_write_nor_end_it(journal: Journal, clock: _Clock) -> None:
    await journal.begin(_new("a"), [_FIRST], "me")
    clock.now += _LEASE
    taken = await journal.take("a", "you")
    with pytest.raises(RunConflict):
        journal.append("a", "me", [_SECOND])
    with pytest.raises(RunConflict):
        await journal.beat("a", "me")
    with pytest.raises(RunConflict):
        await journal.close("a", "me", "finished", [_SECOND], b"1")
    assert await journal.load("a") == (taken, [_FIRST])


@pytest.mark.anyio
async def test_only_who_has_begun_or_taken_a_run_appends_to_it(journal: Journal) -> None:
    with pytest.raises(UsageError, match="take it first"):
        journal.append("a", "me", [_FIRST])


@pytest.mark.anyio
async def test_a_run_that_is_paused_or_failed_is_taken_up_again_and_a_finished_one_is_not(journal: Journal) -> None:
    for status in ("paused", "failed"):
        await journal.begin(_new(status), [_FIRST], "me")
        await journal.close(status, "me", status, [], None)
        assert (await journal.take(status, "you")).status == "running"
        journal.append(status, "you", [_SECOND])
        await journal.durable(status)
        assert (await journal.load(status))[1] == [_FIRST, _SECOND]
    await journal.begin(_new("a"), [], "me")
    await journal.close("a", "me", "finished", [], None)
    with pytest.raises(UsageError, match="'a' is finished"):
        await journal.take("a", "you")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "ask",
    [
        lambda journal: journal.take("no", "me"),
        lambda journal: journal.load("no"),
        lambda journal: journal.fork("no", "b", 0),
        lambda journal: journal.discard("no"),
        lambda journal: journal.delete("no"),
    ],
)
async def test_a_run_that_is_not_there_is_named(journal: Journal, ask: Callable[[Journal], "object"]) -> None:
    with pytest.raises(UsageError, match="no run 'no'"):
        await ask(journal)  # type: ignore[misc]  # a coroutine of one of five result types


@pytest.mark.anyio
async def test_a_fork_has_the_first_records_and_nobody_at_it(journal: Journal, clock: _Clock) -> None:
    await journal.begin(_new("a", session="s"), [_FIRST, _SECOND, _THIRD], "me")
    clock.now += 1
    await journal.fork("a", "b", 2)
    fork = replace(_row("b"), status="paused", created=1_001.0, updated=1_001.0, steps=2, owner=None, lease_until=None)
    assert await journal.load("b") == (fork, [_FIRST, _SECOND])
    await journal.take("b", "you")
    journal.append("b", "you", [_FIRST])
    await journal.durable("b")
    assert (await journal.load("b"))[1] == [_FIRST, _SECOND, _FIRST]
    assert (await journal.load("a"))[1] == [_FIRST, _SECOND, _THIRD]
    with pytest.raises(RunExists):
        await journal.fork("a", "b", 1)
    with pytest.raises(UsageError, match="0 to 3"):
        await journal.fork("a", "c", 4)


@pytest.mark.anyio
async def test_runs_are_listed_newest_first_by_session_parent_and_status(journal: Journal) -> None:
    await journal.begin(_new("a", session="s"), [], "me")
    await journal.close("a", "me", "finished", [], None)
    await journal.begin(_new("b", session="s"), [], "me")
    await journal.begin(_new("c", parent="b"), [], "me")

    async def ids(**wanted: str) -> list[str]:
        return [row.run_id for row in await journal.runs(**wanted)]  # type: ignore[arg-type]  # a status is a str

    assert await ids() == ["c", "b", "a"]
    assert await ids(session="s") == ["b", "a"]
    assert await ids(parent="b") == ["c"]
    assert await ids(status="running") == ["c", "b"]
    assert await ids(session="s", status="finished") == ["a"]
    assert [row.run_id for row in await journal.runs(limit=1)] == ["c"]
    assert [row.run_id for row in await journal.session_runs("s")] == ["a", "b"]
    assert await journal.session_runs("none") == []


@pytest.mark.anyio
async def test_a_session_goes_on_only_after_its_last_run_is_finished(journal: Journal, clock: _Clock) -> None:
    await journal.begin(_new("a", session="s"), [], "me")
    with pytest.raises(RunConflict) as conflict:
        await journal.begin(_new("b", session="s"), [], "you")
    assert conflict.value.run_id == "a"
    clock.now += _LEASE
    with pytest.raises(RunUnfinished) as unfinished:
        await journal.begin(_new("b", session="s"), [], "you")
    assert unfinished.value.run_id == "a"
    await journal.close("a", "me", "failed", [], None)
    with pytest.raises(RunUnfinished):
        await journal.begin(_new("b", session="s"), [], "you")
    await journal.begin(_new("elsewhere", session="t"), [], "you")

    await journal.discard("a")
    assert await journal.session_runs("s") == []
    assert (await journal.load("a"))[0].status == "failed"
    assert await journal.begin(_new("b", session="s"), [], "you") is None
    await journal.close("b", "you", "finished", [], None)
    assert await journal.begin(_new("c", session="s"), [], "you") is None
    assert [row.run_id for row in await journal.session_runs("s")] == ["b", "c"]


@pytest.mark.anyio
async def test_a_run_that_is_alive_is_neither_discarded_nor_deleted(journal: Journal, clock: _Clock) -> None:
    await journal.begin(_new("a", session="s"), [_FIRST], "me")
    for refused in (journal.discard, journal.delete):
        with pytest.raises(RunConflict):
            await refused("a")
    clock.now += _LEASE
    await journal.delete("a")
    assert await journal.runs() == []
    assert await journal.session_runs("s") == []
    assert await journal.begin(_new("b"), [], "me") is None  # may have the number of the one before
    assert (await journal.load("b"))[1] == []


@pytest.mark.anyio
async def test_what_is_appended_to_a_deleted_run_is_a_conflict(journal: Journal, clock: _Clock) -> None:
    await journal.begin(_new("a"), [_FIRST], "me")
    clock.now += _LEASE
    await journal.delete("a")
    journal.append("a", "me", [_SECOND])
    with pytest.raises(RunConflict):
        await journal.durable("a")
