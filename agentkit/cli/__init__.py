"""The `agentkit` command: a demo without a key, and the gateway that it talks to.

Only `main` is meant for others; click and rich (the extra `cli`) are imported when it runs.
"""

import sys


def main() -> None:
    """Runs the command line of this process and ends it with its exit code."""
    try:
        from agentkit.cli.commands import run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("click", "rich"):
            raise
        sys.exit(f"agentkit: the command line needs {missing}, which is not installed: pip install 'pyagentkit[cli]'")
    except KeyboardInterrupt:  # while modules load; later it is the command's
        sys.exit(130)
    run()
