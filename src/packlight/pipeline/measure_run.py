"""Measure a run: reference models and artifacts side by side, the figures, the report, the model cards."""

import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec

from packlight import __version__
from packlight.data import SPLITS, Dataset
from packlight.errors import MeasurementError, MissingExtraError
from packlight.extras import installed, require
from packlight.files import atomic_write
from packlight.formatting import counted
from packlight.measure import environment, timing
from packlight.measure.figures import VariantInfo, derive
from packlight.measure.journal import journal_name
from packlight.measure.results import (
    REFERENCE,
    DataSummary,
    EvaluatedSplit,
    Measurements,
    Parity,
    Portability,
    Raw,
    TrueLabels,
    correct_by_variant,
    read_measurements,
    read_raw,
    read_truth,
    samples_of,
    write_measurements,
    write_raw,
    write_truth,
)
from packlight.measure.roofline.rows import WorkSource, add_roofline
from packlight.measure.rounds import BenchmarkConfig, run_benchmark
from packlight.measure.worker_process import BenchmarkTarget
from packlight.progress import info
from packlight.report import write_report
from packlight.report.card import write_card
from packlight.report.html import write_html
from packlight.runtime.artifact import CARD, SAFETENSORS, Artifact, BetterThreads, read_manifest, write_manifest
from packlight.runtime.engines import BASELINE, engine_info
from packlight.runtime.processor import cpu_budget

if TYPE_CHECKING:
    from packlight.pipeline.reference_rows import Reference

CALIBRATE = "calibrate"
"""the kind of step whose result is the same model with a threshold"""
MEASURED = Path("work", "measured")
"""names the journal behind the run's figures, once all of them are written"""


def measure_run(
    artifacts: Mapping[str, Artifact],
    data: Dataset,
    out: Path,
    *,
    references: Sequence[str],
    threads: int,
    seed: int,
    effort: BenchmarkConfig,
    remeasure: bool = False,
    quote: bool = True,
    not_built: Mapping[str, str] | None = None,
    step_seconds: Mapping[str, float] | None = None,
) -> tuple[Measurements, bool]:
    """Measure variants side by side and write everything that is derived from that.

    Args:
        artifacts: the artifacts by variant, in the order of the rows.
        data: labelled texts. Every variant predicts `val` and `test`.
        out: the run's folder.
        references: reference models to measure beside them, before the first row.
        threads: threads per inference of every variant.
        seed: random seed of the sample of texts and the order of the turns.
        effort: how much to measure.
        remeasure: measure again even if nothing changed.
        quote: whether report.html quotes test texts. A page that quotes none is kept while nothing changes.
        not_built: variants of the recipe that could not be built, with the reason.
        step_seconds: for each variant of the recipe, how long its step took.

    Returns:
        The measurements, and whether anything was measured again.
    """
    journal = out / "work" / journal_name(_settings(artifacts, data, references, threads, seed, effort))
    rates = journal.with_name(f"machine-{journal.stem}.json")
    if remeasure:
        journal.unlink(missing_ok=True)
        rates.unlink(missing_ok=True)
        (out / MEASURED).unlink(missing_ok=True)
    if (known := _up_to_date(out, journal)) is not None:
        wide = [row.variant for row in known.measurements if not row.stable]
        doubt = f", but not known to within {timing.PRECISION:.0%}: {', '.join(wide)}; --remeasure measures again"
        info("measurements: up to date" + (doubt if wide else ""))
        for artifact in artifacts.values():
            # An artifact that was altered and built again with the same bytes has lost its figures and its card.
            if artifact.manifest.measurement is None or not (artifact.path / CARD).is_file():
                _record(artifact, known)
        if known.not_built != (not_built or {}):
            known = msgspec.structs.replace(known, not_built=dict(not_built or {}))
            write_run(known, [read_raw(out, row.variant) for row in known.measurements], data, out)
            _write_page(out, quote=quote)
        elif not quote:
            _write_page(out, quote=False)
        return known, False
    beside = _prepare(references, artifacts, data, out)
    everything = [*(reference.subject for reference in beside), *map(subject_of, artifacts.values())]
    scored = [*(reference.name for reference in beside if reference.trained), *artifacts]
    info(f"measuring {counted(len(everything), 'variant')} side by side on {counted(threads, 'thread')}")
    start = time.monotonic()
    raws = run_benchmark(
        everything,
        data,
        threads=threads,
        effort=effort,
        seed=seed,
        journal=journal,
        scored=scored,
        tried=[name for name, each in artifacts.items() if engine_info(each.manifest.engine).tries_threads],
        all_threads=cpu_budget(),
    )
    identities = [
        *map(_identity_of_reference, beside),
        *(identity_of(each, out, measured=artifacts) for each in artifacts.values()),
    ]
    measurements = summarise_run(identities, raws, data, threads=threads, seed=seed)
    measurements = add_roofline(
        measurements, _counted(beside, artifacts), timed_texts(data, raws), threads=threads, kept=rates
    )
    seconds = time.monotonic() - start
    info(f"measured in {seconds:.0f} s")
    measurements = msgspec.structs.replace(
        measurements,
        not_built=dict(not_built or {}),
        step_seconds=dict(step_seconds or {}),
        measuring_seconds=round(seconds, 3),
    )
    (out / MEASURED).unlink(missing_ok=True)
    write_run(measurements, raws, data, out)
    for artifact in artifacts.values():
        _record(artifact, measurements)
    _write_page(out, quote=quote)
    atomic_write(out / MEASURED, journal.name)
    shutil.rmtree(out / "work" / "references", ignore_errors=True)
    return measurements, True


def subject_of(artifact: Artifact) -> BenchmarkTarget:
    """What is measured of an artifact."""
    manifest = artifact.manifest
    return BenchmarkTarget(
        variant=manifest.name,
        folder=artifact.path,
        engine=manifest.engine,
        batch_invariant=manifest.batch_invariant,
        oos_label=manifest.oos_label,
        abstain_below=manifest.abstain_below,
    )


def identity_of(artifact: Artifact, out: Path, *, measured: Collection[str] = ()) -> VariantInfo:
    """A row's description of an artifact, without its figures.

    Args:
        artifact: what is measured.
        out: the run's folder.
        measured: names of the variants that are measured with it. If the parent is not one of these, the nearest
            measured ancestor takes its place.
    """
    manifest = artifact.manifest
    ancestors = [str(each["name"]) for each in reversed(manifest.lineage)]
    parity, portability = manifest.facts.get("parity"), manifest.facts.get("portability")
    below = artifact.path.is_relative_to(out)
    calibrated = manifest.parent if manifest.step == CALIBRATE and manifest.parent in measured else None
    return VariantInfo(
        variant=manifest.name,
        parent=next((name for name in ancestors if name in measured), manifest.parent),
        step=REFERENCE if manifest.options.get("reference") else manifest.step,
        engine=manifest.engine,
        precision=manifest.precision,
        artifact=artifact.path.relative_to(out).as_posix() if below else str(artifact.path),
        note=None,
        size_bytes=artifact.size_bytes,
        weights_bytes=artifact.weights_bytes,
        parity=msgspec.convert(parity, Parity) if parity else None,
        portability=msgspec.convert(portability, Portability) if portability else None,
        batch_invariant=manifest.batch_invariant,
        calibrates=calibrated,
    )


def summarise_run(
    identities: Sequence[VariantInfo],
    raws: Sequence[Raw],
    data: Dataset,
    *,
    threads: int,
    seed: int,
) -> Measurements:
    """The measurements of a run. The first row is the baseline of all speedups."""
    baseline = identities[0].variant
    rows = derive(identities, {raw.variant: raw for raw in raws}, data, baseline=baseline, threads=threads, seed=seed)
    return Measurements(
        packlight=__version__,
        environment=environment.describe(threads),
        data=DataSummary(
            source=data.source,
            sha256=data.sha256,
            rows={name: len(data.split(name)) for name in SPLITS},
            labels=len(data.labels),
            oos_label=data.oos_label,
            reading=dict(data.reading),
            majority=data.majority_shares,
            majority_label=data.majority_label,
        ),
        baseline=baseline,
        stable=all(row.stable for row in rows),
        measurements=rows,
    )


def timed_texts(data: Dataset, raws: Sequence[Raw]) -> dict[str, list[str]]:
    """The texts that each variant is timed on, one at a time, in every round."""
    return {raw.variant: [data.test.texts[place] for place in raw.timed] for raw in raws}


def write_run(measurements: Measurements, raws: Sequence[Raw], data: Dataset, out: Path) -> None:
    """Write raw samples, figures and report."""
    for raw in raws:
        write_raw(raw, out)
    truths = {split: truth_of(data, split) for split in get_args(EvaluatedSplit)}
    for truth in truths.values():
        write_truth(truth, out)
    write_measurements(measurements, out)
    try:
        write_report(
            measurements,
            out,
            latency_samples=samples_of(raws),
            right=correct_by_variant(raws, truths[measurements.chosen_on]),
        )
    except MissingExtraError as error:
        info(f"no report was written: {error}")


def truth_of(data: Dataset, split: EvaluatedSplit) -> TrueLabels:
    """A split, as it is stored next to the measurements on it."""
    part = data.split(split)
    return TrueLabels(split=split, labels=data.answers, texts=list(part.texts), answers=list(data.ids(part)))


def _write_page(out: Path, *, quote: bool) -> None:
    """Write report.html from the finished folder."""
    try:
        write_html(out, texts=quote)
    except MissingExtraError as error:
        info(f"no report.html was written: {error}")


def _prepare(
    names: Sequence[str],
    artifacts: Mapping[str, Artifact],
    data: Dataset,
    out: Path,
) -> "list[Reference]":
    if not names:
        return []
    require(*engine_info(BASELINE).modules, purpose="measuring a reference model")
    from packlight.pipeline.reference_rows import prepare  # imports torch, which ONNX artifacts don't need

    tokenizer = next(iter(artifacts.values())).path
    return [prepare(name, data, tokenizer, out / "work" / "references" / name) for name in names]


def _identity_of_reference(reference: "Reference") -> VariantInfo:
    return VariantInfo(
        variant=reference.name,
        parent=None,
        step=REFERENCE,
        engine=BASELINE,
        precision="fp32",
        artifact=None,
        note=reference.note,
        size_bytes=reference.size_bytes,
        weights_bytes=reference.weights_bytes,
        parity=None,
    )


def _counted(references: "Sequence[Reference]", artifacts: Mapping[str, Artifact]) -> dict[str, WorkSource]:
    """The files that each row's work is counted from."""
    found = {
        each.name: WorkSource(each.folder, each.subject.engine, SAFETENSORS, each.max_length) for each in references
    }
    for name, artifact in artifacts.items():
        manifest = artifact.manifest
        found[name] = WorkSource(
            artifact.path, manifest.engine, manifest.model_file, manifest.max_length, manifest.long_texts
        )
    return found


def _settings(
    artifacts: Mapping[str, Artifact],
    data: Dataset,
    references: Sequence[str],
    threads: int,
    seed: int,
    effort: BenchmarkConfig,
) -> list[str]:
    """Everything that the measurements depend on, including the machine and its libraries."""
    here = environment.describe(threads)
    versions = [f"{name} {version}" for name, version in sorted(here.libraries.items())]
    variants = [
        f"{name} of {each.manifest.parent}: {each.manifest.fingerprint} "
        + " ".join(entry.sha256 for entry in each.manifest.files.values())
        for name, each in artifacts.items()
    ]
    return [data.sha256, str(threads), str(seed), repr(effort), here.cpu, *versions, *references, *variants]


def _up_to_date(out: Path, journal: Path) -> Measurements | None:
    """The figures, if they were derived from this journal and all charts of them exist."""
    drawn = ["report.md", "plot.png", "plot.svg"] if installed("vl_convert") else []
    drawn += ["report.html"] if drawn and installed("jinja2") else []
    try:
        if (out / MEASURED).read_text() != journal.name or not all((out / name).is_file() for name in drawn):
            return None
        known = read_measurements(out)
        for row in known.measurements:
            read_raw(out, row.variant)
        for split in get_args(EvaluatedSplit):
            read_truth(out, split)
    except (OSError, MeasurementError):
        return None
    return known


def _record(artifact: Artifact, measurements: Measurements) -> None:
    """Write the figures to the artifact's manifest and card, unless its folder is read-only."""
    row = measurements[artifact.name]
    document = {"figures": msgspec.to_builtins(row), "environment": msgspec.to_builtins(measurements.environment)}
    trial = row.all_threads
    threads = None if trial is None else BetterThreads(requests=trial.better, batches=trial.better_in_batches)
    manifest = msgspec.structs.replace(read_manifest(artifact.path), measurement=document, threads=threads)
    try:
        write_manifest(artifact.path, manifest)
        write_card(artifact, measurements)
    except OSError as error:
        info(f"{artifact.path}: its model card is unchanged ({error.strerror})")
