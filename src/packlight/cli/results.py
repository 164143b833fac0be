"""The commands that read a finished run, `report` and `recommend`. They don't need PyTorch."""

from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.text import Text

from packlight import extras
from packlight.analysis import capacity
from packlight.analysis import recommend as advice_recommend
from packlight.analysis.recommend import Constraints
from packlight.analysis.recommend.constraints import Percentile, Profile
from packlight.analysis.summary import summarise
from packlight.cli import options
from packlight.cli.show import console, print_tables, show_json
from packlight.cli.without_effect import refuse
from packlight.errors import Exit
from packlight.measure.results import (
    Measurements,
    Raw,
    correct_by_variant,
    read_measurements,
    read_raw,
    read_truth,
    samples_of,
)
from packlight.progress import info
from packlight.report import advice as advice_advice
from packlight.report import capacity as report_capacity
from packlight.report import terminal_table, write_report
from packlight.report.html import write_html
from packlight.report.terminal_plot import terminal_scatter

PERCENTILE = Constraints().percentile
RATE = 1000
"""default traffic for the capacity plan, in requests per second"""


def report(
    folder: options.RunFolder,
    rate: options.Rate = RATE,
    utilisation: options.Utilisation = capacity.UTILISATION,
    p99_ms: options.P99 = None,
    prices: options.Prices = None,
    no_texts: options.NoTexts = False,
    as_json: options.AsJson = False,
) -> None:
    """Show the table of a run, and write its report and plot again from the measurements.

    Example: `packlight report runs/latest --rate 500`
    """
    measurements = read_measurements(folder)
    if as_json:
        of_reports = {
            "--rate": rate != RATE,
            "--utilisation": utilisation != capacity.UTILISATION,
            "--p99-ms": p99_ms,
            "--prices": prices,
            "--no-texts": no_texts,
        }
        refuse(of_reports, "is for the report and its capacity plan, but --json writes neither; omit one of them")
        show_json(summarise(measurements))
        return
    place = options.place_of(folder)
    raws = read_raws(measurements, place)
    table = options.prices_of(prices)
    show_run(place, measurements, rate=rate, utilisation=utilisation, p99_ms=p99_ms, prices=table)
    extras.require(*extras.REPORT_MODULES, purpose="writing report.md, the plot and report.html")
    written = write_report(
        measurements,
        place,
        rate=rate,
        utilisation=utilisation,
        p99_ms=p99_ms,
        prices=table,
        latency_samples=samples_of(raws),
        right=correct_by_variant(raws, read_truth(place, measurements.chosen_on)),
    )
    page = write_html(place, prices=table, texts=not no_texts)
    info(f"report: {page}, {written.report}   plot: {written.png}, {written.svg}")


def recommend(
    folder: options.RunFolder,
    profile: Annotated[Profile, typer.Option(help=f"What matters most: {', '.join(get_args(Profile))}.")] = "balanced",
    max_latency_ms: Annotated[
        float | None, typer.Option(help="Maximum latency in milliseconds, at --percentile.")
    ] = None,
    percentile: Annotated[
        Percentile | None,
        typer.Option(help=f"Statistic that --max-latency-ms limits: mean, p50, p95 or p99. Defaults to {PERCENTILE}."),
    ] = None,
    min_accuracy: Annotated[float | None, typer.Option(help="Minimum accuracy on val, from 0 to 1.")] = None,
    max_size_mb: Annotated[float | None, typer.Option(help="Maximum size on disk in MB, tokenizer included.")] = None,
    max_memory_mb: Annotated[float | None, typer.Option(help="Maximum peak memory of a process, in MB.")] = None,
    min_throughput: Annotated[
        float | None, typer.Option(help="Minimum throughput at batch size 32, in texts per second.")
    ] = None,
    max_accuracy_loss: Annotated[
        float | None,
        typer.Option(help="Maximum loss of accuracy on val against the most accurate variant, from 0 to 1."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Pick the variant to ship within your limits, and say why.

    Variants are compared on val; test confirms the pick. The exit status is 3 if no variant keeps every limit.

    Example: `packlight recommend runs/latest --profile edge --max-size-mb 20 --min-accuracy 0.85`
    """
    if max_latency_ms is None:
        refuse({"--percentile": percentile}, "is for --max-latency-ms; add that limit, such as --max-latency-ms 5")
    measurements = read_measurements(folder)
    constraints = Constraints(
        profile=profile,
        max_latency_ms=max_latency_ms,
        percentile=percentile or PERCENTILE,
        min_accuracy=min_accuracy,
        max_size_mb=max_size_mb,
        max_memory_mb=max_memory_mb,
        min_throughput=min_throughput,
        max_accuracy_loss=max_accuracy_loss,
    )
    place = options.place_of(folder)
    right = correct_by_variant(read_raws(measurements, place), read_truth(place, measurements.chosen_on))
    picked = advice_recommend.recommend(measurements, constraints, right=right)
    if as_json:
        show_json(picked)
    else:
        print_tables(Text(advice_advice.render_text(picked, width=console().width)))
    if picked.pick is None:
        raise typer.Exit(Exit.NOTHING_FITS)


def show_run(
    folder: Path,
    measurements: Measurements,
    *,
    rate: float = RATE,
    utilisation: float = capacity.UTILISATION,
    p99_ms: float | None = None,
    prices: capacity.PriceTable | None = None,
) -> None:
    """Print the table, the plot, the capacity plan and the recommendation."""
    width = console().width
    raws = read_raws(measurements, folder)
    plans = capacity.plan_all(
        measurements, rate, utilisation=utilisation, p99_ms=p99_ms, prices=prices, latency_samples=samples_of(raws)
    )
    picked = advice_recommend.recommend(
        measurements, Constraints(), right=correct_by_variant(raws, read_truth(folder, measurements.chosen_on))
    )
    summary = summarise(measurements)
    scatter = terminal_scatter(summary, width=width)
    print_tables(
        terminal_table(summary, width=width),
        *([scatter] if scatter is not None else []),
        report_capacity.terminal_table(plans, width=width),
        Text(advice_advice.render_text(picked, width=width)),
    )


def read_raws(measurements: Measurements, folder: Path) -> list[Raw]:
    """The raw latencies of each row."""
    return [read_raw(folder, row.variant) for row in measurements.measurements]
