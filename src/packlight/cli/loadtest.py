"""`packlight loadtest`: find the rate that a server sustains."""

import math
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from packlight.cli import options
from packlight.cli.show import print_json, print_tables
from packlight.cli.source import DataOptions, with_data_options
from packlight.cli.without_effect import refuse
from packlight.errors import Exit, PacklightError
from packlight.extras import require
from packlight.formatting import milliseconds
from packlight.progress import info
from packlight.serve.loadtest.rates import Ramp, check_rates
from packlight.serve.loadtest.result import Bound, Level, LoadResult, encode_result, write_result
from packlight.serve.loadtest.target import Process, Running, Target, model_of, own_key, served, split_cpus

RAMP = Ramp()


@with_data_options
def loadtest(
    target: Annotated[str, typer.Argument(help="URL of a server, or folder of an artifact to serve during the test.")],
    source: DataOptions,
    model: Annotated[
        str | None, typer.Option(help="Model to test. Not needed if a packlight server has only one.")
    ] = None,
    p99: Annotated[float, typer.Option(min=0.001, help="Maximum p99 latency, in milliseconds.")] = 10.0,
    rate: Annotated[
        list[float] | None,
        typer.Option(help="Test this rate, in requests per second, instead of a ramp. Can be repeated."),
    ] = None,
    initial_rate: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help=f"First rate of the ramp, in requests per second. Not with --rate. Defaults to {RAMP.start:g}.",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.5, help="Duration of each rate, in seconds.")] = RAMP.seconds,
    attempts: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of attempts at a rate of the ramp before it counts as too high. Not with --rate. Defaults to "
            f"{RAMP.attempts}.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of server processes, if TARGET is an artifact. Defaults to the server's share of the processors.",
        ),
    ] = None,
    path: Annotated[
        str | None, typer.Option(help="Path to send requests to, for servers with another protocol.")
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(help='JSON body to send, with "{text}" in one of its strings, for servers with another protocol.'),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="HTTP header to send, as `Name: value`. Can be repeated.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="JSON file for the result. The plot gets the same name with .png."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Find the highest rate that a server sustains with p99 latency under a limit. Requests arrive at random (Poisson).

    The exit status is 3 if no rate stays under the limit, and 1 if no request is answered.

    Example: `packlight loadtest runs/latest/variants/student-onnx-static --out load.json`
    """
    require("httptools", purpose="packlight loadtest")
    from packlight.serve.loadtest.measure import measure_load  # it imports the extra
    from packlight.serve.loadtest.plot import draw  # with the import above

    if rate:
        refuse(
            {"--initial-rate": initial_rate, "--attempts": attempts}, "is for the ramp, which --rate replaces; omit one"
        )
    if _is_url(target):
        refuse(
            {"--workers": workers}, f"is for an artifact's folder, but {target} is a server that runs already; omit it"
        )
    ramp = Ramp(
        start=RAMP.start if initial_rate is None else initial_rate,
        seconds=seconds,
        attempts=RAMP.attempts if attempts is None else attempts,
    )
    check_rates(ramp, rate or ())
    if not math.isfinite(p99):
        raise PacklightError(f"--p99 {p99:g} is not a limit; give milliseconds, such as 10")
    headers = [_header(each) for each in header or ()]
    plot = _plot_beside(out) if out else None
    texts = [str(text) for text in source.read().test.texts]
    server_side, generator_side = split_cpus()
    with ExitStack() as stack:
        url, count = _target(target, workers, server_side, stack)
        if isinstance(url, Process):
            headers = [*own_key(), *headers]
        name = model_of(url.url, model or (template and "peer"), headers)
        result = measure_load(
            url,
            texts,
            model=name,
            source=source.data,
            ramp=ramp,
            bound=Bound(p99_ms=p99),
            rates=rate or (),
            generator_processors=generator_side,
            server_processors=count,
            path=path,
            template=template,
            headers=headers,
            report=lambda level: info(_line(level)),
        )
    answered = any(level.answered for level in result.levels)
    if out and plot:
        write_result(result, out)
        if answered:
            draw(result, plot)
    if as_json:
        print_json(encode_result(result))
    else:
        print_tables(_table(result))
    if not answered:
        raise typer.Exit(Exit.CHECK_FAILED)
    if result.sustained is None:
        raise typer.Exit(Exit.NOTHING_FITS)


def _is_url(target: str) -> bool:
    return target.startswith(("http://", "https://"))


def _target(
    target: str, workers: int | None, processors: frozenset[int] | None, stack: ExitStack
) -> tuple[Target, int | None]:
    if _is_url(target):
        running: Target = Running(target)
        return running, None
    if "://" in target:
        raise PacklightError(
            f"{target}: give a server's URL that begins with http:// or https://, or an artifact's folder"
        )
    count = len(processors) if processors else 1
    server = served(Path(target).resolve(), workers=workers or count, processors=processors)
    return stack.enter_context(server), count


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip() or "\n" in line or "\r" in line:
        raise PacklightError(f"{line!r} is not a header; write it as `Name: value`")
    return name.strip(), value.strip()


def _plot_beside(out: Path) -> Path:
    """The path of the plot, checked before the load test and not after it."""
    require("vl_convert", purpose="the plot that --out writes")
    if out.is_dir():
        raise PacklightError(f"--out {out} is a folder; name a file in it, such as {out / 'load.json'}")
    plot = out.with_suffix(".png")
    if out.suffix.lower() == plot.suffix:
        raise PacklightError(
            f"--out {out} is reserved for the plot; give the name of the JSON file, such as {out.with_suffix('.json')}"
        )
    if plot.is_dir():
        raise PacklightError(f"--out {out}: the plot goes to {plot}, which is a folder; choose another name")
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise PacklightError(f"--out {out}: {above} is not a writable folder; choose another place")
    return plot


def _line(level: Level) -> str:
    times = level.latency_ms
    said = f"p50 {milliseconds(times.p50)}, p99 {milliseconds(times.p99)}" if times else "no response"
    errors = "".join(f", {count} x {kind}" for kind, count in level.errors.items())
    return f"{level.rate:,.0f} requests per second: {said}{errors}{'' if level.carried else ' (over the limit)'}"


def _table(result: LoadResult) -> Table:
    best = result.sustained
    title = (
        f"{best.rate:,.0f} requests per second with p99 under {result.bound.p99_ms:g} ms and no errors"
        if best
        else f"no rate had p99 under {result.bound.p99_ms:g} ms without errors"
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for name in ("requests/s", "p50", "p99", "p99.9", "errors", "CPU/request", "generator late"):
        table.add_column(name, justify="right")
    for level in sorted(result.levels, key=lambda each: (each.rate, each.attempt)):
        times = level.latency_ms
        cells = [milliseconds(value) for value in (times.p50, times.p99, times.p999)] if times else ["–", "–", "–"]  # noqa: RUF001 - as in figures
        cpu = "–" if level.cpu_ms_per_request is None else milliseconds(level.cpu_ms_per_request)  # noqa: RUF001 - as in figures
        errors = str(sum(level.errors.values()))
        style = "" if level.carried else "dim"
        table.add_row(f"{level.rate:,.0f}", *cells, errors, cpu, milliseconds(level.generator_late_ms), style=style)
    return table
