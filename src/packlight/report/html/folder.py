"""What a run's folder holds, read once: the only place of this package that opens files of a run."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec

from packlight.errors import MeasurementError
from packlight.measure.results import (
    Judged,
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
    """A run as it lies in its folder; what an older version did not write is absent."""

    name: str
    """the folder as a command names it; never an absolute path, which would say whose machine it was"""
    measurements: Measurements
    raws: dict[str, Raw]
    truths: dict[Judged, TrueLabels]
    manifests: dict[str, Manifest]
    has_recipe: bool

    @property
    def truth(self) -> TrueLabels | None:
        """The test split; None where it is not there."""
        return self.truths.get("test")

    def without_texts(self) -> "Run":
        """The same with every text empty, so that nothing made of it can hold one."""
        blank = {
            name: msgspec.structs.replace(truth, texts=[""] * len(truth.texts)) for name, truth in self.truths.items()
        }
        return dataclasses.replace(self, truths=blank)


def read_run(folder: Path) -> Run:
    """Read the figures of a run and, where they are there, its raw samples, test split and manifests.

    Raises:
        MeasurementError: when there are no figures, a file is damaged, or answers and test split do not belong together.
        ArtifactError: when a manifest is damaged.
    """
    measurements = read_measurements(folder)
    variants = [row.variant for row in measurements.measurements]
    raws = {name: read_raw(folder, name) for name in variants if raw_path(folder, name).is_file()}
    splits = [split for split in get_args(Judged) if truth_path(folder, split).is_file()]
    truths: dict[Judged, TrueLabels] = {split: read_truth(folder, split) for split in splits}
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
