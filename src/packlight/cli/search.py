"""`packlight search`: find the recipe to ship within limits and a time budget."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer
from rich.table import Table
from rich.text import Text

from packlight import extras
from packlight.analysis.recommend import Constraints
from packlight.analysis.recommend.constraints import checked
from packlight.cli import options
from packlight.cli.show import console, print_tables, show_json
from packlight.cli.source import DataOptions, with_data_options
from packlight.errors import Exit, PacklightError
from packlight.formatting import NONE, megabytes, milliseconds, percent
from packlight.progress import info
from packlight.report.advice import render_text
from packlight.steps import Step

if TYPE_CHECKING:
    from packlight.search import Row, SearchOutcome

Kind = Literal["transformer", "static", "cascade"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@with_data_options
def search(
    source: DataOptions,
    out: options.Out = Path("runs/search"),
    max_latency_ms: Annotated[
        float | None, typer.Option(help="Maximum mean latency of one text, in milliseconds.")
    ] = None,
    min_accuracy: Annotated[float | None, typer.Option(help="Minimum accuracy on val, from 0 to 1.")] = None,
    max_size_mb: Annotated[float | None, typer.Option(help="Maximum size on disk in MB, tokenizer included.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="Time budget in minutes. Defaults to 30 without --trials.")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of trials, including those of earlier calls with the same --out."),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Teacher to start from: an artifact's folder or a fine-tuned classifier. Trained by default."
        ),
    ] = None,
    model: options.Model = "minilm",
    label_map: options.LabelMap = None,
    new_head: options.NewHead = False,
    extend_labels: options.ExtendLabels = False,
    max_length: options.MaxLength = None,
    long_texts: options.LongTexts = None,
    abstain: options.Abstain = None,
    family: Annotated[
        list[str] | None,
        typer.Option(help=f"Kind of model to try: {', '.join(KINDS)}. Can be repeated. Defaults to all."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="URL of a database that several machines share their trials in, such as postgresql://user@host/name or "
            "sqlite:///search.db. Needs --teacher. Defaults to a file in --out.",
            metavar="URL",
        ),
    ] = None,
    threads: options.MeasuredThreads = 1,
    train_threads: options.TrainThreads = None,
    no_texts: options.NoTexts = False,
    as_json: options.AsJson = False,
) -> None:
    """Search for the best recipe: try many within a time budget, keep the best trade-offs, pick one and say why.

    If a search is interrupted, rerun the command to resume. Several terminals with the same --out share one search, and
    several machines with the same --storage. The exit status is 3 if no trial keeps the limits.

    Example: `packlight search --data intents.csv --max-latency-ms 3 --min-accuracy 0.9 --max-size-mb 10 --minutes 60`
    """
    extras.require("optuna", *Step.modules, purpose="`packlight search`")
    limits = checked(
        Constraints(
            percentile="mean", max_latency_ms=max_latency_ms, min_accuracy=min_accuracy, max_size_mb=max_size_mb
        )
    )
    families = _families(family)
    texts = source.read()
    for line in texts.describe():
        info(line)
    from packlight.search import search as carry_out  # imports optuna

    outcome = carry_out(
        texts,
        out,
        limits=limits,
        minutes=30.0 if minutes is None and trials is None else minutes,
        trials=trials,
        teacher=teacher,
        model=model,
        families=families,
        threads=threads,
        train_threads=train_threads,
        seed=source.seed,
        quote=not no_texts,
        label_map=None if label_map is None else str(label_map),
        new_head=new_head,
        extend_labels=extend_labels,
        max_length=max_length,
        long_texts=long_texts,
        abstain=abstain,
        storage=storage,
    )
    if as_json:
        show_json(outcome)
    else:
        print_tables(_table(outcome), Text("\n".join(_said(outcome))))
        info(f"recipes: {out / 'recipes'}   artifacts: {out / 'variants'}   all figures: {out / 'search.json'}")
        if (out / "report.html").is_file():
            info(f"report: {out / 'report.html'}")
    if outcome.pick is None:
        raise typer.Exit(Exit.NOTHING_FITS)


def _families(given: list[str] | None) -> tuple[Kind, ...]:
    """The requested kinds of model, or all of them by default.

    Raises:
        PacklightError: if one is not known.
    """
    if unknown := sorted(set(given or ()) - set(KINDS)):
        raise PacklightError(f"--family {unknown[0]}: unknown kind of model; choose from {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if not given or kind in given)


def _table(outcome: "SearchOutcome") -> Table:
    """A table of the trials, with a star for the front and an arrow for the pick."""
    table = Table(title="trials", title_justify="left", box=None, pad_edge=False)
    for column in ("", "trial", "variant"):
        table.add_column(column, justify="right" if column == "trial" else "left", overflow="fold")
    for column in ("val", "mean", "size", "time"):
        table.add_column(column, justify="right", no_wrap=True)
    members = {member.variant for member in outcome.front}
    shown = [row for row in outcome.trials if row.same_as is None and row.state != "running"]
    if any(map(_note, shown)):
        table.add_column("note", overflow="fold")
    for row in shown:
        table.add_row(*[*_cells(row, outcome.pick, members), _note(row)][: len(table.columns)])
    return table


def _cells(row: "Row", pick: str | None, members: set[str]) -> Iterator[str]:
    name = row.variant or NONE
    yield "→" if name == pick else "*" if name in members else ""
    yield str(row.number)
    yield name
    if row.measured is not None:
        accuracy, latency, size = row.values
        yield from (percent(accuracy), milliseconds(latency), megabytes(size))
    else:
        # Until a trial is measured, its size and latency are those of the untrained model.
        yield percent(row.curve[-1].accuracy) if row.curve else NONE
        yield milliseconds(row.known.latency_ms) if row.known and row.known.latency_ms else NONE
        yield megabytes(row.known.size_mb) if row.known else NONE
    yield f"{row.seconds:.0f} s"


def _note(row: "Row") -> str:
    """Why a trial is not finished, or where its artifact is, in a search on several machines."""
    return f"{row.state}: {row.why}" if row.why else row.place or ""


def _said(outcome: "SearchOutcome") -> list[str]:
    if outcome.advice is None:
        if all(row.state in ("skipped", "cut", "refused") for row in outcome.trials) and outcome.trials:
            return ["No trial was finished; the table says why. Relax a limit, or raise --minutes or --trials."]
        return ["No trial finished in time; rerun the command to resume."]
    lines = [render_text(outcome.advice, width=console().width).rstrip("\n")]
    if outcome.pick is None:
        lines += ["", "No trial keeps the limits. Relax a limit, or raise --minutes or --trials."]
    return lines + (["", *outcome.remarks] if outcome.remarks else [])
