"""`packlight.compress`: turns a model and labelled texts into measured variants, and picks the one to ship."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from packlight.analysis.recommend import Constraints
from packlight.analysis.recommend.constraints import Percentile, Profile, checked
from packlight.api.result import Result, result_of
from packlight.data import as_dataset
from packlight.errors import ModelError
from packlight.measure.rounds import BenchmarkConfig
from packlight.pipeline import run
from packlight.progress import watching
from packlight.recipes.overrides import with_head, with_oos_rate, with_reference
from packlight.recipes.recipe import Recipe, load_recipe, recipe_of
from packlight.steps import Step
from packlight.steps.step import OosRate

LATEST = Path("runs/latest")


def compress(
    model: str | Path,
    data: Any,
    *,
    recipe: str | Path | Recipe | Sequence[Step | Mapping[str, Any]] = "frontier",
    out: str | Path = LATEST,
    profile: Profile = "balanced",
    max_latency_ms: float | None = None,
    percentile: Percentile = "p95",
    min_accuracy: float | None = None,
    max_size_mb: float | None = None,
    max_memory_mb: float | None = None,
    min_throughput: float | None = None,
    max_accuracy_loss: float | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    oos_label: str | None = None,
    oos_rate: OosRate | None = None,
    abstain: float | None = None,
    label_map: str | Path | Mapping[str, str] | None = None,
    new_head: bool = False,
    extend_labels: bool = False,
    reference: str | None = None,
    threads: int = 1,
    train_threads: int | None = None,
    seconds: float = 60.0,
    timed_texts: int = 40,
    seed: int = 0,
    remeasure: bool = False,
    on_progress: Callable[[str, float, float], None] | None = None,
) -> Result:
    """Build every variant of a recipe, measure them side by side, and pick the one to ship.

    ```python
    result = packlight.compress("minilm", frame, max_latency_ms=1, min_accuracy=0.9, out="runs/intents")
    result.table
    result.pick.predict(["wake me up at six"])
    result.pick.save("intents")
    ```

    Call it again with the same `out` to resume an interrupted run. Unchanged variants are kept, so trying other limits
    takes a second.

    Args:
        model: the model to start from: a Hub id, a folder, `minilm` or `mpnet`.
        data: labelled texts: a pandas or polars data frame, a `DatasetDict`, a list of dicts or pairs, `(texts, labels)`,
            or a path, in any form that `packlight.data.as_dataset` accepts. A column `split` works as in a CSV file.
        recipe: a built-in recipe, a YAML file, or a list of steps: option objects, or dicts with the keys of a YAML
            recipe.
        out: the run's folder.
        profile: what matters most: see `packlight recommend`.
        max_latency_ms: maximum latency of one text in milliseconds, at `percentile`.
        percentile: statistic that `max_latency_ms` limits: mean, p50, p95 or p99.
        min_accuracy: minimum accuracy on validation texts, from 0 to 1.
        max_size_mb: maximum size on disk in megabytes of 10^6 bytes, tokenizer included.
        max_memory_mb: maximum peak memory of a process in megabytes of 10^6 bytes.
        min_throughput: minimum throughput at batch size 32, in texts per second.
        max_accuracy_loss: maximum loss of accuracy against the most accurate variant, on validation texts, from 0 to 1.
        text_column: column with the texts. Detected by its name by default.
        label_column: column with the labels. Detected by its name by default.
        oos_label: label of out-of-scope texts. Detected by its name by default.
        oos_rate: expected share of out-of-scope texts in your traffic, or `val` for the share in the validation texts.
        abstain: in-scope accuracy on validation texts that each variant gives up by abstaining from uncertain texts.
            Only if `train` has no out-of-scope texts.
        label_map: maps labels of a fine-tuned classifier to labels of the data: a dict, or a JSON file. Not needed if
            the data has the same names, or the labels' numbers.
        new_head: train a new classification head, and discard the model's own.
        extend_labels: keep the labels that a fine-tuned classifier knows, and add the data's other labels to its head.
        reference: model to compare with instead of the recipe's references, in the first row: `bert-base`, `distilbert`, or
            `mpnet`, which is as large as BERT-base and is fine-tuned first. It is never picked.
        threads: threads per inference of every measured variant. A worker of the server has one.
        train_threads: CPU threads for training. Chosen by a short trial by default.
        seconds: time limit for measuring speed, in seconds.
        timed_texts: number of texts that the slowest variant is timed on, one at a time. Faster ones are timed on more.
        seed: random seed.
        remeasure: measure again even if nothing changed.
        on_progress: called as `on_progress(stage, done, total)` on every update. The stage `variants` counts the
            recipe's steps. Others, such as `student: training`, count the work within a step. If it raises an
            exception, the run stops, and the next call resumes it.

    Returns:
        The result: `table`, `plot()`, `pick`, `variants`, `report`.

    Raises:
        PacklightError: if the data, the model, the recipe or a limit cannot be used, before any work if possible. If no
            variant keeps the limits, `result.pick` raises the error.
    """
    if not isinstance(model, str | Path):
        raise ModelError(
            f"model is a {type(model).__name__}: give a Hub id or a folder; save the model and its tokenizer with "
            f"save_pretrained(folder) first"
        )
    limits = checked(
        Constraints(
            profile=profile,
            max_latency_ms=max_latency_ms,
            percentile=percentile,
            min_accuracy=min_accuracy,
            max_size_mb=max_size_mb,
            max_memory_mb=max_memory_mb,
            min_throughput=min_throughput,
            max_accuracy_loss=max_accuracy_loss,
        )
    )
    steps = _recipe(recipe)
    if oos_rate is not None:
        steps = with_oos_rate(steps, oos_rate)
    steps = with_head(
        steps,
        label_map=str(label_map) if isinstance(label_map, Path) else label_map,
        new_head=new_head,
        extend_labels=extend_labels,
    )
    if reference is not None:
        steps = with_reference(steps, reference)
    texts = as_dataset(data, text_column=text_column, label_column=label_column, oos_label=oos_label, seed=seed)
    with watching(on_progress):
        run(
            texts,
            steps,
            Path(out),
            model=str(model),
            threads=threads,
            train_threads=train_threads,
            seed=seed,
            effort=BenchmarkConfig(texts=timed_texts, seconds=seconds),
            abstain=abstain,
            remeasure=remeasure,
        )
    return result_of(Path(out), limits)


def _recipe(given: str | Path | Recipe | Sequence[Step | Mapping[str, Any]]) -> Recipe:
    if isinstance(given, Recipe):
        return given
    return load_recipe(given) if isinstance(given, str | Path) else recipe_of(given)
