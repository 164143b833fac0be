"""The report of a job: what became of the rows, how fast, and on which machine."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from packlight import __version__
from packlight.measure.environment import Environment, describe
from packlight.scoring.counts import Counts
from packlight.scoring.settings import Done, JobOptions


class ScoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `packlight score` did; `--json` prints it, and `_report.json` in the output's folder holds it.

    Rows of earlier runs of the same job are counted in.
    """

    format: Literal[1] = 1
    packlight: str = __version__
    artifact: str
    artifact_sha256: str
    """of its manifest, which has the hash of every file"""
    inputs: tuple[str, ...]
    out: str
    options: JobOptions
    files: int
    """of the output"""
    rows: int
    """of the output; those without a label too"""
    input_rows: int
    """of the input that was read: more than `rows` if a sample was taken"""
    labels: dict[str, int]
    """rows of each label, the most frequent first"""
    out_of_scope: float | None
    """share of the labelled rows; None if there are none"""
    truncated: int
    """rows whose text is longer than the model takes"""
    failed: int
    """rows without a label"""
    errors: dict[str, int]
    """these rows by what is wrong with their text"""
    cache_hit_rate: float | None
    """share of the texts that were equal to one scored before"""
    workers: int
    """processes of the last run"""
    seconds: float
    """in which at least one file was being scored; starting the processes is not counted"""
    worker_seconds: float
    """the same, added up over the workers"""
    texts_per_second: float | None
    """rows of the output per second, of all workers together; None if no time was measured"""
    peak_memory_mb: float
    """the most that a worker held, times the number of workers"""
    environment: Environment
    """where the last run took place"""


def summarize(
    done: Sequence[Done],
    *,
    artifact: str,
    sha256: str,
    inputs: Sequence[str],
    out: str,
    options: JobOptions,
    workers: int,
) -> ScoreReport:
    """The report of these files."""
    counts = Counts()
    for each in done:
        counts += each.counts
    seconds = _covered([(each.began, each.ended) for each in done])
    labelled = counts.rows - counts.failed
    return ScoreReport(
        artifact=artifact,
        artifact_sha256=sha256,
        inputs=tuple(inputs),
        out=out,
        options=options,
        files=len(done),
        rows=counts.rows,
        input_rows=sum(each.rows_seen for each in done),
        labels=dict(sorted(counts.labels.items(), key=lambda pair: (-pair[1], pair[0]))),
        out_of_scope=counts.out_of_scope / labelled if labelled else None,
        truncated=counts.truncated,
        failed=counts.failed,
        errors=counts.errors,
        cache_hit_rate=counts.cache_hit_rate,
        workers=workers,
        seconds=seconds,
        worker_seconds=sum(each.ended - each.began for each in done),
        texts_per_second=counts.rows / seconds if seconds else None,
        peak_memory_mb=workers * max((each.peak_memory_mb for each in done), default=0),
        environment=describe(1),
    )


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """How long at least one of the spans lasted."""
    total, end = 0.0, float("-inf")
    for began, ended in sorted(spans):
        total += max(0.0, ended - max(began, end))
        end = max(end, ended)
    return total
