"""Print tables or one JSON document to standard output."""

import sys
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPE_WIDTH = 120


def console() -> "Console":
    """Standard output, as wide as the terminal, or 120 columns wide without one."""
    from rich.console import Console  # JSON does without it

    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(highlight=False, emoji=False, width=width)


def print_tables(*parts: "RenderableType") -> None:
    """Print tables and texts with an empty line between them."""
    screen = console()
    for index, part in enumerate(parts):
        if index:
            screen.print()
        screen.print(part, markup=False)


def show_json(value: object) -> None:
    """Print one JSON document."""
    print_json(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_json(document: bytes) -> None:
    """Print JSON in UTF-8, whatever the terminal's encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(document + b"\n")
    sys.stdout.buffer.flush()
