"""What `packlight.compress` returns: a table, a plot, the pick, and every variant."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from packlight.analysis.recommend import Constraints, Recommendation, recommend
from packlight.analysis.summary import Summary, summarise
from packlight.api.saving import new_folder
from packlight.errors import NothingFitsError
from packlight.files import atomic_folder
from packlight.measure.results import (
    Measurement,
    Measurements,
    correct_by_variant,
    read_measurements,
    read_raw,
    read_truth,
)
from packlight.report.advice import render_text as render_advice
from packlight.report.table import render_html, render_text
from packlight.runtime.artifact import Artifact
from packlight.runtime.predictor import Prediction, Predictor

WIDTH = 100


@dataclass(frozen=True, repr=False)
class Table:
    """The measured variants, shown as a table in notebooks and as text elsewhere."""

    summary: Summary

    @property
    def rows(self) -> list[dict[str, object]]:
        """The figures of each variant, ready for a data frame: `pandas.DataFrame(result.table.rows)`.

        Sizes are in megabytes of 10^6 bytes, latencies in milliseconds, accuracies from 0 to 1.
        """
        return [
            {
                "variant": row.variant,
                "size_mb": row.size_mb,
                "memory_mb": row.memory_mb,
                "latency_ms": row.latency.mean,
                "p95_ms": row.latency.p95,
                "texts_per_second": row.throughput,
                "val_accuracy": row.choice.accuracy if row.choice and self.summary.chosen_on == "val" else None,
                "accuracy": row.accuracy,
                "speedup": row.speedup,
            }
            for row in self.summary.rows
        ]

    def __repr__(self) -> str:
        return render_text(self.summary, width=WIDTH)

    def _repr_html_(self) -> str:
        return render_html(self.summary)


@dataclass(frozen=True)
class Plot:
    """The plot of a run: accuracy against latency, with bubbles for size. Notebooks show it."""

    png: Path
    svg: Path

    def _repr_png_(self) -> bytes:
        return self.png.read_bytes()


@dataclass(frozen=True)
class Variant:
    """A measured artifact."""

    path: Path
    measurement: Measurement = field(repr=False)

    @property
    def name(self) -> str:
        """The variant's name in the recipe."""
        return self.measurement.variant

    @cached_property
    def predictor(self) -> Predictor:
        """The opened artifact.

        Raises:
            ArtifactError: if the folder is gone, incomplete or altered.
        """
        return Predictor.open(self.path)

    def predict(self, texts: str | Iterable[str], *, top_k: int = 1) -> list[Prediction]:
        """Predict the labels of texts. A single string is one text.

        Raises:
            DataError: if a text is not a string. The message names the text and its type.
        """
        return self.predictor.predict(texts, top_k=top_k)

    def save(self, folder: str | Path) -> Path:
        """Copy the artifact to a new folder, for `Predictor.open` and `packlight serve`.

        Raises:
            ArtifactError: if the folder exists, or if the artifact was altered.
        """
        target = new_folder(folder)
        Artifact.open(self.path)
        with atomic_folder(target) as draft:
            shutil.copytree(self.path, draft, dirs_exist_ok=True)
        return target


@dataclass(frozen=True, repr=False)
class Result:
    """A finished run, and the pick within the limits."""

    folder: Path
    measurements: Measurements
    advice: Recommendation
    """the pick with its reasons and why other variants were not picked, or the nearest variant if none fits"""

    @property
    def table(self) -> Table:
        """Every variant with its size, latency and accuracy."""
        return Table(summarise(self.measurements))

    def plot(self) -> Plot:
        """The run's plot."""
        return Plot(self.folder / "plot.png", self.folder / "plot.svg")

    @property
    def report(self) -> Path:
        """The interactive report, a self-contained page."""
        return self.folder / "report.html"

    @property
    def not_built(self) -> Mapping[str, str]:
        """Variants of the recipe that could not be built, with the reason, such as one that doesn't match its parent."""
        return self.measurements.not_built

    @cached_property
    def variants(self) -> Mapping[str, Variant]:
        """Every variant by its name. Reference models are not included, because the run has no artifacts of them."""
        return {
            row.variant: Variant(self.folder / row.artifact, row)
            for row in self.measurements.measurements
            if row.artifact is not None
        }

    @property
    def pick(self) -> Variant:
        """The variant to ship, chosen on validation texts.

        Raises:
            NothingFitsError: if no variant keeps every limit. The message names the nearest one, and `advice.pick` is
                None.
        """
        if self.advice.pick is None:
            raise NothingFitsError(render_advice(self.advice).strip())
        return self.variants[self.advice.pick]

    def __repr__(self) -> str:
        return f"{self.table!r}\n{render_advice(self.advice, width=WIDTH)}\nreport: {self.report}\n"

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def result_of(folder: Path, limits: Constraints) -> Result:
    """The result of a finished run.

    Raises:
        MeasurementError: if the folder has none.
        PacklightError: if a limit is out of range.
    """
    measurements = read_measurements(folder)
    raws = [read_raw(folder, row.variant) for row in measurements.measurements]
    right = correct_by_variant(raws, read_truth(folder, measurements.chosen_on))
    advice = recommend(measurements, limits, right=right)
    return Result(folder, measurements, advice)
