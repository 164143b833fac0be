"""What a run's folder holds, read once: the only place of this package that opens files of a run."""

import os
from dataclasses import dataclass
from pathlib import Path

from packlight.artifact import MANIFEST, Manifest, read_manifest
from packlight.errors import MeasurementError
from packlight.measurement import (
    TRUTH_NAME,
    Measurements,
    Raw,
    Truth,
    raw_path,
    read_measurements,
    read_raw,
    read_truth,
)


@dataclass(frozen=True)
class Run:
    """A run as it lies in its folder; what an older version did not write is absent."""

    name: str
    """the folder as a command names it; never an absolute path, which would say whose machine it was"""
    measurements: Measurements
    raws: dict[str, Raw]
    truth: Truth | None
    manifests: dict[str, Manifest]
    has_recipe: bool


def read_run(folder: Path) -> Run:
    """Read the figures of a run and, where they are there, its raw samples, test split and manifests.

    Raises:
        MeasurementError: when there are no figures, a file is damaged, or answers and test split do not belong together.
        ArtifactError: when a manifest is damaged.
    """
    measurements = read_measurements(folder)
    variants = [row.variant for row in measurements.measurements]
    raws = {name: read_raw(folder, name) for name in variants if raw_path(folder, name).is_file()}
    truth = read_truth(folder) if (folder / "raw" / TRUTH_NAME).is_file() else None
    if truth is not None:
        _check_lengths(folder, raws, truth)
    manifests = [read_manifest(path.parent) for path in sorted(folder.glob(f"variants/*/{MANIFEST}"))]
    return Run(
        name=_name(folder),
        measurements=measurements,
        raws=raws,
        truth=truth,
        manifests={manifest.name: manifest for manifest in manifests},
        has_recipe=(folder / "recipe.yaml").is_file(),
    )


def _check_lengths(folder: Path, raws: dict[str, Raw], truth: Truth) -> None:
    for raw in raws.values():
        for answers in (raw.predictions, raw.confidences, raw.scope_scores):
            if answers is not None and len(answers) != len(truth.answers):
                raise MeasurementError(
                    f"{raw_path(folder, raw.variant)}: {len(answers):,} answers for {len(truth.answers):,} test texts; "
                    "they are of different measurements, measure again"
                )


def _name(folder: Path) -> str:
    if not folder.is_absolute() and not folder.as_posix().startswith(".."):
        return folder.as_posix()
    return Path(os.path.normpath(folder)).name
