"""The application. Its commands are in `commands.py`."""

from typing import Annotated, Any

import typer

from packlight import __version__
from packlight.cli.commands import Commands
from packlight.cli.verb import Verbs
from packlight.errors import Exit


class _Packlight(Verbs):
    """The commands, each loaded when it is asked for."""

    def __init__(self, **settings: Any) -> None:
        """As typer makes a group, with all commands."""
        super().__init__(**settings)
        self.commands: Any = Commands()


app = typer.Typer(
    name="packlight",
    cls=_Packlight,
    help="Make transformer text classifiers small, fast and cheap to run, and measure what each step costs.",
    epilog="Exit status: " + "; ".join(f"{status.value} {status.meaning}" for status in Exit) + ".",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"packlight {__version__}")
        raise typer.Exit


@app.callback()
def packlight(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Make transformer text classifiers small, fast and cheap to run, and measure what each step costs."""
