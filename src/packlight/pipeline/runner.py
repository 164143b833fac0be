"""Run a recipe: build every variant, measure them side by side, write the report.

The run's folder
    recipe.yaml              the recipe with every option spelled out, for this data set's size
    variants/<name>/         the artifacts
    resolved.json            values that the recipe leaves to the machine, from the first call
    measurements.json        the figures; raw/<variant>.json has the samples behind them
    report.md, plot.png, plot.svg
    work/                    checkpoints, caches and the journal of measurements, for resuming
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from packlight.data import Dataset
from packlight.errors import ParityError, RecipeError, UnsupportedError
from packlight.extras import REPORT_MODULES, require
from packlight.measure.results import Measurements
from packlight.measure.rounds import BenchmarkConfig
from packlight.models import Checkpoint, resolve
from packlight.pipeline.announcing import announce
from packlight.pipeline.lengths import plan_lengths
from packlight.pipeline.locking import lock_run
from packlight.pipeline.measure_run import measure_run
from packlight.pipeline.preflight import (
    check_start,
    for_texts,
    inspect_models,
    preflight,
    skipped_steps,
    with_abstention,
)
from packlight.pipeline.resolving import FILE, settle
from packlight.pipeline.thread_trial import planned_training
from packlight.pipeline.variant import make_variant
from packlight.progress import info, tell, warn
from packlight.recipes.recipe import Recipe, write_recipe
from packlight.runtime import processor
from packlight.runtime.artifact import Artifact

DEFAULT_MODEL = "minilm"


@dataclass(frozen=True)
class RunOutcome:
    """The result of a run."""

    folder: Path
    measurements: Measurements
    made: tuple[str, ...]
    """variants that were built in this run"""
    measured: bool
    """whether anything was measured in this run"""
    failed: Mapping[str, str]
    """variants that don't match their parent and so are not there, with the reason; those that start from them are not
    listed"""


def run(
    data: Dataset,
    recipe: Recipe,
    out: Path,
    *,
    model: str = DEFAULT_MODEL,
    threads: int = 1,
    train_threads: int | None = None,
    seed: int = 0,
    effort: BenchmarkConfig | None = None,
    abstain: float | None = None,
    remeasure: bool = False,
    quote: bool = True,
) -> RunOutcome:
    """Carry out a recipe in a folder, or resume it.

    Args:
        data: labelled texts. `test` is only read for the final figures.
        recipe: from `load_recipe`.
        out: the run's folder, created if missing.
        model: the model that `finetune` starts from: a Hub id, a folder, `minilm` or `mpnet`.
        threads: threads per inference of every measured variant.
        train_threads: CPU threads for steps that train and state none. Defaults to the number that the run started
            with, or to what a short trial finds fastest.
        seed: random seed.
        effort: how much to measure.
        abstain: in-scope accuracy on val that every variant without an out-of-scope class gives up by abstaining from
            uncertain texts; None by default.
        remeasure: measure again even if nothing changed.
        quote: whether report.html quotes test texts.

    Raises:
        PacklightError: if something cannot be carried out, before any work if possible.
        ParityError: if no measured variant is left, because one doesn't match its parent.
    """
    require(*REPORT_MODULES, purpose="`packlight run`")
    measuring_threads = processor.threads_for(threads)
    with _building(data, recipe, out, model=model, train_threads=train_threads, seed=seed, abstain=abstain) as built:
        artifacts = built.artifacts
        measurements, measured = measure_run(
            {step.name: artifacts[step.name] for step in recipe.steps if step.measured and step.name in artifacts},
            data,
            out,
            references=recipe.references,
            threads=measuring_threads,
            seed=seed,
            effort=effort or BenchmarkConfig(),
            remeasure=remeasure,
            quote=quote,
            not_built=built.not_built,
            step_seconds={
                name: each.manifest.seconds for name, each in artifacts.items() if each.manifest.seconds is not None
            },
        )
    return RunOutcome(out, measurements, tuple(built.made), measured, built.failed)


def build(
    data: Dataset,
    recipe: Recipe,
    out: Path,
    *,
    model: str = DEFAULT_MODEL,
    train_threads: int | None = None,
    seed: int = 0,
    abstain: float | None = None,
) -> dict[str, Artifact]:
    """Build a recipe's variants, or resume building, without measuring. The arguments are those of `run`.

    Returns:
        Every variant by its name, in the recipe's order, without those of steps that were skipped.

    Raises:
        ParityError: if a variant doesn't match its parent. The others are built.
        PacklightError: if something cannot be carried out, before any work if possible.
    """
    with _building(data, recipe, out, model=model, train_threads=train_threads, seed=seed, abstain=abstain) as built:
        if built.failed:
            raise ParityError("\n".join(built.failed.values()))
        return built.artifacts


@dataclass(frozen=True)
class _Built:
    """What became of a recipe's steps."""

    artifacts: dict[str, Artifact] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """names of new variants"""
    not_built: dict[str, str] = field(default_factory=dict)
    """the others with the reason, without optional steps that this machine can't carry out"""
    failed: dict[str, str] = field(default_factory=dict)
    """those of them that don't match their parent"""


@contextmanager
def _building(
    data: Dataset,
    recipe: Recipe,
    out: Path,
    *,
    model: str,
    train_threads: int | None,
    seed: int,
    abstain: float | None = None,
) -> Iterator[_Built]:
    """The recipe's variants. The run's folder is locked within the block."""
    skipped = set(skipped_steps(recipe))
    recipe = with_abstention(for_texts(recipe, len(data.train)), data, abstain)
    preflight(recipe, data)
    checkpoints = _checkpoints(recipe, model, data)
    inspection = inspect_models(recipe, checkpoints, data, skipped)
    lengths = plan_lengths(recipe, checkpoints, data, inspection, skipped)
    announce(recipe, checkpoints, data, inspection, lengths, skipped)
    skipped |= inspection.impossible.keys()
    with lock_run(out):
        write_recipe(recipe, out / "recipe.yaml")
        to_carry_out = [step for step in recipe.steps if step.name not in skipped]
        start = next((checkpoints[step.name] for step in to_carry_out if step.name in checkpoints), None)
        resolved = settle(out / FILE, threads=train_threads, training=planned_training(to_carry_out, start, data))
        built = _Built(not_built=dict(inspection.impossible))
        for place, step in enumerate(recipe.steps):
            tell("variants", place, len(recipe.steps))
            origin = recipe.parent_of(step)
            if step.name in skipped:
                continue
            if lost := skipped.intersection((*([origin.name] if origin else []), *step.other_parents)):
                skipped.add(step.name)
                built.not_built[step.name] = f"starts from {min(lost)}, which was not built"
                continue
            try:
                built.artifacts[step.name], new = make_variant(
                    step,
                    out / "variants" / step.name,
                    out / "work" / step.name,
                    data,
                    parent=built.artifacts[origin.name] if origin else None,
                    checkpoint=checkpoints.get(step.name),
                    other_parents={name: built.artifacts[name] for name in step.other_parents},
                    seed=seed,
                    resolved=resolved,
                    abstain=abstain,
                    lengths_shown=step.name in lengths and bool(lengths[step.name].longer),
                )
            except UnsupportedError as error:
                # This was not known of the architecture. Steps that don't start from this one can still be carried out.
                info(f"{step.name}: skipped: {error}")
                skipped.add(step.name)
                built.not_built[step.name] = str(error)
                continue
            except ParityError as error:
                reason = str(error).removeprefix(f"{step.name}: ")
                warn(f"warning: {step.name}: not built: {reason}")
                skipped.add(step.name)
                built.failed[step.name] = str(error)
                built.not_built[step.name] = reason
                continue
            built.made.extend([step.name] if new else [])
        tell("variants", len(recipe.steps), len(recipe.steps))
        if not any(step.measured for step in recipe.steps if step.name in built.artifacts):
            if built.failed:
                raise ParityError("\n".join(built.failed.values()))
            raise RecipeError(f"{recipe.name}: none of its measured variants can be made from {model}")
        yield built


def _checkpoints(recipe: Recipe, model: str, data: Dataset) -> dict[str, Checkpoint]:
    """Find and check the models that steps start from, by the step's name, before any work."""
    named = [(step, start) for step in recipe.steps if (start := step.start_model(model))]
    found = {reference: resolve(reference) for reference in dict.fromkeys(start for _, start in named)}
    for step, reference in named:
        check_start(step, found[reference], data)
    return {step.name: found[reference] for step, reference in named}
