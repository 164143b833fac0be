"""A run's folder, read once. No other module of this package opens files of a run."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec

from packlight.errors import MeasurementError
from packlight.measure.results import (
    EvaluatedSplit,
    Measurements,
    Raw,
    TrueLabels,
    raw_path,
    read_measurements,
    read_raw,
    read_truth,
    truth_path,
)
from packlight.runtime.artifact import MANIFEST, Manifest, read_manifest


@dataclass(frozen=True)
class Run:
    """The content of a run's folder. Files that an older version did not write are missing."""

    name: str
    """the folder as used in commands; never an absolute path, which could reveal whose machine it was"""
    measurements: Measurements
    raws: dict[str, Raw]
    truths: dict[EvaluatedSplit, TrueLabels]
    manifests: dict[str, Manifest]
    has_recipe: bool

    @property
    def truth(self) -> TrueLabels | None:
        """The test split; None if it is missing."""
        return self.truths.get("test")

    def without_texts(self) -> "Run":
        """The same without any texts, so that nothing derived from it can contain one."""
        blank = {
            name: msgspec.structs.replace(truth, texts=[""] * len(truth.texts)) for name, truth in self.truths.items()
        }
        return dataclasses.replace(self, truths=blank)


def read_run(folder: Path) -> Run:
    """Read the figures of a run and, if present, its raw samples, test split and manifests.

    Raises:
        MeasurementError: if there are no figures, if a file is damaged, or if predictions and test split don't match.
        ArtifactError: if a manifest is damaged.
    """
    measurements = read_measurements(folder)
    variants = [row.variant for row in measurements.measurements]
    raws = {name: read_raw(folder, name) for name in variants if raw_path(folder, name).is_file()}
    splits = [split for split in get_args(EvaluatedSplit) if truth_path(folder, split).is_file()]
    truths: dict[EvaluatedSplit, TrueLabels] = {split: read_truth(folder, split) for split in splits}
    for truth in truths.values():
        _check_lengths(folder, raws, truth)
    manifests = [read_manifest(path.parent) for path in sorted(folder.glob(f"variants/*/{MANIFEST}"))]
    return Run(
        name=_name(folder),
        measurements=measurements,
        raws=raws,
        truths=truths,
        manifests={manifest.name: manifest for manifest in manifests},
        has_recipe=(folder / "recipe.yaml").is_file(),
    )


def _check_lengths(folder: Path, raws: dict[str, Raw], truth: TrueLabels) -> None:
    for raw in raws.values():
        more = (raw.confidences, raw.scope_scores) if truth.split == "test" else ()
        for answers in (raw.answers(truth.split), *more):
            if answers is not None and len(answers) != len(truth.answers):
                raise MeasurementError(
                    f"{raw_path(folder, raw.variant)}: {len(answers):,} predictions for {len(truth.answers):,} {truth.split} "
                    "texts; they come from different measurements; measure again"
                )


def _name(folder: Path) -> str:
    if not folder.is_absolute() and not folder.as_posix().startswith(".."):
        return folder.as_posix()
    return Path(os.path.normpath(folder)).name
