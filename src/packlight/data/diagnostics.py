"""Report several problems of a data source in one message, and warn about others."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from packlight.errors import DataError

MAX_SHOWN = 5


class DataWarning(UserWarning):
    """The labelled texts can be used, but something about them biases the figures."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A problem in a row of a file, and how to fix it."""

    file: str
    number: int
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}, row {self.number}: {self.what}; {self.remedy}"


def raise_row_errors(diagnostics: Sequence[Diagnostic]) -> None:
    """Raise all problems as one error, with the first five in full. Returns if there are none.

    Raises:
        DataError: if there is a problem.
    """
    if not diagnostics:
        return
    if len(diagnostics) == 1:
        raise DataError(str(diagnostics[0]))
    lines = [f"{len(diagnostics)} rows cannot be used:", *(f"  {fault}" for fault in diagnostics[:MAX_SHOWN])]
    if len(diagnostics) > MAX_SHOWN:
        lines.append(f"  and {len(diagnostics) - MAX_SHOWN} more")
    raise DataError("\n".join(lines))


def warn(message: str) -> None:
    """Warn about the data, with `DataWarning`."""
    warnings.warn(message, DataWarning, stacklevel=3)


def quoted(value: object, limit: int = 60) -> str:
    """A value for a message: quoted, on one line, and shortened."""
    shown = repr(value)
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."
