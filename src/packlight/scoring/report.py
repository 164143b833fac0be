"""The report of a job: its rows, its speed, and the machine."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from packlight import __version__
from packlight.measure.environment import Environment
from packlight.scoring.counts import Counts
from packlight.scoring.settings import Done, JobOptions


class ScoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `packlight score`, as printed by `--json` and stored in the output's folder as `_report.json`.

    It includes the rows of earlier runs of the same job.
    """

    format: Literal[1] = 1
    packlight: str = __version__
    artifact: str
    artifact_sha256: str
    """hash of the artifact's manifest, which has the hash of every file"""
    inputs: tuple[str, ...]
    out: str
    options: JobOptions
    files: int
    """number of output files"""
    rows: int
    """number of output rows, including those without a label"""
    input_rows: int
    """number of input rows that were read: more than `rows` if a sample was taken"""
    labels: dict[str, int]
    """number of rows of each label, the most frequent first"""
    out_of_scope: float | None
    """share of the labelled rows that are out of scope; None if no row has a label, or if the artifact has no out-of-scope label and never abstains"""
    truncated: int
    """number of rows whose text is longer than the model's maximum"""
    failed: int
    """number of rows without a label"""
    errors: dict[str, int]
    """number of rows without a label, by what is wrong with their text"""
    cache_hit_rate: float | None
    """share of the texts that were equal to one scored before"""
    workers: int
    """number of processes of the last run"""
    seconds: float
    """time during which at least one file was being scored, in seconds, without starting the processes"""
    worker_seconds: float
    """the sum of the workers' times, in seconds"""
    texts_per_second: float | None
    """output rows per second, of all workers together; None if no time was measured"""
    peak_memory_mb: float
    """largest peak memory of a worker, times the number of workers"""
    environment: Environment
    """environment of the last run"""


def summarize(
    done: Sequence[Done],
    *,
    artifact: str,
    knows_scope: bool,
    sha256: str,
    inputs: Sequence[str],
    out: str,
    options: JobOptions,
    workers: int,
    environment: Environment,
) -> ScoreReport:
    """The report on some output files."""
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
        out_of_scope=counts.out_of_scope / labelled if labelled and knows_scope else None,
        truncated=counts.truncated,
        failed=counts.failed,
        errors=counts.errors,
        cache_hit_rate=counts.cache_hit_rate,
        workers=workers,
        seconds=seconds,
        worker_seconds=sum(each.ended - each.began for each in done),
        texts_per_second=counts.rows / seconds if seconds else None,
        peak_memory_mb=workers * max((each.peak_memory_mb for each in done), default=0),
        environment=environment,
    )


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """The time during which at least one of the spans lasted."""
    total, end = 0.0, float("-inf")
    for began, ended in sorted(spans):
        total += max(0.0, ended - max(began, end))
        end = max(end, ended)
    return total
