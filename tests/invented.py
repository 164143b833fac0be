"""Invented measurements for tests: plausible figures of a walk, and nothing that was ever measured."""

import msgspec

from packlight.measure.environment import Environment
from packlight.measure.results import (
    BandwidthSample,
    ClassScore,
    DataSummary,
    Latency,
    MachineRates,
    Measurement,
    Measurements,
    Raw,
    Scores,
    TrueLabels,
    Workers,
    write_measurements,
    write_raw,
    write_truth,
)
from packlight.measure.roofline import Work, roofline
from packlight.measure.statistics import wilson_interval

QUERIES = 5500
VAL_TEXTS = 5500
BASELINE_MS = 52.7


def row(variant, *, parent=None, step="quantize-onnx", engine="onnxruntime", ms=2.0, accuracy=0.9, size=20.0, **other):
    """One measurement; p50, p95 and p99 are 0.95, 1.4 and 2 times the mean."""
    right = None if accuracy is None else round(accuracy * QUERIES)
    fields = {
        "variant": variant,
        "parent": parent,
        "step": step,
        "engine": engine,
        "precision": "int8" if "int8" in variant else "fp32",
        "threads": 2,
        "artifact": f"variants/{variant}",
        "note": None,
        "batch_invariant": True,
        "size_mb": size,
        "weights_mb": size - 0.5,
        "peak_memory_mb": 90 + 1.6 * size,
        "latency_ms": Latency(mean=ms, ci95=(0.97 * ms, 1.03 * ms), p50=0.95 * ms, p95=1.4 * ms, p99=2 * ms),
        "latency_samples": 1000,
        "rounds": 8,
        "stable": True,
        "limited_by": "rounds",
        "cpu_ms": 1.9 * ms,
        "steal": None,
        "throughput_batch32": 3000 / ms,
        "accuracy": accuracy,
        "accuracy_ci95": None if right is None else wilson_interval(right, QUERIES),
        "macro_f1": None if accuracy is None else accuracy - 0.004,
        "in_scope_accuracy": None if accuracy is None else min(1.0, accuracy + 0.04),
        "oos_recall": None if accuracy is None else accuracy - 0.18,
        "worst_classes": ()
        if accuracy is None
        else (
            ClassScore(label="oos", accuracy=0.61, queries=1000),
            ClassScore(label="reminder", accuracy=0.7, queries=30),
        ),
        "speedup": BASELINE_MS / ms,
        "speedup_ci95": (0.97 * BASELINE_MS / ms, 1.03 * BASELINE_MS / ms),
        "as_fast": (),
        "change_vs_parent": None,
        "p_value_vs_parent": None,
        "workers_for_rate": Workers(rate=100.0, workers=max(1, -(-int(100 * ms) // 1000))),
        "parity": None,
    }
    fields |= other
    return Measurement(**{"val": on_val(fields), **fields})


def on_val(fields):
    """Scores on validation that are those on test."""
    if fields["accuracy"] is None:
        return None
    return scores(
        fields["accuracy"],
        batch_flips=fields.get("batch_flips"),
        change_vs_parent=fields["change_vs_parent"],
        p_value_vs_parent=fields["p_value_vs_parent"],
    )


def scores(accuracy, *, texts=VAL_TEXTS, **other):
    """Scores on validation."""
    fields = {"batch_flips": None, "change_vs_parent": None, "p_value_vs_parent": None} | other
    interval = wilson_interval(round(accuracy * texts), texts)
    return Scores(accuracy=accuracy, accuracy_ci95=interval, macro_f1=accuracy - 0.004, **fields)


RANDOM = {
    "step": "reference",
    "engine": "pipeline",
    "accuracy": None,
    "artifact": None,
    "note": "random weights: size and latency only",
}


def walk():
    """The rows of a whole walk, the baseline first."""
    return (
        row("bert-base", ms=52.7, size=418.0, **RANDOM),
        row("distilbert", ms=30.2, size=256.0, **RANDOM),
        row("teacher", step="finetune", engine="torch", ms=12.0, size=90.9, accuracy=0.934),
        row(
            "student", parent="teacher", step="distill", engine="torch", ms=6.4, size=43.2, accuracy=0.915,
            change_vs_parent=-0.019, p_value_vs_parent=1e-7,
        ),
        row(
            "student-torch-int8", parent="student", step="quantize-torch", engine="torch", ms=3.1, size=27.4,
            accuracy=0.9147, change_vs_parent=-0.0003, p_value_vs_parent=0.82,
        ),
        row(
            "student-onnx", parent="student", step="export", ms=1.9, size=43.5, accuracy=0.915,
            change_vs_parent=0.0, p_value_vs_parent=1.0,
        ),
        row(
            "student-onnx-int8", parent="student-onnx", ms=0.71, size=11.4, accuracy=0.916,
            change_vs_parent=0.001, p_value_vs_parent=0.41,
        ),
        row(
            "teacher-onnx-int8", parent="teacher", ms=1.4, size=23.1, accuracy=0.9322,
            change_vs_parent=-0.0018, p_value_vs_parent=0.031,
        ),
    )  # fmt: skip


def measurements(*rows, **other):
    """A run with these rows, or with the whole walk."""
    taken = rows or walk()
    fields = {
        "packlight": "0.1.0",
        "environment": Environment(
            machine="x86_64",
            cpu="Invented CPU",
            cpu_count=2,
            cpu_budget=2,
            vnni=True,
            memory_gb=8.2,
            python="3.12.1",
            libraries={"onnxruntime": "1.32.0", "numpy": "2.4.6"},
            taken_at="2030-01-02T03:04:05Z",
        ),
        "data": DataSummary(
            source="clinc/clinc_oos:plus",
            sha256="5f" * 32,
            rows={"train": 15250, "val": VAL_TEXTS, "test": QUERIES},
            labels=151,
            oos_label="oos",
        ),
        "baseline": taken[0].variant,
        "stable": True,
        "measurements": tuple(taken),
    }
    return Measurements(**{**fields, **other})


RATES = MachineRates(
    fp32_macs_per_s=50e9,
    int8_macs_per_s=210e9,
    bytes_per_s=13e9,
    reads=(BandwidthSample(bytes=4 << 20, bytes_per_s=52e9), BandwidthSample(bytes=256 << 20, bytes_per_s=13e9)),
    threads=2,
)


def with_roofline(taken):
    """The run with roofs: work in proportion to the size, none for the distilled rows' torch form."""
    rows = [
        each
        if each.variant == "student"
        else msgspec.structs.replace(each, roofline=roofline(_work(each), RATES, each.latency_ms.mean, 9.6))
        for each in taken.measurements
    ]
    return msgspec.structs.replace(taken, measurements=tuple(rows), machine=RATES)


def _work(row):
    """9.6 tokens with each weight, half of the file being weights that are multiplied."""
    read = row.size_mb * 0.5e6
    if row.precision == "int8":
        return Work(fp32_macs=2e5, int8_macs=9.6 * read, bytes=read)
    return Work(fp32_macs=9.6 * read / 4, int8_macs=0, bytes=read)


def write_walk(folder, texts):
    """Write the walk's variants that have an accuracy as a run's folder: each labels 90 of 100 texts rightly."""
    rows = [each for each in walk() if each.accuracy is not None]
    given = [0] * 90 + [1] * 10
    for each in rows:
        ms = [[each.latency_ms.mean] * 4] * 3
        raw = Raw(
            variant=each.variant,
            timed=list(range(4)),
            latency_ms=ms,
            cpu_ms=ms,
            throughput=[1.0] * 3,
            predictions=given,
            val_predictions=given,
            peak_memory_mb=9,
        )
        write_raw(raw, folder)
    for split in ("val", "test"):
        write_truth(TrueLabels(split=split, labels=("a", "b"), texts=texts, answers=[0] * 100), folder)
    write_measurements(measurements(*rows), folder)
    return folder
