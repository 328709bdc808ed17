"""`agentkit gateways`."""

from collections.abc import Callable

import pytest
from click.testing import Result

from agentkit.providers import GATEWAYS

Run = Callable[..., Result]


def test_every_gateway_has_a_row_with_its_figures_and_whether_its_key_is_set(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNWARE_API_KEY", "secret-of-the-user")
    result = run("gateways")

    assert result.exit_code == 0
    rows = {line.split("  ")[0]: " ".join(line.split()) for line in result.stdout.splitlines()}
    for name, gateway in GATEWAYS.items():
        models = gateway.models or {gateway.default_model or "MODEL": gateway.profile}
        coming = " (coming soon)"
        assert all(f"{name}:{model}{coming if model in gateway.coming_soon else ''}" in rows for model in models)
    assert rows["toapis:gpt-5-4-nano-official"].endswith("? ? 0.16 / 0.96 (2026-05-02) TOAPIS_API_KEY: not set")
    assert rows["bytespike:gpt-5-4-mini"].endswith("128,000 16,384 ? BYTESPIKE_API_KEY: not set")
    assert rows["runware/tasks:openai:gpt@5.4-mini (coming soon)"].endswith(
        "400,000 128,000 in each answer RUNWARE_API_KEY: set"
    )
    assert rows["ollama:MODEL"].endswith("none needed")
    assert "secret-of-the-user" not in result.output
