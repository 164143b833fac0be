"""Derive every figure from the raw measurements, so that the raw files can reproduce them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from packlight.data import Dataset
from packlight.measure import statistics, timing
from packlight.measure.all_threads import judge
from packlight.measure.results import (
    ClassScore,
    EvaluatedSplit,
    Latency,
    Measurement,
    Parity,
    Portability,
    Raw,
    Scores,
    Workers,
)

WORST = 5
RATE = 1000.0


@dataclass(frozen=True)
class VariantInfo:
    """The description of a variant in its row."""

    variant: str
    parent: str | None
    step: str
    engine: str
    precision: str
    artifact: str | None
    note: str | None
    size_bytes: int
    weights_bytes: int
    parity: Parity | None
    portability: Portability | None = None
    batch_invariant: bool = True
    calibrates: str | None = None


def derive(
    identities: Sequence[VariantInfo],
    raws: Mapping[str, Raw],
    data: Dataset,
    *,
    baseline: str,
    threads: int,
    seed: int,
) -> tuple[Measurement, ...]:
    """Compute the figures of each variant.

    Args:
        identities: the variants, in the order of the rows.
        raws: the raw measurements of each.
        data: the data, for its true labels.
        baseline: the variant that speedups refer to.
        threads: threads of every variant.
        seed: random seed of the bootstrap.
    """
    drawn = {
        name: timing.resample(raw.latency_ms, seed=seed, blocks=raw.blocks, strata=raw.strata)
        for name, raw in raws.items()
    }
    return tuple(_row(identity, raws, drawn, baseline, data, threads, seed) for identity in identities)


def _row(
    identity: VariantInfo,
    raws: Mapping[str, Raw],
    drawn: Mapping[str, timing.Resampled],
    baseline: str,
    data: Dataset,
    threads: int,
    seed: int,
) -> Measurement:
    raw, own = raws[identity.variant], drawn[identity.variant]
    samples = np.ravel(raw.latency_ms)
    p50, p95, p99 = statistics.percentiles(samples, (50, 95, 99))
    latency, speedup = timing.latency(own), timing.ratio(drawn[baseline], own)
    scored = timing.target_figures(drawn, baseline).get(identity.variant, speedup)
    parent = raws.get(identity.parent) if identity.parent else None
    return Measurement(
        variant=identity.variant,
        parent=identity.parent,
        step=identity.step,
        calibrates=identity.calibrates,
        engine=identity.engine,
        precision=identity.precision,
        threads=threads,
        artifact=identity.artifact,
        note=identity.note,
        batch_invariant=identity.batch_invariant,
        size_mb=identity.size_bytes / 1e6,
        weights_mb=identity.weights_bytes / 1e6,
        peak_memory_mb=raw.peak_memory_mb,
        latency_ms=Latency(mean=latency.value, ci95=latency.interval, p50=p50, p95=p95, p99=p99),
        latency_samples=len(samples),
        rounds=own.rounds,
        stable=scored.stable,
        limited_by=scored.limited_by,
        cpu_ms=timing.typical(raw.cpu_ms),
        steal=None if raw.steal is None else float(np.mean(raw.steal)),
        throughput_batch32=float(np.median(raw.throughput)),
        speedup=speedup.value,
        speedup_ci95=speedup.interval,
        as_fast=tuple(name for name, other in drawn.items() if other is not own and timing.ratio(own, other).level),
        workers_for_rate=Workers(rate=RATE, workers=math.ceil(RATE * latency.value / 1e3)),
        parity=identity.parity,
        portability=identity.portability,
        all_threads=None if raw.threads is None else judge(raw.threads, seed=seed),
        val=_scores(raw, parent, data, "val"),
        **_quality(raw, parent, data),
    )


def _scores(raw: Raw, parent: Raw | None, data: Dataset, split: EvaluatedSplit) -> Scores | None:
    """A variant's scores on a split; None if it has no predictions, or if they are meaningless."""
    if (given := raw.answers(split)) is None:
        return None
    truth, predicted = np.array(data.ids(data.split(split))), np.array(given)
    right = predicted == truth
    change = p_value = None
    if parent is not None and (before := parent.answers(split)) is not None:
        parent_right = np.array(before) == truth
        change, p_value = float(right.mean() - parent_right.mean()), statistics.mcnemar_exact(right, parent_right)
    abstained = raw.abstained if split == "test" else raw.val_abstained
    answered = None if abstained is None else ~np.array(abstained, dtype=bool)
    return Scores(
        accuracy=float(right.mean()),
        accuracy_ci95=statistics.wilson_interval(int(right.sum()), len(right)),
        macro_f1=statistics.macro_f1(truth, predicted),
        batch_flips=raw.batch_flips if split == "test" else raw.val_batch_flips,
        change_vs_parent=change,
        p_value_vs_parent=p_value,
        coverage=None if answered is None else float(answered.mean()),
        answered_accuracy=None if answered is None or not answered.any() else float(right[answered].mean()),
    )


def _quality(raw: Raw, parent: Raw | None, data: Dataset) -> dict[str, Any]:
    """The figures on test."""
    scores = _scores(raw, parent, data, "test")
    if scores is None or raw.predictions is None:
        names = ("accuracy", "accuracy_ci95", "macro_f1", "in_scope_accuracy", "oos_recall", "batch_flips", "coverage")
        return dict.fromkeys((*names, "answered_accuracy", "change_vs_parent", "p_value_vs_parent")) | {
            "worst_classes": ()
        }
    truth, predicted = np.array(data.ids(data.test)), np.array(raw.predictions)
    right = predicted == truth
    oos = data.label_ids.get(data.oos_label, -1) if data.oos_label else -1
    outside = truth == oos
    return msgspec.structs.asdict(scores) | {
        "in_scope_accuracy": float(right[~outside].mean()) if (~outside).any() else None,
        "oos_recall": float(right[outside].mean()) if outside.any() else None,
        "worst_classes": _worst(truth, predicted, data.answers),
    }


def _worst(truth: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> tuple[ClassScore, ...]:
    scores = sorted(statistics.per_class_accuracy(truth, predicted), key=lambda score: (score.accuracy, score.label))
    return tuple(
        ClassScore(label=labels[score.label], accuracy=score.accuracy, queries=score.queries)
        for score in scores[:WORST]
        if score.accuracy < 1
    )
