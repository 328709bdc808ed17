"""Where the files of the demo are."""

from pathlib import Path

from agentkit.errors import ConfigurationError

_PACKAGED = Path(__file__).with_name("data")  # in an installed package
_CHECKOUT = Path(__file__).parents[2] / "examples" / "data"


def data_folder(*candidates: Path) -> Path:
    """The folder with `sales`, `invoices` and `handbook`: the first of the candidates that is there.

    Raises:
        ConfigurationError: none is.
    """
    for folder in candidates or (_PACKAGED, _CHECKOUT):
        if (folder / "sales").is_dir():
            return folder
    raise ConfigurationError(
        "the files of the demo are not where they belong: install agentkit again, or use --folder with your own"
    )
