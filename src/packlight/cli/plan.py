"""`packlight plan`: workers, machines and cost, from measured latency, a load test or scored texts. It doesn't need PyTorch."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.analysis import capacity
from packlight.analysis.capacity.measured import HEADROOM, plan_from_load, read_load
from packlight.analysis.capacity.scored import plan_texts, read_score
from packlight.cli import options
from packlight.cli.results import RATE, read_raws
from packlight.cli.show import console, print_tables, show_json
from packlight.cli.without_effect import refuse
from packlight.errors import Exit, MeasurementError, PacklightError
from packlight.measure.results import read_measurements, samples_of
from packlight.report import capacity as report_capacity
from packlight.report import load_capacity, texts_capacity


def plan(
    folder: Annotated[Path | None, typer.Argument(help="Folder of a run.", metavar="RUN")] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Plan from a result of `packlight loadtest` or `packlight score` instead of a run."
        ),
    ] = None,
    texts: Annotated[
        float | None,
        typer.Option(
            help="Number of texts to score, such as 1e9. Only with --measured, a report of `packlight score`."
        ),
    ] = None,
    hours: Annotated[
        float | None, typer.Option(help="Time limit for --texts, in hours. By default, one machine of each kind.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help=f"Traffic to plan for, in requests per second. Not with --texts. Defaults to {RATE:g}.",
        ),
    ] = None,
    utilisation: Annotated[
        float | None,
        typer.Option(
            help="Share of the time that a worker may be busy, from 0 to 1. Not with --measured. Defaults to "
            f"{capacity.UTILISATION}."
        ),
    ] = None,
    p99_ms: options.P99 = None,
    variant: Annotated[
        str | None, typer.Option(help="Plan for this variant only. Defaults to all variants of the run.")
    ] = None,
    headroom: Annotated[
        float | None,
        typer.Option(
            help=f"Share of the sustained rate to plan with, from 0 to 1. Only with --measured. Defaults to {HEADROOM}."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of processes of the tested server. Only for a load test of a URL.")
    ] = None,
    prices: options.Prices = None,
    show_prices: Annotated[
        bool, typer.Option("--show-prices", help="Print the example price table and exit. Edit it for --prices.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Plan how many workers and machines your traffic needs and what they cost, from measured latency or a load test.

    With --texts, plan how long that many texts take and what they cost, from a report of `packlight score`.

    The exit status is 3 if no variant stays under the p99, or if no machine has room for a worker.

    Example: `packlight plan runs/latest --rate 1000 --p99-ms 20 --prices prices.yaml`, or
    `packlight plan --measured load.json --rate 5000`, or `packlight plan --measured score.json --texts 1e9 --hours 6`
    """
    if show_prices:
        typer.echo(capacity.default_prices_text(), nl=False)
        return
    traffic = RATE if rate is None else rate
    if measured is not None:
        if folder is not None:
            raise PacklightError(f"got both a run, {folder}, and --measured; give one of them")
        of_runs = {"--utilisation": utilisation, "--p99-ms": p99_ms, "--variant": variant}
        refuse(of_runs, "is for plans from a run; with --measured, use --headroom and --workers")
        if texts is not None:
            of_tests = {"--headroom": headroom, "--workers": workers}
            refuse(of_tests, "is for plans from a load test, not for --texts")
            refuse({"--rate": rate}, "is for traffic, not for --texts; use --hours to set how fast they are scored")
            _from_score(measured, texts, hours, prices, as_json=as_json)
            return
        refuse({"--hours": hours}, "is for --texts")
        _from_load(measured, traffic, headroom, workers, prices, as_json=as_json)
        return
    if folder is None:
        raise MeasurementError(
            "nothing to plan from; give the folder of a run, such as runs/latest, or --measured with a result of "
            "`packlight loadtest`"
        )
    of_load = {"--headroom": headroom, "--workers": workers, "--texts": texts, "--hours": hours}
    refuse(of_load, "is for plans with --measured; with a run, use --utilisation and --p99-ms")
    _from_run(folder, traffic, utilisation, p99_ms, prices, variant, as_json=as_json)


def _from_load(
    file: Path, rate: float, headroom: float | None, workers: int | None, prices: Path | None, *, as_json: bool
) -> None:
    found = plan_from_load(
        read_load(file, workers),
        rate,
        headroom=HEADROOM if headroom is None else headroom,
        prices=options.prices_of(prices),
    )
    if as_json:
        show_json(found)
    else:
        print_tables(load_capacity.terminal_table(found))
    if found.cheapest is None:
        raise typer.Exit(Exit.NOTHING_FITS)


def _from_score(file: Path, texts: float, hours: float | None, prices: Path | None, *, as_json: bool) -> None:
    found = plan_texts(read_score(file), texts, hours=hours, prices=options.prices_of(prices))
    if as_json:
        show_json(found)
    else:
        print_tables(texts_capacity.terminal_table(found))
    if found.cheapest is None:
        raise typer.Exit(Exit.NOTHING_FITS)


def _from_run(
    folder: Path,
    rate: float,
    utilisation: float | None,
    p99_ms: float | None,
    prices: Path | None,
    variant: str | None,
    *,
    as_json: bool,
) -> None:
    measurements = read_measurements(folder)
    plans = capacity.plan_all(
        measurements,
        rate,
        utilisation=capacity.UTILISATION if utilisation is None else utilisation,
        p99_ms=p99_ms,
        prices=options.prices_of(prices),
        latency_samples=samples_of(read_raws(measurements, options.place_of(folder))),
    )
    if variant is not None:
        plans = tuple(each for each in plans if each.variant == measurements[variant].variant)
    if as_json:
        show_json(plans)
    else:
        print_tables(report_capacity.terminal_table(plans, width=console().width))
    if not any(each.within_p99 and each.cheapest for each in plans):
        raise typer.Exit(Exit.NOTHING_FITS)
