"""`--quiet` on every verb: print results, warnings and errors only, no progress."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from packlight import progress

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only, no progress.")]


def with_quiet(verb: Callable[..., None]) -> Callable[..., None]:
    """Add the option to a command."""

    @functools.wraps(verb)
    def call(*, quiet: bool = False, **options: Any) -> None:
        progress.set_quiet(quiet=quiet)
        verb(**options)

    signature = inspect.signature(verb)
    option = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
    # typer reads the options from here.
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    call.__annotations__ = {**verb.__annotations__, "quiet": Quiet}
    return call
