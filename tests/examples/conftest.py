"""The example programs as modules, and a copy of their files that a test may change."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from agentkit.emulator import Emulator

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def program() -> Callable[[str], ModuleType]:
    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES / "data", tmp_path / "data"))


@pytest.fixture
def gateway() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running
