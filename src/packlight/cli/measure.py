"""`packlight measure`: measure artifacts side by side."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.cli import options
from packlight.cli.results import show_run
from packlight.cli.show import show_json
from packlight.cli.source import DataOptions, with_data_options
from packlight.errors import MeasurementError
from packlight.extras import REPORT_MODULES, require
from packlight.pipeline.matching import check_labels
from packlight.progress import info, warn
from packlight.runtime import processor
from packlight.runtime.artifact import Artifact


@with_data_options
def measure(
    artifacts: Annotated[
        list[Path], typer.Argument(help="Folders of artifacts. Speedups are relative to the first row of the table.")
    ],
    source: DataOptions,
    out: options.Out = Path("runs/measured"),
    reference: Annotated[
        list[str] | None,
        typer.Option(help="Reference model for the first row: `bert-base` or `distilbert`. Can be repeated."),
    ] = None,
    threads: options.MeasuredThreads = 1,
    rounds: options.Rounds = 5,
    seconds: options.Seconds = 60.0,
    texts: options.TimedTexts = 40,
    remeasure: options.Remeasure = False,
    no_texts: options.NoTexts = False,
    as_json: options.AsJson = False,
) -> None:
    """Measure artifacts side by side: size, memory, latency, throughput and accuracy, with intervals and paired tests.

    Example: `packlight measure runs/latest/variants/* --data intents.csv --out runs/again`
    """
    require(*REPORT_MODULES, purpose="`packlight measure`")
    opened = [Artifact.open(path) for path in artifacts]
    named: dict[str, Artifact] = {}
    for artifact in opened:
        if (other := named.setdefault(artifact.name, artifact)) is not artifact:
            raise MeasurementError(
                f"{other.path} and {artifact.path} are both named {artifact.name}; measure them in two runs with "
                "different --out, then compare the runs with `packlight compare`"
            )
    labelled = source.read()
    for artifact in opened:
        check_labels(artifact.path, labelled)
        if artifact.manifest.data_sha256 != labelled.sha256:
            warn(
                f"warning: {artifact.name} was built from different texts or a different split; if it was trained on "
                f"texts that are in test here, its accuracy is inflated"
            )
    from packlight.measure.rounds import BenchmarkConfig  # with the next import, takes time that --help should not
    from packlight.pipeline.locking import lock_run
    from packlight.pipeline.measure_run import measure_run

    with lock_run(out):
        measurements, _ = measure_run(
            named,
            labelled,
            out,
            references=reference or [],
            threads=processor.threads_for(threads),
            seed=source.seed,
            effort=BenchmarkConfig(rounds=rounds, texts=texts, seconds=seconds),
            remeasure=remeasure,
            quote=not no_texts,
        )
    if as_json:
        show_json(measurements)
        return
    show_run(out, measurements)
    info(f"report: {out / 'report.html'}   plot: {out / 'plot.png'}")
