"""Carry out a trial: probe, train, export, quantize, calibrate, measure.

It stops as soon as it isn't worth more time.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from packlight.analysis.recommend import Constraints
from packlight.data import Dataset
from packlight.errors import MeasurementError, PacklightError
from packlight.files import DAMAGED_JSON, atomic_write, remove_stale_temp
from packlight.formatting import megabytes, milliseconds, percent
from packlight.measure.rounds import BenchmarkConfig
from packlight.pipeline.resolving import Resolved
from packlight.pipeline.variant import make_variant
from packlight.progress import checking, info
from packlight.runtime.artifact import Artifact
from packlight.search.chain import ngram_bytes, probe_of, steps_of
from packlight.search.locks import Deadline, OutOfTime, hold_lock
from packlight.search.measure_trial import Observed, observe_on_val
from packlight.search.pruning import projected_accuracy, prune_reason, skip_reason
from packlight.search.rows import Point, ProbeResult, Row
from packlight.search.space import Design, Space, Student
from packlight.search.store import Store
from packlight.steps.step import Step

Watch = Callable[[Step], Callable[[int, float], None]]
"""for a step, the callback for its epochs"""


class TrialPruned(Exception):  # noqa: N818 - a decision, not an error
    """The trial is not worth finishing."""


@dataclass(frozen=True)
class TrialRunner:
    """Everything that trials need."""

    data: Dataset
    out: Path
    teacher: Artifact
    first: Step
    """the steps that make the teacher, for written recipes"""
    baseline: Artifact
    """the artifact that every trial is timed with"""
    space: Space
    limits: Constraints
    store: Store
    seed: int
    threads: int
    resolved: Resolved
    effort: BenchmarkConfig
    deadline: Deadline
    quote: bool = True
    """whether report.html quotes test texts"""

    def run(self, number: int, design: Design) -> Row:
        """Carry out a trial, while it is worth it and time allows. Errors that a user could fix make it `refused`."""
        start = time.monotonic()
        trial = _Trial(self, number, design)
        try:
            row = trial.finish()
        except OutOfTime:
            row = trial.row("stopped", "the time was up")
        except TrialPruned as reason:
            row = trial.row("skipped" if trial.point is None else "cut", str(reason))
        except MeasurementError:
            raise
        except PacklightError as error:
            row = trial.row("refused", str(error))
        return msgspec.structs.replace(row, seconds=time.monotonic() - start)

    def name_of(self, design: Design) -> str:
        """The final variant of a design."""
        return steps_of(design, self.space, self.teacher.name)[-1].name

    def make(self, steps: Sequence[Step], made: dict[str, Artifact], watch: Watch) -> Artifact:
        """Build or find each step's variant, and return the last one. All of them are added to `made`.

        Args:
            steps: some or all steps of a chain, in order.
            made: the artifacts that they start from, by name.
            watch: called after the epochs of a step's training.
        """
        artifact = self.teacher
        for step in steps:
            self.deadline.check()
            # Everything with a progress bar can be stopped. Training resumes later from its last epoch.
            with hold_lock(self._lock(step.name), self.deadline), checking(self.deadline.check):
                remove_stale_temp(self.out / "variants", step.name)
                artifact = self._make(step, made, watch)
            made[step.name] = artifact
        return artifact

    def _make(self, step: Step, made: Mapping[str, Artifact], watch: Watch) -> Artifact:
        work = self.out / "work" / step.name
        assert step.parent is not None  # every step of a chain names its parent
        try:
            artifact, _ = make_variant(
                step,
                self.out / "variants" / step.name,
                work,
                self.data,
                parent=made[step.parent],
                other_parents={name: made[name] for name in step.other_parents},
                seed=self.seed,
                resolved=self.resolved,
                on_epoch=watch(step),
            )
        except TrialPruned:
            # Its checkpoints are no longer needed.
            shutil.rmtree(work, ignore_errors=True)
            raise
        return artifact

    def observe(self, artifact: Artifact, *, scored: bool) -> tuple[Observed, float]:
        """Measure a variant with the baseline, one process at a time, and return the reference latency."""
        with hold_lock(self._lock("stopwatch"), self.deadline):
            seen = observe_on_val(
                artifact,
                self.baseline,
                self.data,
                self.out,
                threads=self.threads,
                seed=self.seed,
                effort=self.effort,
                scored=scored,
            )
        return seen, self.store.reference(seen.baseline_ms)

    def probe(self, student: Student) -> ProbeResult:
        """Size and latency of a student before training, measured once for each shape."""
        steps = probe_of(student, self.space, self.teacher.name)
        name = steps[-1].name
        kept = self.out / "work" / "probes" / f"{name}.json"
        # Probes of the same shape share an export, which the first of them removes when it is done.
        with hold_lock(self._lock(f"{steps[-2].name}.probe"), self.deadline):
            try:
                return msgspec.json.decode(kept.read_bytes(), type=ProbeResult)
            except (OSError, *DAMAGED_JSON):
                pass
            artifact = self.make(steps, {self.teacher.name: self.teacher}, lambda _: lambda _number, _accuracy: None)
            seen, reference = self.observe(artifact, scored=False)
            row = seen.beside(reference)
            known = ProbeResult(latency_ms=row.latency_ms.mean, size_mb=row.size_mb)
            atomic_write(kept, msgspec.json.encode(known))
            # The shape is trained next; the variants for timing are no longer needed.
            for step in steps[-2:]:
                self.drop(step.name)
        return known

    def drop(self, name: str) -> None:
        """Remove a variant that takes seconds to build, and its unfinished files."""
        for place in ("variants", "work"):
            shutil.rmtree(self.out / place / name, ignore_errors=True)

    def _lock(self, name: str) -> Path:
        return self.out / "work" / "locks" / name


class _Trial:
    """A trial in progress."""

    def __init__(self, runner: TrialRunner, number: int, design: Design) -> None:
        self._runner = runner
        self._number = number
        self._design = design
        self._steps = steps_of(design, runner.space, runner.teacher.name)
        self._known: ProbeResult | None = None
        self._curve: list[Point] = []
        self._projected: float | None = None

    @property
    def point(self) -> Point | None:
        """The progress of its training."""
        return self._curve[-1] if self._curve else None

    def row(self, state: str, why: str | None = None, **more: object) -> Row:
        """What is known about it now."""
        fields = {
            "number": self._number,
            "state": state,
            "design": self._design,
            "variant": self._steps[-1].name,
            "why": why,
            "known": self._known,
            "curve": tuple(self._curve),
            "projected_accuracy": self._projected,
        }
        return msgspec.structs.replace(Row(number=self._number, state="running"), **(fields | more))

    def finish(self) -> Row:
        """The trial's row.

        Raises:
            TrialPruned: if it is not worth finishing.
            OutOfTime: at the deadline.
            PacklightError: if it cannot be built.
        """
        runner = self._runner
        self._known = self._foreseen()
        if (reason := skip_reason(self._known, runner.limits)) is not None:
            raise TrialPruned(reason)
        made = {runner.teacher.name: runner.teacher}
        # Two trials of the same student share its export, which the first of them removes when it is done.
        exports = [step for step in self._steps if step.makes == "onnx"]
        trained = self._steps.index(exports[0]) if exports else len(self._steps)
        runner.make(self._steps[:trained], made, self._watch)
        self._remember(made)
        artifact = self._ship(self._steps[trained:], exports, made)
        seen, reference = runner.observe(artifact, scored=True)
        return self.row("finished", measured=seen.beside(reference), right=seen.right)

    def _ship(self, steps: Sequence[Step], exports: Sequence[Step], made: Mapping[str, Artifact]) -> Artifact:
        runner, known = self._runner, dict(made)
        if not exports:
            return known[self._steps[-1].name]
        with hold_lock(runner.out / "work" / "locks" / f"{exports[0].name}.shipping", runner.deadline):
            artifact = runner.make(steps, known, self._watch)
            for export in exports:
                runner.drop(export.name)
        return artifact

    def _remember(self, made: Mapping[str, Artifact]) -> None:
        """The learning curve of a student that another trial has trained."""
        for step in self._steps:
            if not self._curve and self._decides(step) and step.name in made:
                epochs = made[step.name].manifest.facts["epochs"]
                self._curve = [
                    Point(share=epoch["epoch"] / step.planned_epochs, accuracy=epoch["val_accuracy"])
                    for epoch in epochs
                ]

    def _foreseen(self) -> ProbeResult:
        """Figures of the untrained model: size and latency of a student, and only the size of n-grams."""
        runner, design = self._runner, self._design
        size = latency = 0.0
        if design.ngrams is not None:
            size += ngram_bytes(design.ngrams, runner.space, len(runner.teacher.labels)) / 1e6
        if design.student is not None:
            if skip_reason(ProbeResult(latency_ms=0.0, size_mb=size), runner.limits):
                return ProbeResult(latency_ms=0.0, size_mb=size)
            known = runner.probe(design.student)
            size += known.size_mb
            # The share of texts that a cascade passes on is unknown until both models are trained.
            latency = known.latency_ms if design.ngrams is None else 0.0
        return ProbeResult(latency_ms=latency, size_mb=size)

    def _watch(self, step: Step) -> Callable[[int, float], None]:
        def after(number: int, accuracy: float) -> None:
            if self._decides(step):
                self._prune_if_hopeless(Point(share=number / step.planned_epochs, accuracy=accuracy))

        return after

    def _decides(self, step: Step) -> bool:
        """Whether this step's training decides the trial's accuracy. In a cascade, the student's does."""
        return step.trains is not None and (step.makes == "torch" or self._design.student is None)

    def _prune_if_hopeless(self, point: Point) -> None:
        runner = self._runner
        self._curve.append(point)
        rows = runner.store.rows()
        self._projected = projected_accuracy(point, self._design.family, rows)
        if self._projected is None or self._known is None or point.share >= 1:
            return
        if (reason := prune_reason(self._projected, self._known, runner.limits, rows)) is not None:
            raise TrialPruned(reason)


def report_trial(row: Row, deadline: Deadline) -> None:
    """A line about a finished trial."""
    name = f"trial {row.number}"
    if row.measured is not None:
        accuracy, latency, size = row.values
        said = f"{row.variant}: {percent(accuracy)} on val, {milliseconds(latency)}, {megabytes(size)}"
    else:
        said = f"{row.state}: {row.why}"
    info(f"{name} {said}; {row.seconds:.0f} s{deadline}")
