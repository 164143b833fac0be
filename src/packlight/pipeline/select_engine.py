"""Compare engines: build an artifact's forms, time them, evaluate them on `val`, and write the fastest."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from packlight.analysis.engine_selection import EngineSelection, Row, allowed, choose
from packlight.data import Dataset
from packlight.errors import ArtifactError, PacklightError
from packlight.files import atomic_folder
from packlight.measure import environment, timing
from packlight.measure.results import Raw
from packlight.measure.rounds import BenchmarkConfig, run_benchmark
from packlight.pipeline.engine_candidates import Candidate, check_origin, gather
from packlight.pipeline.locking import lock_artifact
from packlight.pipeline.matching import check_labels
from packlight.progress import info
from packlight.runtime import processor
from packlight.runtime.artifact import MANIFEST, Artifact, read_manifest, write_manifest

MAX_ACCURACY_LOSS = 0.005
OUT = Path("artifacts/fastest")


def select_engine(
    artifact: Path,
    data: Dataset,
    *,
    others: Sequence[Path] = (),
    out: Path = OUT,
    max_accuracy_loss: float = MAX_ACCURACY_LOSS,
    threads: int = 1,
    effort: BenchmarkConfig | None = None,
    seed: int = 0,
) -> EngineSelection:
    """Find the fastest engine for a classifier on this machine, and write that artifact with the figures.

    Engines whose packages or compiler are not installed are skipped, with an install hint in their rows.

    Args:
        artifact: folder of a float32 PyTorch artifact.
        data: labelled texts. Candidates are calibrated on `train` and evaluated on `val`; `test` is not read.
        others: folders of artifacts with the same labels, to compare as they are.
        out: folder for the winner. If one of the given artifacts wins, the figures go into its own manifest instead.
        max_accuracy_loss: maximum loss of accuracy on val against the most accurate candidate, from 0 to 1.
        threads: threads per inference of every candidate.
        effort: rounds and texts of the timing.
        seed: random seed.

    Raises:
        ArtifactError: if `out` contains something other than an artifact, or is a candidate itself.
        MeasurementError: if a given artifact cannot be opened.
        ModelError: if the artifact is not a float32 PyTorch one, or if a candidate lacks a label of the data.
        PacklightError: if the loss is not a share.
    """
    if not 0 <= max_accuracy_loss < 1:
        raise PacklightError(f"max_accuracy_loss {max_accuracy_loss}: give a share from 0 to below 1, such as 0.005")
    parent = Artifact.open(artifact)
    check_origin(parent)
    opened = [Artifact.open(path) for path in others]
    for each in (parent, *opened):
        check_labels(each.path, data)
    _check_place(out, [parent, *opened])
    threads, effort = processor.threads_for(threads), effort or BenchmarkConfig()
    with lock_artifact(out) as work:
        candidates = gather(parent, opened, data, work, threads=threads, seed=seed)
        outcome = _measure(candidates, data, work, threads, effort, seed, max_accuracy_loss)
        place = _record(outcome, next(each for each in candidates if each.name == outcome.winner), out)
        shutil.rmtree(work)
    return msgspec.structs.replace(outcome, artifact=str(place))


def _measure(
    candidates: Sequence[Candidate],
    data: Dataset,
    work: Path,
    threads: int,
    effort: BenchmarkConfig,
    seed: int,
    max_accuracy_loss: float,
) -> EngineSelection:
    running = [each for each in candidates if each.artifact is not None]
    journal = work / "rounds.jsonl"
    # A journal of an interrupted call is from another time.
    journal.unlink(missing_ok=True)
    info(f"timing {len(running)} candidates side by side on {threads} thread{'s' * (threads > 1)}")
    raws = run_benchmark(
        [each.subject for each in running],
        data,
        threads=threads,
        effort=effort,
        seed=seed,
        journal=journal,
        scored=[each.name for each in running],
        splits=("val",),
        all_threads=processor.cpu_budget(),
    )
    by_name = {raw.variant: raw for raw in raws}
    drawn = {
        raw.variant: timing.resample(raw.latency_ms, seed=seed, blocks=raw.blocks, strata=raw.strata) for raw in raws
    }
    baseline = candidates[0].name
    truth = np.array(data.ids(data.val))
    rows = tuple(_row(each, by_name.get(each.name), drawn, baseline, truth) for each in candidates)
    winner = choose(rows, max_accuracy_loss)
    here = environment.describe(threads)
    return EngineSelection(
        machine=here.cpu,
        threads=threads,
        baseline=baseline,
        max_accuracy_loss=max_accuracy_loss,
        winner=winner.name,
        level=tuple(
            row.name
            for row in allowed(rows, max_accuracy_loss)
            if row is not winner and timing.ratio(drawn[row.name], drawn[winner.name]).level
        ),
        stable=all(estimate.stable for estimate in timing.target_figures(drawn, baseline).values()),
        rounds=drawn[baseline].rounds,
        texts=min(len(raw.timed) for raw in raws),
        taken_at=here.taken_at,
        libraries=here.libraries,
        engines=rows,
        artifact="",
    )


def _row(
    candidate: Candidate,
    raw: Raw | None,
    drawn: Mapping[str, timing.Resampled],
    baseline: str,
    truth: np.ndarray,
) -> Row:
    row = Row(name=candidate.name, engine=candidate.engine, precision=candidate.precision, note=candidate.note)
    if raw is None:
        return row
    speedup = timing.ratio(drawn[baseline], drawn[raw.variant])
    return msgspec.structs.replace(
        row,
        latency_ms=timing.latency(drawn[raw.variant]).value,
        speedup=speedup.value,
        ci95=speedup.interval,
        stable=speedup.stable,
        val_accuracy=float((np.array(raw.val_predictions) == truth).mean()),
    )


def _check_place(out: Path, given: Sequence[Artifact]) -> None:
    """Check the place for the result before minutes of measuring."""
    if any(out.resolve() == each.path.resolve() for each in given):
        raise ArtifactError(f"{out}: is one of the candidates; give another --out for the winner")
    if out.exists() and not (out / MANIFEST).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise ArtifactError(f"{out}: exists but is not a packlight artifact; remove it, or give another --out")


def _record(outcome: EngineSelection, winner: Candidate, out: Path) -> Path:
    """Write the figures to the winner's manifest, and the winner to `out`, unless it is a given artifact."""
    assert winner.artifact is not None  # it ran
    source = winner.artifact
    if winner.given:
        _note(source.path, outcome)
        return source.path
    with atomic_folder(out) as draft:
        source.copy(draft)
        _note(draft, outcome)
    Artifact.open(out)
    return out


def _note(folder: Path, outcome: EngineSelection) -> None:
    plain = msgspec.to_builtins(outcome)
    rows = plain.pop("engines")
    del plain["artifact"]
    manifest = read_manifest(folder)
    facts = manifest.facts | {"engines": rows, "engine_selection": plain}
    write_manifest(folder, msgspec.structs.replace(manifest, facts=facts))
