"""`agentkit check`: real requests to one model, a table of what it takes, and the profile that was learned."""

import json
from pathlib import Path

import anyio

from agentkit.cli.probes import PROBES, Finding
from agentkit.cli.screen import Kind, Screen
from agentkit.errors import BadRequest, ConfigurationError, GatewayError, UsageError
from agentkit.providers import ProviderModel
from agentkit.usage import Usage

_KINDS: dict[str, Kind] = {"yes": "good", "ignored": "bad", "refused": "bad", "no": "bad"}


def run_check(model: ProviderModel, screen: Screen, *, save: Path | None) -> None:
    """Asks, shows, and saves the profile as JSON when told where.

    Raises:
        GatewayError: the model does not even answer a plain question.
        UsageError: the key is missing, or the name leads nowhere.
    """
    anyio.run(_check, model, screen, save)


async def _check(model: ProviderModel, screen: Screen, save: Path | None) -> None:
    screen.title(f"{model.name} at {model.base_url}")
    declared = model.profile
    findings: dict[str, Finding] = {}
    async with model:
        for name in PROBES:
            with screen.busy(name):
                findings[name] = await _found(model, name)
            screen.step(f"{name}: {findings[name].verdict}", _KINDS[findings[name].verdict])
    screen.text("")
    screen.grid(("capability", "works", "what was seen"), [(n, f.verdict, f.detail) for n, f in findings.items()])
    used = sum((finding.usage for finding in findings.values()), Usage())
    price = declared.price
    cost = used.cost_usd if used.cost_usd is not None else None if price is None else price.cost(used)
    screen.text("")
    screen.text(
        f"{used.requests} answers, {used.input_tokens:,} tokens in, {used.output_tokens:,} out"
        + ("" if cost is None else f", ${cost:.4f}")
    )
    _show_profile(model, screen, learned=model.profile != declared)
    if save is not None:
        _save(model.profile.to_json(), save)
        screen.text(f"Saved to {save}: give it as profile=Profile.from_json(...), or to Registry(profiles=...).")


async def _found(model: ProviderModel, name: str) -> Finding:
    """What a probe saw; a failure is a finding, too, once a plain question has been answered."""
    try:
        return await PROBES[name](model)
    except ConfigurationError as error:
        if name == "chat":
            raise
        return Finding("refused", f"by agentkit: {error}")
    except UsageError:
        raise
    except BadRequest as error:
        if name == "chat":
            raise
        return Finding("refused", error.provider_message or str(error))
    except GatewayError as error:
        if name == "chat" or error.status in (401, 402, 403):
            raise
        return Finding("no", f"{type(error).__name__}: {error}")


def _show_profile(model: ProviderModel, screen: Screen, *, learned: bool) -> None:
    screen.text("")
    screen.text("The profile, with what was learned:" if learned else "The profile; nothing had to be learned:")
    said = json.loads(model.profile.to_json())
    for name, value in said.items():
        screen.text(f"  {name} = {json.dumps(value)}")


def _save(text: str, path: Path) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"the profile cannot be saved to {path}: {error.strerror or error}") from error
