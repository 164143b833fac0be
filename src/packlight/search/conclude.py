"""Conclude a search: choose the front and the pick, measure them on `test`, and write the outcome and the recipes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from packlight.analysis.recommend import Constraints
from packlight.analysis.recommend.constraints import figure_violations
from packlight.files import atomic_write, remove_stale_temp
from packlight.formatting import milliseconds, percent
from packlight.measure.results import Measurement
from packlight.measure.rounds import BenchmarkConfig
from packlight.pipeline.measure_run import measure_run
from packlight.recipes.recipe import VERSION, Recipe, write_recipe
from packlight.runtime.artifact import MANIFEST, Artifact
from packlight.search.chain import steps_of
from packlight.search.front import advise, members_of
from packlight.search.rows import FILE, Member, Row, SearchOutcome
from packlight.search.trial import TrialRunner
from packlight.steps.export.options import Export
from packlight.steps.step import Step

MOST_MEMBERS = 8
"""maximum members of the front that are fully measured"""


def conclude(runner: TrialRunner, effort: BenchmarkConfig | None = None) -> SearchOutcome:
    """Choose what to ship, and write the outcome and the recipes. With an effort, measure the front first."""
    trials = runner.store.rows()
    rows = [row for row in trials if row.state != "finished" or _here(row, runner)]
    advice = advise(rows, runner.limits, runner.data, baseline=runner.baseline.name, threads=runner.threads)
    members = members_of(rows, runner.limits, MOST_MEMBERS, pick=advice.pick if advice else None)
    tested = _measure(runner, members, effort) if members and effort is not None else {}
    for row in members:
        _write_recipe(runner, row)
    outcome = SearchOutcome(
        folder=str(runner.out),
        limits=runner.limits,
        teacher=runner.teacher.name,
        trials=trials,
        front=tuple(_member(row, tested) for row in members),
        advice=advice,
        remarks=(
            *(_remarks(advice.pick, tested, runner.limits) if advice and advice.pick else ()),
            *_elsewhere(advice.pick if advice else None, trials, runner),
        ),
    )
    atomic_write(runner.out / FILE, msgspec.json.format(msgspec.json.encode(outcome), indent=1))
    return outcome


def _here(row: Row, runner: TrialRunner) -> bool:
    """Whether a finished trial's artifact is in this folder. Other machines keep theirs."""
    if runner.store.place is None:
        return True
    # The name comes out of a database, and becomes a path.
    name = str(row.variant)
    return Path(name).name == name and (runner.out / "variants" / name / MANIFEST).is_file()


def _elsewhere(pick: str | None, trials: Sequence[Row], runner: TrialRunner) -> list[str]:
    """The place of the artifact that would be picked from all machines' trials, if it isn't this folder's pick."""
    if all(row.state != "finished" or _here(row, runner) for row in trials):
        return []
    best = advise(trials, runner.limits, runner.data, baseline=runner.baseline.name, threads=runner.threads)
    if best is None or best.pick is None or best.pick == pick:
        return []
    row = next(row for row in trials if row.variant == best.pick and row.state == "finished")
    where = f"copy variants/{best.pick} from there to {runner.out / 'variants'} and rerun it here"
    return [
        f"Of the trials on all machines, {best.pick} is the one to ship. It is in {row.place}: rerun the command there, or {where}."
    ]


def _measure(runner: TrialRunner, members: Sequence[Row], effort: BenchmarkConfig) -> dict[str, Measurement]:
    for folder in (runner.out, runner.out / "variants", runner.out / "work"):
        remove_stale_temp(folder)
    variants = runner.out / "variants"
    artifacts = {each.name: each for each in (runner.teacher, runner.baseline)}
    artifacts |= {str(row.variant): Artifact.open(variants / str(row.variant)) for row in members}
    _write_run_recipe(runner, members)
    known, _ = measure_run(
        artifacts,
        runner.data,
        runner.out,
        references=(),
        threads=runner.threads,
        seed=runner.seed,
        effort=effort,
        quote=runner.quote,
    )
    return {row.variant: row for row in known.measurements}


def _member(row: Row, tested: Mapping[str, Measurement]) -> Member:
    accuracy, latency, size = row.values
    name = str(row.variant)
    return Member(
        variant=name,
        trial=row.number,
        val_accuracy=accuracy,
        latency_ms=latency,
        size_mb=size,
        tested=tested.get(name),
    )


def _remarks(pick: str, tested: Mapping[str, Measurement], limits: Constraints) -> list[str]:
    """The pick's figures on `test`, which don't influence the choice."""
    row = tested.get(pick)
    if row is None:
        return []
    said = [
        f"On test, {pick} has an accuracy of {percent(row.accuracy)} and a latency of {milliseconds(row.latency_ms.mean)}."
    ]
    broken = [miss.words for miss in figure_violations(msgspec.structs.replace(row, val=None), limits)]
    return said + ([f"There it misses a limit that it kept on val: {'; '.join(broken)}."] if broken else [])


def _write_recipe(runner: TrialRunner, row: Row) -> None:
    assert row.design is not None  # it is finished
    steps = steps_of(row.design, runner.space, runner.teacher.name)
    recipe = Recipe(version=VERSION, name=str(row.variant), steps=(runner.first, *steps))
    write_recipe(recipe, runner.out / "recipes" / f"{row.variant}.yaml")


def _write_run_recipe(runner: TrialRunner, members: Sequence[Row]) -> None:
    """One recipe of everything that is measured, for the report."""
    baseline = Export(name=runner.baseline.name, parent=runner.teacher.name)
    steps: dict[str, Step] = {step.name: step for step in (runner.first, baseline)}
    for row in members:
        assert row.design is not None  # it is finished
        steps |= {step.name: step for step in steps_of(row.design, runner.space, runner.teacher.name)}
    recipe = Recipe(version=VERSION, name="search", steps=tuple(steps.values()))
    write_recipe(recipe, runner.out / "recipe.yaml")
