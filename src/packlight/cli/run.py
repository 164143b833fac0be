"""`packlight run`: run a recipe from start to end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from packlight import extras
from packlight.cli import options
from packlight.cli.results import show_run
from packlight.cli.show import show_json
from packlight.cli.source import DataOptions, with_data_options
from packlight.errors import Exit
from packlight.progress import info, warn
from packlight.recipes.overrides import with_head, with_lengths, with_oos_rate, with_reference
from packlight.recipes.recipe import load_recipe
from packlight.steps import modules_of

if TYPE_CHECKING:
    from packlight.pipeline import RunOutcome


@with_data_options
def run(
    source: DataOptions,
    model: options.Model = "minilm",
    recipe: Annotated[
        str, typer.Option("--recipe", "-r", help="YAML file, or the name of a built-in recipe.")
    ] = "walk",
    out: options.Out = Path("runs/latest"),
    label_map: options.LabelMap = None,
    new_head: options.NewHead = False,
    extend_labels: options.ExtendLabels = False,
    oos_rate: options.Traffic = None,
    abstain: options.Abstain = None,
    max_length: options.MaxLength = None,
    long_texts: options.LongTexts = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Compare with this model instead of the recipe's references, in the first row: `bert-base`, `distilbert`, or "
            "`mpnet`, which is as large as BERT-base and is fine-tuned first."
        ),
    ] = None,
    threads: options.MeasuredThreads = 1,
    train_threads: options.TrainThreads = None,
    seconds: options.Seconds = 60.0,
    texts: options.TimedTexts = 40,
    remeasure: options.Remeasure = False,
    no_texts: options.NoTexts = False,
    as_json: options.AsJson = False,
) -> None:
    """Run a recipe: make every variant, measure them side by side, and write the report.

    If a run is interrupted, rerun the command to resume. Whatever has not changed is reused. If a converted model doesn't
    match its parent, its variant is left out, and the exit status is 1.

    Example: `packlight run --data intents.csv --out runs/intents`
    """
    plan = load_recipe(recipe)
    extras.require(*modules_of(plan.steps), *extras.REPORT_MODULES, purpose="`packlight run`")
    rate = options.rate_of(oos_rate)
    if rate is not None:
        plan = with_oos_rate(plan, rate)
    plan = with_head(
        plan, label_map=None if label_map is None else str(label_map), new_head=new_head, extend_labels=extend_labels
    )
    plan = with_lengths(plan, max_length=max_length, long_texts=long_texts)
    if reference is not None:
        plan = with_reference(plan, reference)
    labelled = source.read()
    for line in labelled.describe():
        info(line)
    from packlight.measure.rounds import BenchmarkConfig  # takes time that --help should not
    from packlight.pipeline import run as carry_out  # imports torch

    outcome = carry_out(
        labelled,
        plan,
        out,
        model=model,
        threads=threads,
        train_threads=train_threads,
        seed=source.seed,
        effort=BenchmarkConfig(texts=texts, seconds=seconds),
        abstain=abstain,
        remeasure=remeasure,
        quote=not no_texts,
    )
    if as_json:
        show_json(outcome.measurements)
    else:
        _show(out, outcome)
    if outcome.failed:
        for reason in outcome.failed.values():
            warn(f"error: {reason}")
        raise typer.Exit(Exit.CHECK_FAILED)


def _show(out: Path, outcome: "RunOutcome") -> None:
    show_run(out, outcome.measurements)
    if not outcome.made and not outcome.measured:
        info("nothing has changed since the last run")
    info(f"report: {out / 'report.html'}   plot: {out / 'plot.png'}   artifacts: {out / 'variants'}")
