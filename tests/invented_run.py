"""An invented run's folder: answers and latencies drawn by chance, figures derived from these, nothing measured.

Labels and texts hold what a page could stumble over: markup, the end of a script, a comment's start, line separators.
"""

import msgspec
import numpy as np

from invented import RANDOM, measurements, row, with_roofline
from packlight.measure.results import (
    AllThreads,
    ClassScore,
    Latency,
    Parity,
    Raw,
    Scores,
    TrueLabels,
    write_measurements,
    write_raw,
    write_truth,
)
from packlight.measure.statistics import mcnemar_exact, per_class_accuracy, percentiles, wilson_interval
from packlight.measure.timing import latency, resample
from packlight.runtime.artifact import Manifest, write_manifest

HOSTILE = "<script>window.pwned = 1</script>"
ENDING = "</script><!-- <img src=x onerror=window.pwned=2> \u2028 & \"quoted\" 'so'"
LABELS = (HOSTILE, "balance", "oos", "reminder", "transfer", "weather")
QUERIES = 300
STEPS = (
    # name, parent, step, engine, milliseconds, accuracy, MB
    ("teacher", None, "finetune", "torch", 12.0, 0.92, 90.9),
    ("teacher-onnx", "teacher", "export", "onnxruntime", 4.1, 0.92, 90.2),
    ("teacher-onnx-int8", "teacher-onnx", "quantize-onnx", "onnxruntime", 1.4, 0.91, 23.1),
    ("student", "teacher", "distill", "torch", 6.4, 0.84, 43.2),
    ("student-onnx", "student", "export", "onnxruntime", 1.9, 0.84, 43.5),
    ("student-onnx-int8", "student-onnx", "quantize-onnx", "onnxruntime", 0.71, 0.85, 11.4),
)
TRIED = AllThreads(
    threads=4,
    speedup=1.04,
    speedup_ci95=(1.01, 1.07),
    batch_speedup=1.9,
    batch_speedup_ci95=(1.8, 2.0),
    cpu_ratio=2.5,
    rounds=5,
)


def write_run(folder):
    """Write the whole run and return its measurements."""
    chance = np.random.default_rng(7)
    truth = _truth("test", chance)
    other_chance = np.random.default_rng(8)
    val = _truth("val", other_chance)
    raws = {}
    rows = [row("bert-base", ms=52.7, size=418.0, **RANDOM)]
    write_raw(_timed("bert-base", 52.7, chance), folder)
    for name, parent, step, engine, ms, accuracy, size in STEPS:
        before = raws.get(parent)
        raws[name] = _answered(_timed(name, ms, chance), before, truth, accuracy, chance)
        predictions = _given(before.val_predictions if before else None, val, accuracy, other_chance).tolist()
        flips = 3 if name == "teacher-onnx-int8" else 0
        raws[name] = msgspec.structs.replace(raws[name], val_predictions=predictions, val_batch_flips=flips)
        write_raw(raws[name], folder)
        rows.append(_row(raws[name], raws.get(parent), truth, val, parent=parent, step=step, engine=engine, size=size))
        write_manifest(folder / "variants" / name, _manifest(name, parent, step, engine))
    taken = measurements(*rows)
    data = msgspec.structs.replace(
        taken.data, source="intents & co.csv", rows={"train": 900, "val": QUERIES, "test": QUERIES}
    )
    spent = {"teacher": 96.0, "teacher-onnx": 3.25}
    taken = with_roofline(msgspec.structs.replace(taken, data=data, step_seconds=spent, measuring_seconds=25.75))
    write_truth(truth, folder)
    write_truth(val, folder)
    write_measurements(taken, folder)
    (folder / "recipe.yaml").write_text("version: 1\n")
    return taken


def _truth(split, chance):
    answers = chance.integers(0, len(LABELS), QUERIES).tolist()
    texts = [f"query {number} about {LABELS[answer]}" for number, answer in enumerate(answers)]
    texts[:3] = [ENDING, HOSTILE, "what's   this\u2029?"]
    return TrueLabels(split=split, labels=LABELS, texts=texts, answers=answers)


def _timed(name, ms, chance):
    rounds = [(ms * (0.8 + chance.gamma(2, 0.1, 50))).round(4).tolist() for _ in range(4)]
    return Raw(
        variant=name,
        timed=list(range(50)),
        latency_ms=rounds,
        cpu_ms=rounds,
        throughput=[3000 / ms] * 4,
        predictions=None,
        peak_memory_mb=150.0,
    )


def _answered(raw, parent, truth, accuracy, chance):
    """Mostly the parent's answers, some changed; right on about the accuracy asked."""
    answers = np.asarray(truth.answers)
    given = _given(parent.predictions if parent else None, truth, accuracy, chance)
    right = given == answers
    scores = np.where(answers == LABELS.index("oos"), 3.0, 6.0) + chance.normal(0, 1.5, QUERIES)
    return msgspec.structs.replace(
        raw,
        predictions=given.tolist(),
        confidences=np.clip(np.where(right, 0.9, 0.6) + chance.normal(0, 0.1, QUERIES), 0.2, 1).round(4).tolist(),
        scope_scores=scores.round(4).tolist(),
        batch_flips=3,
    )


def _given(parent, truth, accuracy, chance):
    answers = np.asarray(truth.answers)
    others = (answers + chance.integers(1, len(LABELS), QUERIES)) % len(LABELS)
    fresh = np.where(chance.random(QUERIES) < accuracy, answers, others)
    kept = chance.random(QUERIES) < (0.8 if parent else 0)
    return np.where(kept, parent, fresh) if parent else fresh


def _scores(raw, before, val):
    right, earlier = val.right(raw), val.right(before) if before else None
    return Scores(
        accuracy=sum(right) / QUERIES,
        accuracy_ci95=wilson_interval(sum(right), QUERIES),
        macro_f1=sum(right) / QUERIES,
        batch_flips=raw.val_batch_flips,
        change_vs_parent=(sum(right) - sum(earlier)) / QUERIES if earlier else None,
        p_value_vs_parent=mcnemar_exact(right, earlier) if earlier else None,
    )


def _row(raw, before, truth, val, *, size, **other):
    samples = [each for samples in raw.latency_ms for each in samples]
    right = truth.right(raw)
    earlier = truth.right(before) if before else None
    p50, p95, p99 = percentiles(samples)
    own = latency(resample(raw.latency_ms, seed=0))
    worst = per_class_accuracy(truth.answers, raw.predictions)[:2]
    oos = [good for good, answer in zip(right, truth.answers, strict=True) if truth.labels[answer] == "oos"]
    return row(
        raw.variant,
        size=size,
        ms=own.value,
        accuracy=sum(right) / QUERIES,
        accuracy_ci95=wilson_interval(sum(right), QUERIES),
        latency_ms=Latency(mean=own.value, ci95=own.interval, p50=p50, p95=p95, p99=p99),
        oos_recall=sum(oos) / len(oos),
        val=_scores(raw, before, val),
        worst_classes=tuple(ClassScore(label=LABELS[s.label], accuracy=s.accuracy, queries=s.queries) for s in worst),
        batch_flips=3 if raw.variant.endswith("int8") else 0,
        change_vs_parent=(sum(right) - sum(earlier)) / QUERIES if earlier else None,
        p_value_vs_parent=mcnemar_exact(right, earlier) if earlier else None,
        parity=_parity() if raw.variant.endswith("onnx") else None,
        all_threads=TRIED if raw.variant == "student-onnx" else None,
        **other,
    )


def _parity():
    return Parity(
        queries=64, batch_sizes=(1, 32), longest=31, max_abs_difference=1.2e-5, tolerance=1e-3, label_agreement=1.0
    )


def _manifest(name, parent, step, engine):
    lineage, above = [], parent
    while above is not None:
        known = next(each for each in STEPS if each[0] == above)
        lineage.insert(0, {"name": above, "step": known[2], "options": {"epochs": 3}})
        above = known[1]
    trained = step in ("finetune", "distill")
    epochs = [{"epoch": 1, "val_accuracy": 0.8}, {"epoch": 2, "val_accuracy": 0.9}]
    return Manifest(
        format=1,
        name=name,
        parent=parent,
        step=step,
        options={"epochs": 3, "layers": [0, 2], "note": ENDING, "unset": None},
        lineage=tuple(lineage),
        fingerprint="0" * 64,
        data_sha256="5f" * 32,
        engine=engine,
        precision="fp32",
        model_file="model.safetensors",
        max_length=64,
        oos_label="oos",
        batch_invariant=True,
        libraries={},
        facts={"started_from": "minilm", "best_epoch": 2, "epochs": epochs} if trained else {},
    )
