"""The commands and their options, and how each ends: exit code, one sentence, no traceback."""

import json
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from agentkit import telemetry
from agentkit.cli.check import run_check
from agentkit.cli.demo import JOBS, Order, check_order, run_demo
from agentkit.cli.emulate import run_emulator
from agentkit.cli.gateways import show_gateways
from agentkit.cli.log import json_log
from agentkit.cli.runs import decided, export_runs, fork_run, list_runs, replay_run, resume_run, show_run
from agentkit.cli.screen import Screen, screen_for
from agentkit.cli.target import Target
from agentkit.emulator import Fault
from agentkit.errors import AgentkitError, AuthenticationError, ConfigurationError
from agentkit.journal import RunStatus
from agentkit.providers import LearnedProfiles
from agentkit.providers.gateways import Surface

_STOPPED = 130  # what a shell reports for Ctrl-C
_AS_JSON = "agentkit.cli.as_json"
_Command = TypeVar("_Command", bound=Callable[..., None])


class Ending(click.Group):
    """A group whose commands end in one sentence on stderr, whatever happens to them."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _say(ctx, "stopped", "agentkit: stopped by Ctrl-C; nothing is running any more")
            ctx.exit(_STOPPED)
        except AgentkitError as error:
            _say(ctx, type(error).__name__, f"agentkit: {one_line(error)}")
            ctx.exit(1)


def _parsed(ctx: click.Context, param: click.Parameter, texts: Sequence[str]) -> list[Fault]:
    """`name`, `name:count` or `slow:seconds:count` as faults; a usage error for what is none."""
    try:
        return [Fault.parse(text) for text in texts]
    except ConfigurationError as error:
        raise click.BadParameter(str(error), ctx, param) from None


_faults = click.option(
    "--fault",
    "faults",
    metavar="NAME[:COUNT]",
    multiple=True,
    callback=_parsed,
    help="Something that goes wrong at the gateway, as rate_limit:2 (the first two requests); may be given more often.",
)


def _where(command: _Command) -> _Command:
    """The options that say where a model is and what is known of it."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    for option in (
        click.option("--profile", type=file, help="What the model takes, from: agentkit check ... --save FILE."),
        click.option("--api-key-env", metavar="NAME", help="The environment variable that holds the key."),
        click.option(
            "--surface",
            type=click.Choice(get_args(Surface)),
            help="The API it is asked through, where the gateway's name does not say.",
        ),
        click.option("--base-url", help="Where the model is served, for a server that is not a known gateway."),
    ):
        command = option(command)
    return command


@click.group(cls=Ending, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pyagentkit", prog_name="agentkit")
def cli() -> None:
    """Agents, extraction and assistants against any OpenAI-compatible gateway."""


@cli.command()
@click.option("--job", "jobs", type=click.Choice(list(JOBS)), multiple=True, help="One of the jobs only.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Your own files in place of the demo's.",
)
@click.option("--ask", help="Your own question.")
@click.option("--model", help="A real model in place of the demo brain, as gateway:model.")
@_where
@_faults
@click.option("--log", "log", type=click.Choice(["json"]), help="Write the log to stderr, one JSON object a line.")
@click.option("--plain", is_flag=True, help="Plain lines, as without a terminal.")
@click.pass_context
def demo(
    ctx: click.Context,
    *,
    jobs: Sequence[str],
    folder: Path | None,
    ask: str | None,
    model: str | None,
    base_url: str | None,
    surface: Surface | None,
    api_key_env: str | None,
    profile: Path | None,
    faults: Sequence[Fault],
    log: str | None,
    plain: bool,
) -> None:
    """Run three jobs: an agent over files, extraction from invoices, an assistant over a handbook.

    Needs no key and no internet: the answers come from a rule-based demo brain, which is no language model.
    """
    target = Target(model=model, base_url=base_url, surface=surface, key_variable=api_key_env, profile=profile)
    order = Order(tuple(jobs), folder=folder, question=ask)
    problem = target.problem(faulty=bool(faults)) or check_order(order)
    if problem is not None:
        raise click.UsageError(problem)
    ctx.meta[_AS_JSON] = log == "json"
    screen = screen_for(sys.stdout, plain=plain)
    with json_log(sys.stderr) if log == "json" else nullcontext(), _noted(target, screen):
        run_demo(order, target, faults, screen)


@cli.command()
@click.option(
    "--gateway",
    default="toapis",
    show_default=True,
    help="Whose dialect: toapis, bytespike, modelstream, runware, openai, anthropic.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one.")
@click.option("--latency", type=click.FloatRange(0, 3600), default=0.0, help="Seconds that each answer waits.")
@_faults
def emulate(*, gateway: str, port: int, latency: float, faults: Sequence[Fault]) -> None:
    """Run the embedded gateway until Ctrl-C; it answers from a rule-based demo brain, no language model."""
    run_emulator(gateway, port=port, latency=latency, faults=faults, out=sys.stdout)


@cli.command()
def gateways() -> None:
    """List the known gateways: models, limits, prices, and whether a key is set. Sends nothing."""
    show_gateways(screen_for(sys.stdout, plain=False))


@cli.command()
@click.argument("model")
@_where
@click.option(
    "--save", type=click.Path(dir_okay=False, path_type=Path), help="Write the learned profile to this file, as JSON."
)
@click.option("--plain", is_flag=True, help="Plain lines, as without a terminal.")
def check(
    *,
    model: str,
    base_url: str | None,
    surface: Surface | None,
    api_key_env: str | None,
    profile: Path | None,
    save: Path | None,
    plain: bool,
) -> None:
    """Probe MODEL (as gateway:model) with about 16 small real requests, and show what it takes.

    The requests are sent to the gateway and paid for like any other.
    """
    target = Target(model=model, base_url=base_url, surface=surface, key_variable=api_key_env, profile=profile)
    screen = screen_for(sys.stdout, plain=plain)
    with _noted(target, screen):
        run_check(target.make(LearnedProfiles()), screen, save=save)


_journal = click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("runs.db"),
    show_default=True,
    help="The file of the journal.",
)


@cli.group()
def runs() -> None:
    """Look at the runs of a journal, and go on with them."""


@runs.command("list")
@_journal
@click.option("--session", help="Only the runs of this session.")
@click.option("--status", type=click.Choice(get_args(RunStatus)), help="Only these.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
def list_(*, journal: Path, session: str | None, status: RunStatus | None, limit: int) -> None:
    """The newest runs."""
    list_runs(journal, screen_for(sys.stdout, plain=False), session=session, status=status, limit=limit)


@runs.command()
@click.argument("run_id")
@_journal
def show(*, run_id: str, journal: Path) -> None:
    """What a run did, message by message, and what it waits for."""
    show_run(journal, run_id, screen_for(sys.stdout, plain=False))


@runs.command()
@click.argument("run_id")
@_journal
def replay(*, run_id: str, journal: Path) -> None:
    """The recorded steps of a run, in order, without a model, a tool or the network."""
    replay_run(journal, run_id, screen_for(sys.stdout, plain=False))


@runs.command()
@click.argument("run_ids", nargs=-1)
@_journal
@click.option("--format", "kind", type=click.Choice(["chat-jsonl"]), default="chat-jsonl", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; else to stdout.")
def export(*, run_ids: Sequence[str], journal: Path, kind: str, output: Path | None) -> None:
    """Write finished runs (all, or those named) as fine-tuning data: one line of Chat Completions messages for each."""
    written = export_runs(journal, run_ids, sys.stdout, output)
    if output is not None:
        print(f"{written} runs written to {output}", file=sys.stderr)


@runs.command()
@click.argument("run_id")
@click.argument("new_id")
@_journal
@click.option("--at", "steps", type=click.IntRange(0), help="After how many answers of the model; all by default.")
def fork(*, run_id: str, new_id: str, journal: Path, steps: int | None) -> None:
    """A new run NEW_ID that begins with the first steps of RUN_ID; go on with it by `agentkit runs resume`."""
    fork_run(journal, run_id, new_id, steps=steps)


@runs.command()
@click.argument("run_id")
@_journal
@click.option("--agent", required=True, metavar="MODULE:NAME", help="Where the Agent is.")
@click.option("--approve", "approved", metavar="CALL", multiple=True, help="Let a pending call run.")
@click.option("--deny", "denied", metavar="CALL=WHY", multiple=True, help="Do not let it run, and tell the model why.")
@click.option("--answer", "answered", metavar="CALL=JSON", multiple=True, help="Its result, from outside.")
def resume(
    *,
    run_id: str,
    journal: Path,
    agent: str,
    approved: Sequence[str],
    denied: Sequence[str],
    answered: Sequence[str],
) -> None:
    """Go on with a run that was paused, killed or failed."""
    decisions = decided(approved, denied, answered)
    resume_run(journal, run_id, agent, decisions, screen_for(sys.stdout, plain=False))


def run() -> None:
    """Runs the command line; what a terminal cannot show is shown as "?"."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    cli(prog_name="agentkit")


def one_line(error: Exception) -> str:
    """An error as one line, without anything that looks like a key."""
    return telemetry.redact(" ".join(str(error).split()))


@contextmanager
def _noted(target: Target, screen: Screen) -> Generator[None, None, None]:
    """Says what the user may not expect of the key, before anything is sent and once more where the key is refused."""
    note = target.note
    if note is not None:
        screen.text(note)
    try:
        yield
    except AuthenticationError as error:
        if note is not None:
            error.args = (f"{error} {note}.",)
        raise


def _say(ctx: click.Context, kind: str, text: str) -> None:
    """One line on stderr: a sentence, or a JSON object where the log is JSON."""
    as_json = bool(ctx.meta.get(_AS_JSON))
    line = json.dumps({"event": "ended", "level": "error", "kind": kind, "text": text}) if as_json else text
    print(line, file=sys.stderr, flush=True)
