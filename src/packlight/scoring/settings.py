"""The settings of a job, and the messages between its processes: plain data for files and pipes."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from packlight.errors import DataError, PacklightError
from packlight.scoring.counts import Counts

OutputFormat = Literal["parquet", "csv", "jsonl"]
ScoringEngine = Literal["local", "ray"]
"""where the workers are: processes of this machine, or actors of a Ray cluster"""
Kind = Literal["parquet", "arrow", "csv", "tsv", "jsonl", "lines"]
CACHE_TEXTS = 100_000
ROWS_PER_FILE = 131_072
READ_ERROR = "packlight:error"
"""a column that readers add: what is wrong with a row; null if nothing is"""
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class ScorerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The column to score, and the columns to return."""

    text_column: str
    keep: tuple[str, ...] | None = None
    """columns of the input to keep in the output; None for all"""
    top_k: int = 1
    """number of labels for each text; above 1, they are in the column `top`"""
    prefix: str = ""
    """prefix of the names of the new columns"""
    cache_texts: int = CACHE_TEXTS
    """number of texts whose predictions are kept for equal texts"""

    def keeps(self, column: str) -> bool:
        """Whether the output has this column of the input."""
        return column != READ_ERROR and (self.keep is None or column in self.keep)

    def new_columns(self, given: Sequence[str]) -> tuple[str, ...]:
        """The names of the columns that are added.

        Raises:
            DataError: if a kept column has the name of a new one.
        """
        names = ("label", "score", "out_of_scope", *(("top",) if self.top_k > 1 else ()), "error")
        new = tuple(self.prefix + name for name in names)
        if twice := [name for name in given if name in new and self.keeps(name)]:
            raise DataError(
                f"the input has a column {twice[0]!r}, and so has the output; name the output's columns with --prefix, such "
                "as --prefix predicted_, or choose the input's columns with --keep"
            )
        return new


def scorer_settings(*, text_column: str, keep: Sequence[str] | None, top_k: int, prefix: str) -> ScorerSettings:
    """Settings from the arguments of a Python function.

    Raises:
        PacklightError: if `top_k` is not a whole number of 1 or more.
    """
    return ScorerSettings(
        text_column=text_column,
        keep=None if keep is None else tuple(keep),
        top_k=whole_number("top_k", top_k),
        prefix=prefix,
    )


def whole_number(name: str, value: int, least: int = 1) -> int:
    """The value of an argument.

    Raises:
        PacklightError: if it is not a whole number, or below the minimum.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise PacklightError(f"{name}={value!r}: give a whole number of {least} or more")
    return value


class JobOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What determines the output files, besides the artifact and the input."""

    text_column: str | None = None
    keep: tuple[str, ...] | None = None
    top_k: int = 1
    prefix: str = ""
    cache_texts: int = CACHE_TEXTS
    format: OutputFormat = "parquet"
    rows_per_file: int = ROWS_PER_FILE
    limit: int | None = None
    """number of rows to score, from the first"""
    sample: Share | None = None
    """score this share of the rows only, chosen at random"""


class Fragment(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the input that becomes one file of the output."""

    file: str
    """path or URL"""
    kind: Kind
    output: str
    """relative to the output's folder, with `/`"""
    seed: int
    """seed of the random sample"""
    packing: Literal["gzip", "zstd"] | None = None
    start: int = 0
    """first row, in Parquet and Arrow files; first byte in others"""
    stop: int | None = None
    """after the last row or byte; None for the whole file"""
    rows: int | None = None
    """number of rows; None if unknown without reading it"""
    likely_rows: int = 0
    """the same, or an estimate"""
    most: int | None = None
    """number of rows to score, from the first"""


class Setup(msgspec.Struct, frozen=True, kw_only=True, tag="setup"):
    """The first message to a worker: what to open."""

    artifact: str
    sha256: str
    """hash of the artifact's manifest when the job began"""
    scorer: ScorerSettings
    format: OutputFormat
    sample: float | None
    out: str
    strict: bool
    """whether the first invalid row ends the job"""


class Task(msgspec.Struct, frozen=True, kw_only=True, tag="task"):
    """A message to a worker: score this fragment."""

    number: int
    fragment: Fragment


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """A message from a worker: its artifact is open."""


class Moved(msgspec.Struct, frozen=True, kw_only=True, tag="moved"):
    """A message from a worker: the number of rows that were scored since the last message."""

    rows: int


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """A message from a worker, and a line of the journal: an output file is complete."""

    number: int
    """of the fragment"""
    output: str
    size: int
    """bytes"""
    sha256: str
    counts: Counts
    began: float
    """seconds since 1970"""
    ended: float
    rows_seen: int
    """number of rows that were read; more than were scored if a sample is taken"""
    peak_memory_mb: float
    """peak memory of the worker so far"""


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """A message from a worker: an error that the user can fix."""

    kind: str
    """the name of its class in `packlight.errors`"""
    message: str


class Fork(msgspec.Struct, frozen=True, kw_only=True):
    """The only message to the process that workers are forked from."""

    handles: tuple[int, ...]
    """of the sockets that it inherited"""
    workers: int
    """number of workers; each gets one of the sockets"""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A message from that process: a worker has ended."""

    worker: int
    """its number"""
    status: int
    """exit status, or minus the number of a signal"""


Order = Setup | Task
Reply = Ready | Moved | Done | Refused
