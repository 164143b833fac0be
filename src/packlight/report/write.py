"""The report's folder: `report.md`, `plot.png` and `plot.svg`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from packlight.analysis import capacity, recommend
from packlight.analysis.capacity import PriceTable
from packlight.analysis.recommend import Constraints
from packlight.analysis.summary import Row, Summary, summarise
from packlight.files import atomic_write
from packlight.formatting import percent
from packlight.measure.results import Measurements
from packlight.report import advice as advice_module
from packlight.report import capacity as report_capacity
from packlight.report.plot import write_plot
from packlight.report.roofline import render_roofline
from packlight.report.spent import render_spent
from packlight.report.table import escape, render_markdown
from packlight.report.threads import render_threads

GLOSSARY = (
    "size: total on disk, tokenizer included, MB of 10^6 bytes · memory: peak of one process · latency: one request at batch "
    "size 1, from text to label; the mean over texts of each text's median over rounds · p95: 95% of all timed requests take "
    "no longer · texts/s: throughput at batch size 32 · in scope: accuracy on texts of a known class · val: accuracy on the "
    "validation split, used to choose a variant · oos recall: share of out-of-scope texts recognized · speedup: the "
    "baseline's latency divided by the row's, with its 95% interval over rounds and texts · change: exact McNemar test on "
    "the same texts"
)


class Paths(NamedTuple):
    """The paths of a report's files."""

    report: Path
    png: Path
    svg: Path


def write_report(
    measurements: Measurements,
    folder: Path,
    *,
    constraints: Constraints | None = None,
    rate: float | None = None,
    utilisation: float = capacity.UTILISATION,
    p99_ms: float | None = None,
    prices: PriceTable | None = None,
    latency_samples: Mapping[str, Sequence[float]] | None = None,
    right: Mapping[str, Sequence[bool]] | None = None,
) -> Paths:
    """Write the whole report into a folder, each file atomically, and return the paths.

    Args:
        measurements: a run's rows.
        folder: created if missing.
        constraints: limits for the recommendation; None for the balanced profile without limits.
        rate: requests per second to plan capacity for; None for the rate in the measurements.
        utilisation: maximum share of the time that a worker is busy, from 0 to 1.
        p99_ms: maximum p99 latency in milliseconds, including the wait.
        prices: machines and their prices; None for the built-in examples.
        latency_samples: raw latencies of each variant in milliseconds, for the spread of its service times.
        right: for each variant, whether it classified each text of `measurements.chosen_on` correctly, for exact
            tests between any two rows.

    Raises:
        MissingExtraError: if vl-convert-python is not installed.
        PacklightError: if a constraint, the rate or another figure is out of range.
    """
    summary = summarise(measurements)
    advice = recommend.recommend(measurements, constraints or Constraints(), right=right)
    plans: tuple[capacity.Plan, ...] = ()
    if measurements.measurements:
        plans = capacity.plan_all(
            measurements,
            rate if rate is not None else measurements.measurements[0].workers_for_rate.rate,
            utilisation=utilisation,
            p99_ms=p99_ms,
            prices=prices,
            latency_samples=latency_samples,
        )
    png, svg = write_plot(summary, folder)
    page = folder / "report.md"
    atomic_write(
        page, render_report(summary, report_capacity.render_markdown(plans), advice_module.render_markdown(advice))
    )
    return Paths(page, png, svg)


def render_report(summary: Summary, capacity_table: str, advice: str) -> str:
    """Assemble the page in Markdown."""
    sections = [
        ("Variants", f"{escape(summary.title)}\n\n{render_markdown(summary, wide=True)}"),
        ("Plot", "![latency against accuracy, bubbles for size](plot.svg)\n"),
        ("Recommendation", advice),
        ("Paired tests", _list(summary.findings, "No variant has a measured parent.")),
        ("Roofline: how close to the machine's limit", render_roofline(summary)),
        ("One thread or all", render_threads(summary)),
        ("Capacity and cost", capacity_table),
        ("Where the time went", render_spent(summary)),
        ("Worst classes", _worst_classes(summary.rows)),
        ("Environment", _list(_environment(summary), "")),
        ("Data", _list(_data(summary), "")),
        ("Terms", f"{GLOSSARY}\n"),
    ]
    return "# Report\n\n" + "\n".join(f"## {title}\n\n{body}" for title, body in sections if body is not None)


def _list(lines: Sequence[str], otherwise: str) -> str:
    return "".join(f"- {escape(line)}\n" for line in lines) or f"{otherwise}\n"


def _worst_classes(rows: Sequence[Row]) -> str:
    lines = [
        f"{row.variant}: "
        + ", ".join(
            f"{score.label} {percent(score.accuracy)} on {score.queries:,} texts" for score in row.worst_classes
        )
        for row in rows
        if row.worst_classes
    ]
    if not lines and any(row.accuracy is not None for row in rows):
        return "Every variant with an accuracy classifies every test text correctly.\n"
    return _list(lines, "No variant has an accuracy.")


def _environment(summary: Summary) -> list[str]:
    place = summary.environment
    vnni = "with VNNI" if place.vnni else "without VNNI"
    return [
        f"{place.cpu} ({place.machine}, {vnni}), {place.cpu_budget} of {place.cpu_count} processors used, {place.memory_gb:.1f} GB",
        f"Python {place.python}, "
        + ", ".join(f"{name} {version}" for name, version in sorted(place.libraries.items())),
        f"measured at {place.taken_at}{_steal(summary)}",
    ]


def _steal(summary: Summary) -> str:
    shares = [row.steal for row in summary.rows if row.steal is not None]
    return (
        f"; {percent(sum(shares) / len(shares))} of the CPU time went to other virtual machines (steal)"
        if shares
        else ""
    )


def _data(summary: Summary) -> list[str]:
    data = summary.data
    rows = ", ".join(f"{count:,} {split}" for split, count in data.rows.items())
    scope = f"out of scope: {data.oos_label}" if data.oos_label else "no out-of-scope label"
    lines = [f"{data.source}: {rows}; {data.labels:,} labels, {scope}", f"sha256 {data.sha256}"]
    if data.majority:
        shares = ", ".join(f"{percent(share)} on {split}" for split, share in data.majority.items())
        lines.insert(1, f"always predicting {data.majority_label!r}, the most frequent label of train: {shares}")
    return lines
