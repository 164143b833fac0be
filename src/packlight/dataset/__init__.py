"""Labelled texts: reading, checking, splitting."""

from packlight.dataset.faults import DataWarning
from packlight.dataset.load import load_dataset
from packlight.dataset.memory import dataset_from_rows, read_rows
from packlight.dataset.model import SPLITS, Dataset, Split

__all__ = ["SPLITS", "DataWarning", "Dataset", "Split", "dataset_from_rows", "load_dataset", "read_rows"]
