"""Read, check and split labelled texts."""

from packlight.data.dataset import SPLITS, Dataset, Split
from packlight.data.diagnostics import DataWarning
from packlight.data.load import load_dataset
from packlight.data.memory import as_dataset, dataset_from_rows, read_rows

__all__ = ["SPLITS", "DataWarning", "Dataset", "Split", "as_dataset", "dataset_from_rows", "load_dataset", "read_rows"]
