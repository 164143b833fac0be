"""Plot latency against rate. `report/charts/load.json` defines the style."""

from pathlib import Path

from packlight.files import atomic_write
from packlight.report import vega
from packlight.serve.loadtest.result import LoadResult

PERCENTILES = {"p50": "p50", "p99": "p99", "p999": "p99.9"}
"""names in the legend, by the fields of `Times`"""
SCALE = 1.6
"""pixels per unit of the chart"""


def draw(result: LoadResult, path: Path) -> None:
    """Draw the percentiles of latency against the rate of requests as PNG, with logarithmic axes and the limit.

    Raises:
        MissingExtraError: if vl-convert-python is not installed.
    """
    levels = sorted((level for level in result.levels if level.latency_ms), key=lambda level: level.rate)
    points = [
        {"rate": level.rate, "ms": getattr(level.latency_ms, field), "percentile": name}
        for field, name in PERCENTILES.items()
        for level in levels
    ]
    broken = [{"rate": level.rate, "ms": level.latency_ms.p99} for level in levels if level.errors and level.latency_ms]
    rates = [level.rate for level in levels]
    times = [point["ms"] for point in points]
    best = result.sustained
    signals = {
        "title": f"{result.model}: {best.rate:,.0f} requests per second within the bound" if best else result.model,
        "across": vega.log_ticks(rates),
        "up": vega.log_ticks([*times, result.bound.p99_ms]),
        "bound": result.bound.p99_ms,
        "sustained": best.rate if best else None,
    }
    chart = vega.filled(vega.chart("load"), {"points": points, "broken": broken}, signals)
    atomic_write(path, vega.png(vega.svg(chart), scale=SCALE))
