"""One run: make every variant of a recipe, measure them side by side, write the report.

The run's folder
    recipe.yaml              the recipe with every option spelled out
    variants/<name>/         the artifacts
    measurements.json        the figures; raw/<variant>.json what they are derived from
    report.md, plot.png, plot.svg
    work/                    checkpoints, caches and the measuring journal: what a killed run goes on from
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packlight import environment
from packlight.artifact import Artifact
from packlight.benchmark.rounds import Effort
from packlight.checkpoint import resolve
from packlight.dataset import Dataset
from packlight.errors import PacklightError
from packlight.extras import require
from packlight.measurement import Measurements
from packlight.pipeline.measuring import measure_run
from packlight.pipeline.variant import make_variant
from packlight.recipe import Finetune, Recipe, write_recipe

DEFAULT_MODEL = "minilm"


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    folder: Path
    measurements: Measurements
    made: tuple[str, ...]
    """variants that were made anew"""
    measured: bool
    """whether anything was measured anew"""


def run(
    data: Dataset,
    recipe: Recipe,
    out: Path,
    *,
    model: str = DEFAULT_MODEL,
    threads: int | None = None,
    seed: int = 0,
    effort: Effort | None = None,
) -> Outcome:
    """Carry out a recipe, or what is left of it, in a folder.

    Args:
        data: labelled texts; `test` is read for the final figures alone.
        recipe: from `load_recipe`.
        out: the run's folder, made when missing.
        model: what `finetune` starts from: Hub id, folder or word.
        threads: of every measured variant; by default all that this process may use.
        seed: of everything random.
        effort: how much is measured.

    Raises:
        PacklightError: of the kind that fits, before any work where it can be known then.
    """
    require("torch", "transformers", "accelerate", "onnx", "onnxscript", "matplotlib", purpose="`packlight run`")
    checkpoints = {step.name: resolve(step.model or model) for step in recipe.steps if isinstance(step, Finetune)}
    with alone_in(out):
        write_recipe(recipe, out / "recipe.yaml")
        made: list[str] = []
        artifacts: dict[str, Artifact] = {}
        for step in recipe.steps:
            origin = recipe.parent_of(step)
            artifacts[step.name], new = make_variant(
                step,
                out / "variants" / step.name,
                out / "work" / step.name,
                data,
                parent=artifacts[origin.name] if origin else None,
                checkpoint=checkpoints.get(step.name),
                seed=seed,
            )
            made += [step.name] if new else []
        measurements, measured = measure_run(
            artifacts,
            data,
            out,
            references=recipe.references,
            threads=threads or environment.cpu_budget(),
            seed=seed,
            effort=effort or Effort(),
        )
    return Outcome(out, measurements, tuple(made), measured)


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Keep a second run out of the same folder.

    Raises:
        PacklightError: when another run is at work in it, or the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        raise PacklightError(f"{out}: cannot be written ({error.strerror}); give another --out") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PacklightError(f"{out}: another run is at work in it; wait for it or give another --out") from error
        yield
