"""Every error that packlight raises on purpose.

    PacklightError               a user can fix it: one message, no traceback, exit status 2
    ├── DataError                the labelled texts cannot be used; names file, row and remedy
    ├── ModelError               a model is not available, or must not be opened
    │   └── UnsupportedError     a step cannot be applied to an architecture; a run carries out the other steps
    ├── RecipeError              a recipe has an unknown key, a wrong value or an impossible order
    ├── ArtifactError            an artifact is incomplete, altered or of an unknown version
    ├── EngineError              a runtime or one of its providers is not available
    ├── ParityError              a transformed model doesn't match its parent: exit status 1; a run carries out the other steps
    ├── MeasurementError         figures are missing or cannot be compared
    ├── NothingFitsError         no variant is within the limits; names the nearest: exit status 3
    └── MissingExtraError        an optional dependency is absent; carries the install line

A message says what was given, what was expected and what to do next. Anything that is not a
`PacklightError` is a bug and keeps its traceback.

`Exit` has every exit status of the command line; `docs/reference/exit-codes.md` explains each.
"""

from enum import IntEnum
from typing import ClassVar, Self

__all__ = [
    "ArtifactError",
    "DataError",
    "EngineError",
    "Exit",
    "MeasurementError",
    "MissingExtraError",
    "ModelError",
    "NothingFitsError",
    "PacklightError",
    "ParityError",
    "RecipeError",
    "UnsupportedError",
]


class Exit(IntEnum):
    """How a command ended, for scripts."""

    meaning: str

    def __new__(cls, status: int, meaning: str) -> Self:
        """A status and what it means."""
        member = int.__new__(cls, status)
        member._value_ = status
        member.meaning = meaning
        return member

    OK = 0, "done"
    CHECK_FAILED = 1, "a check failed"
    ERROR = 2, "wrong usage or input (the message says what to do)"
    NOTHING_FITS = 3, "nothing is within your limits"
    BUG = 70, "a bug in packlight, with a traceback"
    INTERRUPTED = 130, "interrupted with Ctrl-C"
    TERMINATED = 143, "ended with SIGTERM"


class PacklightError(Exception):
    """The base class: something that the user can fix."""

    exit: ClassVar[Exit] = Exit.ERROR
    """the exit status of the command line"""


class DataError(PacklightError):
    """The labelled texts cannot be used."""


class ModelError(PacklightError):
    """A model is not available, or must not be opened."""


class UnsupportedError(ModelError):
    """A step cannot be applied to a model's architecture or vocabulary."""


class RecipeError(PacklightError):
    """A recipe cannot be carried out."""


class ArtifactError(PacklightError):
    """An artifact is incomplete, altered or of an unknown version."""


class EngineError(PacklightError):
    """A runtime or one of its providers is not available."""


class ParityError(PacklightError):
    """A transformed model doesn't match its parent."""

    exit = Exit.CHECK_FAILED


class MeasurementError(PacklightError):
    """Figures are missing or cannot be compared."""


class NothingFitsError(PacklightError):
    """No measured variant is within every limit."""

    exit = Exit.NOTHING_FITS


class MissingExtraError(PacklightError):
    """An optional dependency is absent."""
