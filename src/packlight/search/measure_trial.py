"""Measure a trial on `val`, in its own process, in rounds interleaved with a baseline.

Trials are measured minutes apart, on a machine that may be shared. So each is timed together with the same baseline,
and its latencies are scaled by the baseline's latency at the start of the search.
"""

import dataclasses
from pathlib import Path

import msgspec
import numpy as np

from packlight.data import Dataset
from packlight.measure.figures import derive
from packlight.measure.results import Latency, Measurement
from packlight.measure.rounds import BenchmarkConfig, run_benchmark
from packlight.pipeline.measure_run import identity_of, subject_of
from packlight.runtime.artifact import Artifact

TRIAL_EFFORT = BenchmarkConfig(texts=40, seconds=15)


@dataclasses.dataclass(frozen=True)
class Observed:
    """The result of one measurement."""

    measured: Measurement
    baseline_ms: float
    """the baseline's latency in the same rounds"""
    right: str
    """1 for each text of val that was classified correctly, otherwise 0; empty if not requested"""

    def beside(self, reference_ms: float) -> Measurement:
        """The figures, scaled to a latency of the baseline."""
        factor, own = reference_ms / self.baseline_ms, self.measured.latency_ms
        latency = Latency(
            mean=factor * own.mean,
            ci95=(factor * own.ci95[0], factor * own.ci95[1]),
            p50=factor * own.p50,
            p95=factor * own.p95,
            p99=factor * own.p99,
        )
        return msgspec.structs.replace(self.measured, latency_ms=latency)


def observe_on_val(
    artifact: Artifact,
    baseline: Artifact,
    data: Dataset,
    out: Path,
    *,
    threads: int,
    seed: int,
    effort: BenchmarkConfig,
    scored: bool = True,
) -> Observed:
    """Time a variant together with the baseline, and evaluate it on `val`. `test` is not read.

    Args:
        artifact: the artifact to measure.
        baseline: the artifact to time with it.
        data: labelled texts.
        out: the search's folder.
        threads: threads per inference of both.
        seed: random seed of the timed texts and the order of the turns.
        effort: how much to measure.
        scored: whether to predict all of val, and not only to time the variant.

    Raises:
        MeasurementError: if it cannot be opened, or if its process ends.
    """
    journal = out / "work" / "trials" / f"{artifact.name}.jsonl"
    # A journal from a killed process is from another time.
    journal.unlink(missing_ok=True)
    raws = run_benchmark(
        [subject_of(baseline), subject_of(artifact)],
        data,
        threads=threads,
        effort=effort,
        seed=seed,
        journal=journal,
        scored=[artifact.name] if scored else [],
        splits=("val",),
    )
    journal.unlink()
    identities = [identity_of(baseline, out), identity_of(artifact, out)]
    by_name = {raw.variant: raw for raw in raws}
    beside, measured = derive(identities, by_name, data, baseline=baseline.name, threads=threads, seed=seed)
    predicted = raws[1].val_predictions
    right = [] if predicted is None else np.array(predicted) == np.array(data.ids(data.val))
    return Observed(measured, beside.latency_ms.mean, "".join("01"[int(each)] for each in right))
