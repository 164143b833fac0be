"""What verbs print: tables on a terminal or in a pipe, or one JSON document."""

import sys

import msgspec
from rich.console import Console, RenderableType

PIPE_WIDTH = 120


def console() -> Console:
    """Standard output, as wide as the terminal, or 120 columns where it is none."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=PIPE_WIDTH)


def print_tables(*parts: RenderableType) -> None:
    """Print tables and texts with an empty line between them."""
    screen = console()
    for index, part in enumerate(parts):
        if index:
            screen.print()
        screen.print(part, markup=False)


def show_json(value: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
