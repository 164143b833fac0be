"""Every error that packlight raises on purpose, drawn once.

    PacklightError               a user can mend it: one message, exit status 2, no traceback
    ├── DataError                the labelled texts cannot be used; names file, row and remedy
    ├── ModelError               a model cannot be had, or must not be opened
    ├── RecipeError              a recipe has an unknown key, a wrong value or an impossible order
    ├── ArtifactError            an artifact is incomplete, altered or of an unknown version
    ├── EngineError              a runtime or one of its providers is not available
    ├── ParityError              a transformed model does not answer like its parent
    ├── MeasurementError         figures are missing or cannot be compared
    └── MissingExtraError        an optional dependency is absent; carries the install line

A message names what was given, what was expected and what to do next. Anything that is not a
`PacklightError` is a bug and keeps its traceback.
"""

__all__ = [
    "ArtifactError",
    "DataError",
    "EngineError",
    "MeasurementError",
    "MissingExtraError",
    "ModelError",
    "PacklightError",
    "ParityError",
    "RecipeError",
]


class PacklightError(Exception):
    """The root: something the user can mend."""


class DataError(PacklightError):
    """The labelled texts cannot be used."""


class ModelError(PacklightError):
    """A model cannot be had, or must not be opened."""


class RecipeError(PacklightError):
    """A recipe is not one that can be carried out."""


class ArtifactError(PacklightError):
    """An artifact is incomplete, altered or of an unknown version."""


class EngineError(PacklightError):
    """A runtime or one of its providers is not available."""


class ParityError(PacklightError):
    """A transformed model does not answer like its parent."""


class MeasurementError(PacklightError):
    """Figures are missing or cannot be compared."""


class MissingExtraError(PacklightError):
    """An optional dependency is absent."""
