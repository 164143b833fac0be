"""Progress bars with the time left on a terminal, silence elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

console = Console(stderr=True, highlight=False, emoji=False)


_checks: list[Callable[[], None]] = []


class Bar:
    """One line of progress; it is moved wherever work takes long, and so is where such work can be ended."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        """Wrap one task of a rich progress display."""
        self._progress = progress
        self._task = task

    def advance(self, steps: float = 1) -> None:
        """Count steps as done."""
        self._progress.update(self._task, advance=steps)
        _check()

    def reach(self, done: float, *, note: str = "") -> None:
        """Set how many steps are done in all; `note` replaces the words at the end of the line."""
        self._progress.update(self._task, completed=done, note=note)
        _check()

    def resize(self, total: float) -> None:
        """Set how many steps there are in all."""
        self._progress.update(self._task, total=total)


@contextmanager
def bar(title: str, total: float) -> Iterator[Bar]:
    """Show a bar on standard error while the block runs; nothing when that is not a terminal."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as progress:
        yield Bar(progress, progress.add_task(title, total=total, note=""))


@contextmanager
def checking(check: Callable[[], None]) -> Iterator[None]:
    """Call `check` whenever a bar moves while the block runs; what it raises ends the work, such as a time limit's end."""
    _checks.append(check)
    try:
        yield
    finally:
        _checks.remove(check)


def _check() -> None:
    for check in _checks:
        check()


def info(message: str) -> None:
    """One line for the reader on standard error; nothing when quiet was asked for."""
    _line(console, message)


def warn(message: str) -> None:
    """A warning or an error on standard error, quiet or not."""
    _line(Console(stderr=True, highlight=False, emoji=False), message)


def _line(screen: Console, message: str) -> None:
    """Broken between words on a terminal, one line elsewhere."""
    screen.print(message, markup=False, soft_wrap=not screen.is_terminal)


def set_quiet(*, quiet: bool) -> None:
    """Show no bars and no remarks from now on, or show them again."""
    console.quiet = quiet
