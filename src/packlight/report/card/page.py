"""The card's page, built with huggingface_hub's card class."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packlight.analysis.summary import summarise
from packlight.data.load import SAMPLE
from packlight.files import atomic_write
from packlight.formatting import NONE, digits, megabytes, milliseconds, percent, percent_interval
from packlight.measure.results import Measurement, Measurements
from packlight.report import render_markdown
from packlight.report.card.loading import ways
from packlight.report.card.metadata import card_data, source_of
from packlight.report.card.sections import engines, limits, out_of_scope
from packlight.report.table import escape
from packlight.runtime.artifact import CARD, Artifact
from packlight.runtime.engines import engine_info
from packlight.runtime.golden import has_golden
from packlight.runtime.provenance import NOTICE, base_models

SHOWN_LABELS = 12
_SAMPLE = (
    " A language model wrote these texts for packlight. They are in the public domain (CC0) and are not a benchmark."
)


def write_card(artifact: Artifact, measurements: Measurements) -> None:
    """Write `README.md` into the artifact's folder."""
    atomic_write(artifact.path / CARD, render_card(artifact, measurements))


def render_card(artifact: Artifact, measurements: Measurements) -> str:
    """The card as Markdown, with the Hub's metadata in front.

    Raises:
        MeasurementError: if the artifact is not one of the measured variants.
    """
    from huggingface_hub import ModelCard  # (slow to import)

    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in _sections(artifact, measurements))
    head = card_data(artifact, measurements).to_yaml()
    # Parsing the result proves that the Hub can read it.
    return str(ModelCard(f"---\n{head}\n---\n\n# {escape(artifact.name)}\n\n{_opening(artifact)}\n\n{body}\n"))


def _sections(artifact: Artifact, measurements: Measurements) -> Iterator[tuple[str, str]]:
    yield "Intended use", _use(artifact)
    yield "How to open it", _ways(artifact)
    yield "Measured", _measured(measurements[artifact.name], measurements)
    if "engines" in artifact.manifest.facts:
        yield "Engines", engines(artifact)
    yield "All variants of the run", render_markdown(summarise(measurements)).strip()
    yield "Out of scope", out_of_scope(artifact, measurements)
    yield "Limits", "\n".join(f"- {sentence}" for sentence in limits(artifact, measurements))
    yield "Data", _data(measurements)
    yield "License", _license(artifact)
    yield "How it was made", _steps(artifact)


def _opening(artifact: Artifact) -> str:
    manifest, info = artifact.manifest, engine_info(artifact.manifest.engine)
    steps = " → ".join(f"`{step['step']}`" for step in (*manifest.lineage, {"step": manifest.step}))
    return (
        f"A text classifier with {len(artifact.labels)} labels for {info.label} ({manifest.precision}), "
        f"{megabytes(artifact.size_bytes / 1e6)} {info.brings}, made by packlight "
        f"{manifest.libraries.get('packlight', '')}: {steps}."
    )


def _use(artifact: Artifact) -> str:
    first, rest = artifact.labels[:SHOWN_LABELS], artifact.labels[SHOWN_LABELS:]
    more = f" and {len(rest)} more (in `config.json`)" if rest else ""
    labels = ", ".join(f"`{_inline(label)}`" for label in first)
    return (
        f"It classifies a short text as one of its labels: {labels}{more}.\n\nNot intended for texts with several labels at once, "
        "texts unlike those it was trained on, or decisions about people without human review."
    )


def _ways(artifact: Artifact) -> str:
    return "\n\n".join(
        f"With {way.title} (`{way.needs}`), in this folder:\n\n```{way.language}\n{way.code}\n```"
        for way in ways(artifact)
    )


def _majority(measurements: Measurements) -> list[tuple[str, str, str]]:
    """The accuracy to compare with: that of always predicting the most frequent label."""
    share = measurements.data.majority.get("test")
    if share is None:
        return []
    return [
        (
            "majority share",
            percent(share),
            f"accuracy of always predicting `{_inline(str(measurements.data.majority_label))}`",
        )
    ]


def _measured(row: Measurement, measurements: Measurements) -> str:
    latency = row.latency_ms
    chosen = [] if row.val is None else [
        (
            "validation accuracy",
            percent(row.val.accuracy),
            f"95% interval {percent_interval(row.val.accuracy_ci95)}; for choosing between variants",
        )
    ]  # fmt: skip
    figures = [
        *chosen,
        ("test accuracy", percent(row.accuracy), f"95% interval {percent_interval(row.accuracy_ci95)}"),
        ("accuracy in scope", percent(row.in_scope_accuracy), "on texts that belong to a class"),
        ("out-of-scope recall", percent(row.oos_recall), "share of out-of-scope texts recognized"),
        *_majority(measurements),
        ("macro F1", NONE if row.macro_f1 is None else f"{row.macro_f1:.3f}", "all classes weigh the same"),
        ("size", megabytes(row.size_mb), f"total on disk, tokenizer included; weights {megabytes(row.weights_mb)}"),
        (
            "latency",
            milliseconds(latency.mean),
            f"mean over {row.latency_samples // row.rounds:,} texts of the median over {row.rounds} rounds; 95% interval "
            + " to ".join(map(milliseconds, latency.ci95)),
        ),
        (
            "p50 / p95 / p99",
            " / ".join(map(milliseconds, (latency.p50, latency.p95, latency.p99))),
            f"of all {row.latency_samples:,} timed requests",
        ),
        ("throughput", f"{digits(row.throughput_batch32)} texts/s", "in batches of 32"),
        ("memory", megabytes(row.peak_memory_mb), "peak, in its own process"),
    ]
    lines = ["| figure | value | |", "| --- | ---: | --- |"]
    lines += [f"| {name} | {value} | {remark} |" for name, value, remark in figures]
    place = measurements.environment
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(place.libraries.items()))
    lines += [
        "",
        (
            f"{measurements.data.rows['test']:,} test texts; {place.cpu}, {row.threads} thread{'s' * (row.threads > 1)}, "
            f"Python {place.python}, {libraries}; {place.taken_at}."
        ),
    ]
    return "\n".join(lines)


def _data(measurements: Measurements) -> str:
    data = measurements.data
    rows = ", ".join(f"{count:,} {split}" for split, count in data.rows.items())
    source = source_of(data)
    configuration = f", configuration `{source.configuration}`" if source.configuration else ""
    scope = f"; `{_inline(data.oos_label)}` means out of scope" if data.oos_label else ""
    sample = _SAMPLE if data.source == SAMPLE else ""
    return (
        f"`{_inline(source.name)}`{configuration}: {rows} texts, {data.labels:,} labels{scope}. Trained on `train`. "
        f"{_choice(measurements)} SHA-256 of texts and labels: `{data.sha256}`.{sample}"
    )


def _choice(measurements: Measurements) -> str:
    """The splits that chose and confirmed the variant."""
    if measurements.chosen_on == "val":
        return (
            "Settings and variants were chosen on `val`. `test` only confirms; the figures above come from it unless they say "
            "validation."
        )
    return (
        "The run measured no validation texts, so variants were compared on `test` itself. If this one was chosen for its "
        "accuracy there, that accuracy may be too high."
    )


def _license(artifact: Artifact) -> str:
    """The known licenses of the models that it derives from."""
    models = base_models(artifact.manifest)
    if not models:
        return "The model that training started from is not recorded, so its license is unknown."
    known = [f"`{_inline(each.id or each.reference)}` ({_inline(each.license)})" for each in models if each.license]
    unknown = [f"`{_inline(each.id or Path(each.reference).name)}`" for each in models if not each.license]
    said = [f"Its weights derive from {', '.join(known)}; that license still applies."] if known else []
    if unknown:
        said.append(
            f"The license of {', '.join(unknown)}, which training started from, is unknown: the files don't state "
            "one. Find out before you share this model."
        )
    if (artifact.path / NOTICE).is_file():
        said.append(f"`{NOTICE}` attributes the original work, with revision and SHA-256. Keep it with the files.")
    return " ".join(said)


def _steps(artifact: Artifact) -> str:
    manifest = artifact.manifest
    own = {"name": manifest.name, "step": manifest.step, "options": manifest.options}
    lines = ["| variant | step | options |", "| --- | --- | --- |"]
    lines += [
        f"| {escape(str(step['name']))} | `{step['step']}` | {_options(step['options'])} |"
        for step in (*manifest.lineage, own)
    ]
    versions = ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())
    golden = (
        " `golden.json` has 64 neutral texts, none from the training data, with this model's logits: `packlight verify .` checks "
        "that you get the same predictions on your machine."
    )
    closing = (
        f"Made with {versions}. `packlight.json` has the SHA-256 of every file.{golden if has_golden(artifact) else ''}"
    )
    return "\n".join([*lines, "", closing])


def _options(options: dict[str, Any]) -> str:
    given = {name: value for name, value in options.items() if value is not None}
    return ", ".join(f"{escape(name)}: `{_inline(json.dumps(value))}`" for name, value in given.items()) or NONE


def _inline(text: str) -> str:
    """Text for backticks, also inside a table."""
    return text.replace("`", "'").replace("|", "\\|").replace("\n", " ")
