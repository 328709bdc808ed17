"""What a type checker must say of agents, runs, streams and extraction. Checked, never run."""

# An expected error is an ignore comment, which both checkers report where it is not needed.
# pyright: reportUnnecessaryTypeIgnoreComment=true

from dataclasses import dataclass
from typing import Any, TypedDict, assert_type

from pydantic import BaseModel

from agentkit import Agent, Extracted, History, RunContext, RunLimits, RunResult, extract
from agentkit.events import Event
from agentkit.messages import Message


class Report(BaseModel):
    title: str


class Row(TypedDict):
    name: str


@dataclass
class Deps:
    user: str


def shout(text: str) -> bytes:
    return text.encode()


async def shout_later(text: str) -> bytes:
    return text.encode()


async def the_output_type_is_the_results() -> None:
    assert_type(Agent("m"), Agent[None, str])
    assert_type(Agent("m", output=Report), Agent[None, Report])
    assert_type(Agent("m", output=list[Report]), Agent[None, list[Report]])
    assert_type(Agent("m", output=Report | None), Agent[None, Report | None])
    assert_type(Agent("m", output=Row), Agent[None, Row])
    assert_type(Agent("m", output=int), Agent[None, int])
    assert_type(Agent("m", output=shout), Agent[None, bytes])
    assert_type(Agent("m", output=shout_later), Agent[None, bytes])
    assert_type(Agent("m", output={"type": "object"}), Agent[None, Any])
    assert_type(await Agent("m").run("x"), RunResult[str])
    assert_type(await Agent("m", output=Report).run("x"), RunResult[Report])
    assert_type((await Agent("m", output=Report).run("x")).output, Report)
    assert_type(await Agent("m", output=Report | int).run("x"), RunResult[Report | int])
    assert_type(await Agent("m", output=shout).run("x"), RunResult[bytes])
    assert_type(Agent("m", output=Report).run_sync("x"), RunResult[Report])


async def deps_are_required_unless_they_are_none(deps: Deps) -> None:
    free = Agent("m")
    await free.run("x")
    await free.run("x", deps=None)
    bound = Agent("m", output=Report, deps_type=Deps)
    assert_type(bound, Agent[Deps, Report])
    assert_type(Agent("m", deps_type=Deps), Agent[Deps, str])
    assert_type(Agent("m", output=shout, deps_type=Deps), Agent[Deps, bytes])
    assert_type(Agent("m", output=shout_later, deps_type=Deps), Agent[Deps, bytes])
    assert_type(Agent("m", output={"type": "object"}, deps_type=Deps), Agent[Deps, Any])
    assert_type(await bound.run("x", deps=deps), RunResult[Report])
    assert_type(bound.run_sync("x", deps=deps), RunResult[Report])
    await bound.run("x")  # type: ignore[call-arg]
    await bound.run("x", deps="Ada")  # type: ignore[arg-type]
    bound.run_sync("x")  # type: ignore[call-arg]


def instructions_get_the_deps_that_were_declared() -> None:
    def greeting(ctx: RunContext[Deps]) -> str:
        return ctx.deps.user

    Agent("m", instructions=greeting, deps_type=Deps)
    Agent("m", instructions=lambda ctx: ctx.deps.user, deps_type=Deps)
    Agent("m", instructions=greeting)  # type: ignore[arg-type]


async def a_stream_gives_events_and_then_the_result(deps: Deps) -> None:
    async with Agent("m", output=Report).stream("x") as run:
        async for event in run:
            assert_type(event, Event)
    assert_type(run.result, RunResult[Report])
    assert_type(run.partial, History)
    async with Agent("m", deps_type=Deps).stream("x", deps=deps) as other:
        pass
    assert_type(other.result, RunResult[str])


async def a_result_goes_on_into_the_next_run(agent: Agent) -> None:
    first = await agent.run("x")
    assert_type(first.messages, History)
    assert_type(first.new_messages, tuple[Message, ...])
    await agent.run("y", history=first.messages, limits=RunLimits(turns=3), run_id="r")
    await agent.run("y", histories=first.messages)  # type: ignore[call-overload]


async def extraction_gives_the_declared_type() -> None:
    assert_type(await extract(Report, "text", model="m"), Extracted[Report])
    assert_type((await extract(list[Row], "text", model="m")).value, list[Row])
    assert_type((await extract(Report | None, "text", model="m")).value, Report | None)


def deps_are_contravariant_and_the_output_is_covariant(agent: Agent[object, Report], narrow: Agent[Deps, str]) -> None:
    def wants(agent: Agent[Deps, BaseModel]) -> None: ...

    wants(agent)
    wants(narrow)  # type: ignore[arg-type]
