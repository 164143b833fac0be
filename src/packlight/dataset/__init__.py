"""Labelled texts: reading, checking, splitting."""

from packlight.dataset.model import SPLITS, Dataset, Split

__all__ = ["SPLITS", "Dataset", "Split"]
