"""Read, check and split labelled texts. The names below are loaded when they are first used, because some rooms need only small parts."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packlight.data.dataset import SPLITS, Dataset, Split
    from packlight.data.diagnostics import DataWarning
    from packlight.data.load import load_dataset
    from packlight.data.memory import as_dataset, dataset_from_rows, read_rows

_HOME = {
    "SPLITS": "dataset",
    "DataWarning": "diagnostics",
    "Dataset": "dataset",
    "Split": "dataset",
    "as_dataset": "memory",
    "dataset_from_rows": "memory",
    "load_dataset": "load",
    "read_rows": "memory",
}

__all__ = ["SPLITS", "DataWarning", "Dataset", "Split", "as_dataset", "dataset_from_rows", "load_dataset", "read_rows"]


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
