"""Tables that don't fit in memory, scored on every core: Parquet, Arrow, CSV, JSON Lines and text to Parquet, CSV or JSON Lines."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from packlight.errors import MissingExtraError, PacklightError
from packlight.extras import installed
from packlight.origin import install_line
from packlight.runtime.processor import checked_count, cpu_budget, most_at_once
from packlight.scoring.settings import CACHE_TEXTS, ROWS_PER_FILE, JobOptions, OutputFormat, ScoringEngine, whole_number

if TYPE_CHECKING:
    from packlight.scoring.report import ScoreReport

__all__ = ["score"]


def score(
    artifact: str | Path,
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    text_column: str | None = None,
    keep: Sequence[str] | None = None,
    format: OutputFormat = "parquet",  # noqa: A002 - as the option is named
    top_k: int = 1,
    prefix: str = "",
    workers: int | None = None,
    limit: int | None = None,
    sample: float | None = None,
    strict: bool = False,
    rows_per_file: int = ROWS_PER_FILE,
    cache_texts: int = CACHE_TEXTS,
    engine: ScoringEngine = "local",
    address: str | None = None,
) -> "ScoreReport":
    """Score tables of any size with an artifact, and write the same rows with their labels.

    Each part of the input becomes one output file, which appears when it is complete. Call this again with the same arguments to resume
    after an interruption.

    Args:
        artifact: folder of an artifact.
        inputs: files, folders, patterns such as `lake/**/*.parquet`, or URLs that pyarrow or fsspec reads.
        out: folder for the output, on a local disk.
        text_column: column of the texts. Detected by its name or type by default.
        keep: columns of the input to keep in the output. Defaults to all.
        format: format of the output.
        top_k: number of labels to return for each text. Above 1, they are in the column `top`.
        prefix: prefix for the names of the new columns `label`, `score`, `out_of_scope`, `top` and `error`.
        workers: number of processes, each with one thread. Defaults to the container's CPU limit.
        limit: score only this many rows, the first ones. Defaults to all.
        sample: score only this share of the rows, at random, such as 0.01.
        strict: stop at the first row whose text is null or not UTF-8. Otherwise, such rows get an `error` and no label.
        rows_per_file: rows per output file; approximate for CSV, JSONL and text.
        cache_texts: number of texts whose predictions each worker caches while it scores a file. 0 turns the cache off.
        engine: `local` for processes on this machine, `ray` for actors on a Ray cluster, where `inputs` and `out` must have
            the same paths on every machine.
        address: address of the Ray cluster, such as `auto`. Defaults to the one that Ray finds, or a new one.

    Raises:
        DataError: if the input can't be read, or lacks a column.
        ArtifactError: if the artifact is incomplete or was altered.
        MissingExtraError: if pyarrow or the artifact's engine is not installed.
        PacklightError: if `out` can't be written to, or holds the output of another job.
    """
    if not installed("pyarrow"):
        raise MissingExtraError(f"packlight score needs pyarrow: {install_line('score')}")
    several = [inputs] if isinstance(inputs, str | Path) else inputs
    options = JobOptions(
        text_column=text_column,
        keep=None if keep is None else tuple(keep),
        top_k=whole_number("top_k", top_k),
        prefix=prefix,
        cache_texts=whole_number("cache_texts", cache_texts, least=0),
        format=format,
        rows_per_file=whole_number("rows_per_file", rows_per_file),
        limit=None if limit is None else whole_number("limit", limit),
        sample=sample,
    )
    if sample is not None and not 0 < sample <= 1:
        raise PacklightError(f"sample={sample!r}: give a share above 0 and at most 1, such as 0.01")
    if format not in ("parquet", "csv", "jsonl"):
        raise PacklightError(f"format={format!r}: give parquet, csv or jsonl")
    if engine not in ("local", "ray"):
        raise PacklightError(f"engine={engine!r}: give local or ray")
    if address is not None and engine != "ray":
        raise PacklightError("address is for engine='ray'")
    if "://" in str(out):
        raise PacklightError(f"--out {out}: give a folder on a local disk")
    if workers is not None:
        whole_number("workers", workers)
    with ExitStack() as stack:
        pool = None
        if engine == "local":
            from packlight.scoring.workers import Workers

            count = cpu_budget() if workers is None else checked_count("workers", workers, most_at_once())
            pool = stack.enter_context(Workers(count))  # they load while this process does
        from packlight.scoring.run import run_job

        return run_job(
            artifact,
            [str(each) for each in several],
            Path(out),
            options,
            strict=strict,
            pool=pool,
            workers=workers,
            address=address,
        )
