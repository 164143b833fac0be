"""Latency against rate."""

from pathlib import Path

from packlight.extras import load as load_extra
from packlight.serve.loadtest.result import LoadResult

LINES = (("p50", "#8fb0e8"), ("p99", "#2f5fc4"), ("p999", "#7a3e9d"))
NAMES = {"p50": "p50", "p99": "p99", "p999": "p99.9"}


def draw(result: LoadResult, path: Path) -> None:
    """Draw percentiles of latency against the rate, both axes logarithmic, and the bound.

    Raises:
        MissingExtraError: when matplotlib is not installed.
    """
    figure_module = load_extra("matplotlib.figure", "the plot of load")
    figure = figure_module.Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    levels = sorted((level for level in result.levels if level.latency_ms), key=lambda level: level.rate)
    rates = [level.rate for level in levels]
    for name, colour in LINES:
        axes.plot(
            rates, [getattr(level.latency_ms, name) for level in levels], "o-", ms=4, color=colour, label=NAMES[name]
        )
    broken = [level for level in levels if level.errors]
    if broken:
        worst = [level.latency_ms.p99 for level in broken if level.latency_ms]
        axes.plot([level.rate for level in broken], worst, "x", ms=9, color="#b3261e", label="with errors")
    axes.axhline(result.bound.p99_ms, color="#68707c", lw=1, ls="--")
    axes.annotate(
        f"p99 bound {result.bound.p99_ms:g} ms",
        (0.01, result.bound.p99_ms),
        xycoords=("axes fraction", "data"),
        va="bottom",
        fontsize=8,
        color="#68707c",
    )
    sustained = result.sustained
    if sustained:
        axes.axvline(sustained.rate, color="#2e7d4f", lw=1)
        axes.set_title(
            f"{result.model}: {sustained.rate:,.0f} requests a second within the bound", loc="left", fontsize=11
        )
    axes.set(xscale="log", yscale="log", xlabel="requests a second, open loop", ylabel="latency from when due, ms")
    axes.grid(visible=True, which="both", lw=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
