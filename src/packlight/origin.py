"""How this packlight was installed, and the commands that install it and its extras."""

from pathlib import Path
from typing import TYPE_CHECKING

from packlight import __version__

if TYPE_CHECKING:
    from importlib.metadata import Distribution

NAME = "packlight"
WHEEL = f"{NAME}-{__version__}-py3-none-any.whl"
"""the wheel file of this version"""
PACKAGE = Path(__file__).parent


def with_extras(package: str, *extras: str) -> str:
    """The name of a package or a file with extras, for pip: `packlight[serve,otel]`."""
    return f"{package}[{','.join(extras)}]" if extras else package


def wheel_line(*extras: str) -> str:
    """The command that installs the released wheel, for those who have the file."""
    return f'pip install "./{with_extras(WHEEL, *extras)}"'


def install_line(*extras: str) -> str:
    """The command that adds extras to this installation: in its clone, from the wheel, or from the package index.

    The command contains no local path, because messages end up in reports.
    """
    if (PACKAGE.parents[1] / "pyproject.toml").is_file():
        return f'pip install -e "{with_extras(".", *extras)}"'
    installed = installation()
    if installed is None or installed.read_text("direct_url.json"):  # PEP 610: absent if it came from an index
        return wheel_line(*extras)
    return f'pip install "{with_extras(NAME, *extras)}"'


def installation() -> "Distribution | None":
    """The record that pip keeps of the installation, if pip installed packlight."""
    from importlib.metadata import PackageNotFoundError, distribution  # takes long, and few messages need it

    try:
        return distribution(NAME)
    except PackageNotFoundError:
        return None
