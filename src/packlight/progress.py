"""Progress: bars with the time left on terminals and in notebooks, a line per minute elsewhere, and a callback.

rich is imported when there is something to show, because that takes as long as the rest of a command's start.
"""

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from packlight.formatting import duration

if TYPE_CHECKING:
    from rich.console import Console

    console: Console
    """standard error, unless quiet"""

NOTEBOOK_SECONDS = 0.2
"""seconds between two updates of a bar in a notebook"""
LINE_SECONDS = 60.0
"""seconds between two lines about long work if there is neither a terminal nor a notebook"""


_settings = {"quiet": False}
"""until there is a console"""
_checks: list[Callable[[], None]] = []
_watchers: list[Callable[[str, float, float], None]] = []


class Bar:
    """One line of progress. It is updated during all long work, so a callback can also stop such work here."""

    def __init__(self, title: str, total: float, show: Callable[[float, float, str], None]) -> None:
        """Start at 0. `show` is called with the steps done, the total, and a note."""
        self._title, self._total, self._done, self._note = title, total, 0.0, ""
        self._show = show
        self._moved()

    def advance(self, steps: float = 1) -> None:
        """Count steps as done."""
        self.reach(self._done + steps, note=self._note)

    def reach(self, done: float, *, note: str = "") -> None:
        """Set the number of steps done. `note` replaces the text at the end of the line."""
        self._done, self._note = done, note
        self._moved()
        for check in _checks:
            check()

    def resize(self, total: float) -> None:
        """Set the total number of steps."""
        self._total = total
        self._moved()

    def _moved(self) -> None:
        self._show(self._done, self._total, self._note)
        tell(self._title, self._done, self._total)


@contextmanager
def bar(title: str, total: float) -> Iterator[Bar]:
    """Show a bar while the block runs, in a notebook or on a terminal's standard error; elsewhere a line per minute."""
    if "IPython" in sys.modules and _console().is_jupyter:
        with _in_notebook(title) as show:
            yield Bar(title, total, show)
        return
    if not sys.stderr.isatty():
        yield Bar(title, total, _lines(title))
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=_console(),
        transient=True,
    ) as progress:
        task = progress.add_task(title, total=total, note="")
        yield Bar(title, total, lambda done, whole, note: progress.update(task, completed=done, total=whole, note=note))


def _lines(title: str) -> Callable[[float, float, str], None]:
    """A line a minute with the share that is done and the time left; nothing of what takes less than that."""
    last = time.monotonic()
    begun: tuple[float, float] | None = None
    """when it first moved and how far: resumed work begins in the middle"""

    def show(done: float, total: float, note: str) -> None:
        nonlocal begun, last
        now = time.monotonic()
        if begun is None and done > 0:
            begun = now, done
        if now - last < LINE_SECONDS or begun is None or not begun[1] < done < total:
            return
        last = now
        left = (now - begun[0]) * (total - done) / (done - begun[1])
        info(f"  {title}: {done / total:.0%}, about {duration(left / 3600)} left" + (f", {note}" if note else ""))

    return show


@contextmanager
def _in_notebook(title: str) -> Iterator[Callable[[float, float, str], None]]:
    """A bar without widgets: an HTML element that is updated a few times per second and removed at the end."""
    if _console().quiet:
        yield lambda _done, _total, _note: None
        return
    shown = import_module("IPython.display")  # installed in every notebook
    handle = shown.display({"text/plain": title, "text/html": ""}, raw=True, display_id=True)
    start, last = time.monotonic(), 0.0

    def show(done: float, total: float, note: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < NOTEBOOK_SECONDS and done < total:
            return
        last = now
        left = f" · {(now - start) * (total - done) / done:.0f} s left" if 0 < done < total else ""
        words = html.escape(f"{title}: {done:,.0f} of {total:,.0f}{left} {note}")
        page = f'<progress value="{done:g}" max="{total:g}"></progress> {words}'
        handle.update({"text/plain": title, "text/html": page}, raw=True)

    try:
        yield show
    finally:
        handle.update({"text/plain": "", "text/html": ""}, raw=True)


@contextmanager
def watching(watcher: Callable[[str, float, float], None] | None) -> Iterator[None]:
    """Call `watcher(stage, done, total)` on every update while the block runs. An exception from it stops the work."""
    if watcher is None:
        yield
        return
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def tell(stage: str, done: float, total: float) -> None:
    """Report a stage's progress to watchers, without showing it."""
    for watcher in _watchers:
        watcher(stage, done, total)


@contextmanager
def checking(check: Callable[[], None]) -> Iterator[None]:
    """Call `check` on every update while the block runs. It can raise to stop the work, such as at a time limit."""
    _checks.append(check)
    try:
        yield
    finally:
        _checks.remove(check)


def info(message: str) -> None:
    """Print a line to standard error, unless quiet."""
    _line(_console(), message)


def warn(message: str) -> None:
    """Print a warning or an error to standard error, even if quiet."""
    _line(_new_console(), message)


def _line(screen: "Console", message: str) -> None:
    """Wrap a message between words on a terminal. Elsewhere, keep it on one line."""
    screen.print(message, markup=False, soft_wrap=not screen.is_terminal)


def set_quiet(*, quiet: bool) -> None:
    """Turn bars and messages off, or on again."""
    _settings["quiet"] = quiet
    if "console" in globals():
        _console().quiet = quiet


def __getattr__(name: str) -> Any:
    """Make `console` when it is first used."""
    if name != "console":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()["console"] = made = _new_console()
    made.quiet = _settings["quiet"]
    return made


def _console() -> "Console":
    found: Console = getattr(sys.modules[__name__], "console")  # noqa: B009 - possibly made by `__getattr__`
    return found


def _new_console() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)
