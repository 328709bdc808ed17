"""`agentkit check`: real requests to one model, a table of what it takes, and the profile that was learned."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import anyio

from agentkit.cli.probes import PROBES, Finding, Subject
from agentkit.cli.screen import Kind, Screen
from agentkit.errors import BadRequest, ConfigurationError, GatewayError, UsageError
from agentkit.providers import ProviderModel
from agentkit.usage import Usage

_KINDS: Mapping[str, Kind] = {"yes": "good", "declared": "dim", "ignored": "bad", "refused": "bad", "no": "bad"}


def run_check(model: ProviderModel, screen: Screen, *, save: Path | None) -> None:
    """Asks, shows, and saves the profile as JSON when told where; what was found before an end is shown and saved, too.

    Raises:
        ConfigurationError: the profile cannot be saved there; nothing has been sent.
        GatewayError: the model does not even answer a plain question, or the key or the quota has ended.
        UsageError: the key is missing, or the name leads nowhere.
        KeyboardInterrupt: Ctrl-C.
    """
    if save is not None:
        _check_place(save)
    screen.title(f"{model.name} at {model.base_url}")
    subject = Subject(model, model.profile)
    findings: dict[str, Finding] = {}
    try:
        anyio.run(_ask, subject, screen, findings)
    finally:
        if findings:
            _show(subject, screen, findings)
            if save is not None:
                _save(model.profile.to_json(), save)
                screen.text(f"Saved to {save}: give it to agentkit as --profile {save}, or in Python as profile=.")


async def _ask(subject: Subject, screen: Screen, findings: dict[str, Finding]) -> None:
    """Fills `findings`, in the order of the questions."""
    async with subject.model:
        for name in PROBES:
            with screen.busy(name):
                findings[name] = await _found(subject, name)
            screen.step(f"{name}: {findings[name].verdict}", _KINDS[findings[name].verdict])


async def _found(subject: Subject, name: str) -> Finding:
    """What a probe saw; a failure is a finding, too, once a plain question has been answered."""
    try:
        return await PROBES[name](subject)
    except ConfigurationError as error:
        if name == "chat":
            raise
        return Finding("declared", f"not sent: {error}")
    except UsageError:
        raise
    except GatewayError as error:
        if name == "chat" or error.status in (401, 402):
            raise
        if isinstance(error, BadRequest) or error.status == 403:
            return Finding("refused", error.provider_message or str(error))
        return Finding("no", f"{type(error).__name__}: {error}")


def _show(subject: Subject, screen: Screen, findings: Mapping[str, Finding]) -> None:
    screen.text("")
    screen.grid(("capability", "works", "what was seen"), [(n, f.verdict, f.detail) for n, f in findings.items()])
    used = sum((finding.usage for finding in findings.values()), Usage())
    price = subject.declared.price
    cost = used.cost_usd if used.cost_usd is not None else None if price is None else price.cost(used)
    screen.text("")
    if len(findings) < len(PROBES):
        screen.text(f"Ended after {len(findings)} of {len(PROBES)} questions.")
    screen.text(
        f"{used.requests} answers, {used.input_tokens:,} tokens in, {used.output_tokens:,} out"
        + ("" if cost is None else f", ${cost:.4f}")
    )
    profile = subject.model.profile
    screen.text("")
    screen.text(
        "The profile, with what was learned:"
        if profile != subject.declared
        else "The profile; nothing had to be learned:"
    )
    for name, value in json.loads(profile.to_json()).items():
        screen.text(f"  {name} = {json.dumps(value)}")


def _check_place(path: Path) -> None:
    """Finds out before any request is paid for whether the profile can be saved."""
    if not path.parent.is_dir():
        raise ConfigurationError(f"the profile cannot be saved to {path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigurationError(f"the profile cannot be saved to {path}: it may not be written")


def _save(text: str, path: Path) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"the profile cannot be saved to {path}: {error.strerror or error}") from error
