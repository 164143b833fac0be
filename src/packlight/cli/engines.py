"""`packlight engines`: find the fastest engine on this machine that is accurate enough."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from packlight import extras
from packlight.cli import options
from packlight.cli.show import print_tables, show_json
from packlight.cli.source import DataOptions, with_data_options
from packlight.formatting import NONE, milliseconds, percent, times_within
from packlight.progress import info, warn
from packlight.recipes.recipe import load_recipe
from packlight.runtime.artifact import read_manifest
from packlight.steps import modules_of

if TYPE_CHECKING:
    from packlight.analysis.engine_selection import EngineSelection, Row
    from packlight.data import Dataset


@with_data_options
def engines(
    artifact: Annotated[Path, typer.Argument(help="Float32 PyTorch artifact that all candidates are built from.")],
    source: DataOptions,
    others: Annotated[
        list[Path] | None,
        typer.Argument(help="Other artifacts to compare as they are, such as a cascade."),
    ] = None,
    out: options.Out = Path("artifacts/fastest"),
    max_accuracy_loss: Annotated[
        float,
        typer.Option(min=0, max=1, help="Maximum loss of accuracy on val against the best candidate, from 0 to 1."),
    ] = 0.005,
    threads: options.MeasuredThreads = 1,
    rounds: options.Rounds = 5,
    seconds: options.Seconds = 60.0,
    texts: options.TimedTexts = 40,
    as_json: options.AsJson = False,
) -> None:
    """Compare PyTorch, torch.compile, ONNX Runtime and OpenVINO with equal threads, and write the fastest accurate one.

    Accuracy is measured on val. An engine that is not installed is skipped with an install hint. If one of your own
    artifacts wins, the figures go into its manifest and nothing is written to --out.

    Example: `packlight engines artifacts/student --data intents.csv --out artifacts/fastest`
    """
    extras.require(*modules_of(load_recipe("engines").steps), purpose="`packlight engines`")
    labelled = source.read()
    _warn([artifact, *(others or [])], labelled)
    from packlight.measure.rounds import BenchmarkConfig  # with the next import, takes time that --help should not
    from packlight.pipeline.select_engine import select_engine  # imports torch

    outcome = select_engine(
        artifact,
        labelled,
        others=others or [],
        out=out,
        max_accuracy_loss=max_accuracy_loss,
        threads=threads,
        effort=BenchmarkConfig(rounds=rounds, texts=texts, seconds=seconds),
        seed=source.seed,
    )
    if as_json:
        show_json(outcome)
    else:
        print_tables(_table(outcome), Text("\n".join(_said(outcome))))
        info(f'artifact: {outcome.artifact}   next: packlight predict {shlex.quote(str(outcome.artifact))} "a text"')


def _warn(paths: list[Path], data: "Dataset") -> None:
    for path in paths:
        if read_manifest(path).data_sha256 != data.sha256:
            warn(
                f"warning: {path} was built from different texts or a different split; if it was trained on texts "
                f"that are in val here, its accuracy is inflated"
            )


def _table(outcome: "EngineSelection") -> Table:
    """A table of the candidates, with an arrow before the winner."""
    threads = f"{outcome.threads} thread{'s' * (outcome.threads > 1)}"
    table = Table(title=f"engines on {outcome.machine}, {threads} each", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("candidate", overflow="fold")
    table.add_column("engine", overflow="fold")
    for column in ("val", "latency", "speedup (95%)"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in outcome.engines:
        table.add_row(*_cells(row, outcome.winner))
    return table


def _cells(row: "Row", winner: str) -> Iterator[str]:
    yield "→" if row.name == winner else ""
    yield row.name
    yield f"{row.engine} {row.precision}"
    yield percent(row.val_accuracy)
    yield NONE if row.latency_ms is None else milliseconds(row.latency_ms)
    yield times_within(row.speedup, row.ci95) + ("" if row.stable in (True, None) else " ~")


def _said(outcome: "EngineSelection") -> Iterator[str]:
    winner = outcome[outcome.winner]
    yield (
        f"{winner.name} is the fastest candidate with an accuracy on val within {100 * outcome.max_accuracy_loss:g} points of "
        "the best."
    )
    if outcome.level:
        yield f"It may not be faster than {', '.join(outcome.level)}; a longer measurement (--seconds) could tell."
    yield f"val: accuracy on val; latency: one text at a time; speedup: over {outcome.baseline}, with its 95% interval."
    for row in outcome.engines:
        if row.latency_ms is None:
            yield f"{row.name} did not run: {row.note}"
    if not outcome.stable:
        yield "~ not known to within 5%: measure longer (--seconds), or time more texts (--texts)."
