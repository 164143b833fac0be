"""Run a recipe: build every variant, measure them side by side, write the report.

The run's folder
    recipe.yaml              the recipe with every option spelled out
    variants/<name>/         the artifacts
    resolved.json            values that the recipe leaves to the machine, from the first call
    measurements.json        the figures; raw/<variant>.json has the samples behind them
    report.md, plot.png, plot.svg
    work/                    checkpoints, caches and the journal of measurements, for resuming
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packlight.data import Dataset
from packlight.errors import RecipeError, UnsupportedError
from packlight.extras import REPORT_MODULES, require
from packlight.measure.results import Measurements
from packlight.measure.rounds import BenchmarkConfig
from packlight.models import Checkpoint, resolve
from packlight.pipeline.announcing import announce
from packlight.pipeline.lengths import plan_lengths
from packlight.pipeline.locking import lock_run
from packlight.pipeline.measure_run import measure_run
from packlight.pipeline.preflight import check_start, inspect_models, preflight, skipped_steps, with_abstention
from packlight.pipeline.resolving import FILE, settle
from packlight.pipeline.variant import make_variant
from packlight.progress import info, tell
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
        model: the model that `finetune` starts from: a Hub id, a folder or a word.
        threads: threads per inference of every measured variant.
        train_threads: CPU threads for steps that train and state none. Defaults to the number that the run started
            with, or to the container's CPU limit.
        seed: random seed.
        effort: how much to measure.
        abstain: in-scope accuracy on val that every variant without an out-of-scope class gives up by abstaining from
            uncertain texts; None by default.
        remeasure: measure again even if nothing changed.
        quote: whether report.html quotes test texts.

    Raises:
        PacklightError: if something cannot be carried out, before any work if possible.
    """
    require(*REPORT_MODULES, purpose="`packlight run`")
    measuring_threads = processor.threads_for(threads)
    with _building(data, recipe, out, model=model, train_threads=train_threads, seed=seed, abstain=abstain) as (
        artifacts,
        made,
    ):
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
        )
    return RunOutcome(out, measurements, tuple(made), measured)


def build(
    data: Dataset,
    recipe: Recipe,
    out: Path,
    *,
    model: str = DEFAULT_MODEL,
    train_threads: int | None = None,
    seed: int = 0,
) -> dict[str, Artifact]:
    """Build a recipe's variants, or resume building, without measuring. The arguments are those of `run`.

    Returns:
        Every variant by its name, in the recipe's order, without those of optional steps that were skipped.

    Raises:
        PacklightError: if something cannot be carried out, before any work if possible.
    """
    with _building(data, recipe, out, model=model, train_threads=train_threads, seed=seed) as (artifacts, _):
        return artifacts


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
) -> Iterator[tuple[dict[str, Artifact], list[str]]]:
    """The recipe's variants, and the names of new ones. The run's folder is locked within the block."""
    skipped = set(skipped_steps(recipe))
    recipe = with_abstention(recipe, data, abstain)
    preflight(recipe, data)
    checkpoints = _checkpoints(recipe, model, data)
    inspection = inspect_models(recipe, checkpoints, data, skipped)
    lengths = plan_lengths(recipe, checkpoints, data, inspection, skipped)
    announce(recipe, checkpoints, data, inspection, lengths, skipped)
    skipped |= inspection.impossible.keys()
    with lock_run(out):
        write_recipe(recipe, out / "recipe.yaml")
        resolved = settle(out / FILE, threads=train_threads)
        made: list[str] = []
        artifacts: dict[str, Artifact] = {}
        for place, step in enumerate(recipe.steps):
            tell("variants", place, len(recipe.steps))
            origin = recipe.parent_of(step)
            if (
                step.name in skipped
                or (origin and origin.name in skipped)
                or not skipped.isdisjoint(step.other_parents)
            ):
                skipped.add(step.name)
                continue
            try:
                artifacts[step.name], new = make_variant(
                    step,
                    out / "variants" / step.name,
                    out / "work" / step.name,
                    data,
                    parent=artifacts[origin.name] if origin else None,
                    checkpoint=checkpoints.get(step.name),
                    other_parents={name: artifacts[name] for name in step.other_parents},
                    seed=seed,
                    resolved=resolved,
                    abstain=abstain,
                )
            except UnsupportedError as error:
                # This was not known of the architecture. Steps that don't start from this one can still be carried out.
                info(f"{step.name}: skipped: {error}")
                skipped.add(step.name)
                continue
            made += [step.name] if new else []
        tell("variants", len(recipe.steps), len(recipe.steps))
        if not any(step.measured for step in recipe.steps if step.name in artifacts):
            raise RecipeError(f"{recipe.name}: none of its measured variants can be made from {model}")
        yield artifacts, made


def _checkpoints(recipe: Recipe, model: str, data: Dataset) -> dict[str, Checkpoint]:
    """Find and check the models that steps start from, by the step's name, before any work."""
    named = {step: start for step in recipe.steps if (start := step.start_model(model))}
    found = {reference: resolve(reference) for reference in dict.fromkeys(named.values())}
    for step, reference in named.items():
        check_start(step, found[reference], data)
    return {step.name: found[reference] for step, reference in named.items()}
