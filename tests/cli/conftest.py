"""The command line in this process, the demo's files to change, and retries that do not wait."""

import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from click.testing import CliRunner, Result

from agentkit.cli.commands import cli

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run() -> Callable[..., Result]:
    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, prog_name="agentkit")

    return invoke


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES / "data", tmp_path / "data"))


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Sleeps end at once; the seconds that were asked for."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(anyio, "sleep", sleep)
    return waits
