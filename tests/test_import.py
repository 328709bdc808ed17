"""What `import agentkit` loads, and what it does not."""

import subprocess
import sys

import pytest

_HEAVY = (
    "aiohttp",
    "click",
    "docstring_parser",
    "h11",
    "httpcore",
    "httpx",
    "jsonschema",
    "pydantic",
    "pydantic_core",
    "rich",
    "structlog",
    "trio",
)


def _output(program: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.mark.parametrize("module", ["agentkit", "agentkit.messages", "agentkit.models", "agentkit.events"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    loaded = _output(f"import sys, {module}\nprint(*sorted(sys.modules), sep='\\n')").split()
    assert sorted(set(loaded) & set(_HEAVY)) == []


def test_importing_starts_no_thread_opens_no_file_and_no_socket() -> None:
    program = """
import sys
seen = []
quiet = ("open", "socket.", "os.", "subprocess.", "_thread.start_new_thread")
def watch(event, args):
    if event.startswith(quiet) and event not in ("os.listdir", "os.scandir", "os.putenv"):
        if event == "open" and str(args[0]).endswith((".py", ".pyc", ".so", ".pyd")) or event == "os.fspath":
            return
        seen.append((event, str(args[0]) if args else ""))
import anyio, typing_extensions, logging, inspect, urllib.parse, json, uuid, ssl, email.utils, random
sys.dont_write_bytecode = True
sys.addaudithook(watch)
import agentkit
print(seen)
"""
    assert _output(program) == "[]\n"


def test_making_an_agent_loads_no_http_client_and_reads_no_key() -> None:
    program = """
import sys
import agentkit
@agentkit.tool
def add(a: int, b: int) -> int:
    return a + b
agent = agentkit.Agent("toapis:gpt-5-4-mini-official", tools=[add])
print("httpx" in sys.modules, agent)
"""
    assert _output(program) == "False Agent('toapis:gpt-5-4-mini-official', name='agent', tools=['add'])\n"
