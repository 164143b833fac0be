"""Where this packlight came from, and the one place that says how to install it."""

from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packlight import __version__

NAME = "packlight"
WHEEL = f"{NAME}-{__version__}-py3-none-any.whl"
"""the file of this version that pip installs"""
PACKAGE = Path(__file__).parent


def with_extras(package: str, *extras: str) -> str:
    """A package's name, or a file's, with extras as pip takes them: `packlight[serve,otel]`."""
    return f"{package}[{','.join(extras)}]" if extras else package


def wheel_line(*extras: str) -> str:
    """The command that installs the released wheel, for readers who have that file."""
    return f'pip install "./{with_extras(WHEEL, *extras)}"'


def install_line(*extras: str) -> str:
    """The command that adds extras to this packlight: in its clone, from the wheel, or from the index it came from.

    The command holds no path of this machine, because messages end up in reports.
    """
    if (PACKAGE.parents[1] / "pyproject.toml").is_file():
        return f'pip install -e "{with_extras(".", *extras)}"'
    installed = installation()
    if installed is None or installed.read_text("direct_url.json"):  # PEP 610: absent for what came from an index
        return wheel_line(*extras)
    return f'pip install "{with_extras(NAME, *extras)}"'


def installation() -> Distribution | None:
    """What pip recorded about packlight, if pip installed it."""
    try:
        return distribution(NAME)
    except PackageNotFoundError:
        return None
