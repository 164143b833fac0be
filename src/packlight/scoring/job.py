"""The output folder: the job that it belongs to, what is done, and a lock for one process at a time.

    _job.json        the artifact's hash, the input's files, the options, and the fragments
    _journal.jsonl   a line for each file that is complete
    _report.json     the report, once all files are complete
    .lock            held while a process works on it

A name that begins with `_` or `.` is skipped by tools that read the folder as a table: pyarrow, Spark, DuckDB, Polars.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from packlight import __version__
from packlight.errors import PacklightError
from packlight.files import DAMAGED_JSON, atomic_write, remove_stale_temp
from packlight.locks import try_lock
from packlight.scoring.settings import Done, Fragment, JobOptions

JOB, JOURNAL, REPORT, LOCK = "_job.json", "_journal.jsonl", "_report.json", ".lock"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """An input file, as it was when the job began."""

    file: str
    size: int
    modified: int
    """nanoseconds since 1970"""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `_job.json`."""

    packlight: str
    artifact_sha256: str
    sources: tuple[Source, ...]
    options: JobOptions
    fragments: tuple[Fragment, ...]


class JobFolder:
    """The locked output folder of one job."""

    def __init__(self, folder: Path, job: Job) -> None:
        """Use a folder and its job. Usually, call `open_job` instead."""
        self.folder, self.job = folder, job
        self.done = {each.number: each for each in self._read_journal() if self._is_complete(each)}
        """the complete files, by the number of the fragment"""

    def todo(self) -> list[tuple[int, Fragment]]:
        """The fragments that are not complete, with their numbers."""
        return [(number, each) for number, each in enumerate(self.job.fragments) if number not in self.done]

    def record(self, done: Done) -> None:
        """Record that a file is complete, so that no later run writes it again."""
        self.done[done.number] = done
        with (self.folder / JOURNAL).open("ab") as journal:
            journal.write(msgspec.json.encode(done) + b"\n")
            journal.flush()
            os.fsync(journal.fileno())

    def _read_journal(self) -> Iterator[Done]:
        """The journal's lines, without an incomplete last one."""
        with suppress(FileNotFoundError):
            content = (self.folder / JOURNAL).read_bytes()
            whole, _, cut = content.rpartition(b"\n")
            if cut:
                atomic_write(self.folder / JOURNAL, whole + b"\n" if whole else b"")
            for line in whole.split(b"\n"):
                with suppress(*DAMAGED_JSON):
                    yield msgspec.json.decode(line, type=Done)

    def _is_complete(self, done: Done) -> bool:
        try:
            return (self.folder / done.output).stat().st_size == done.size
        except OSError:
            return False


@contextmanager
def open_job(
    folder: Path, sha256: str, sources: Sequence[Source], options: JobOptions, cut: Callable[[], Sequence[Fragment]]
) -> Iterator[JobFolder]:
    """Lock the output folder, and begin a job there or resume its job.

    Args:
        folder: created if it doesn't exist.
        sha256: hash of the artifact's manifest.
        sources: the input files.
        options: whatever else determines the output.
        cut: returns the fragments of a new job.

    Raises:
        PacklightError: if the folder can't be written to, is locked, or contains something else or the output of
        another job.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("a")
    except OSError as error:
        raise PacklightError(f"{folder}: can't be written ({error.strerror}); give another --out") from error
    with lock:
        if not try_lock(lock):
            raise PacklightError(f"{folder}: locked by another process; wait for it, or give another --out")
        wanted = Job(
            packlight=__version__, artifact_sha256=sha256, sources=tuple(sources), options=options, fragments=()
        )
        job = _existing(folder, wanted)
        if job is None:
            job = msgspec.structs.replace(wanted, fragments=tuple(cut()))
            atomic_write(folder / JOB, msgspec.json.encode(job) + b"\n")
        for place in {folder, *((folder / each.output).parent for each in job.fragments)}:
            remove_stale_temp(place)
        yield JobFolder(folder, job)


def _existing(folder: Path, wanted: Job) -> Job | None:
    """The folder's job if it is the wanted one; None if the folder is empty."""
    file = folder / JOB
    if not file.is_file():
        if others := sorted(each.name for each in folder.iterdir() if not each.name.startswith(".")):
            raise PacklightError(f"{folder}: not empty, and not the output of `packlight score` (it holds {others[0]})")
        return None
    try:
        job = msgspec.json.decode(file.read_bytes(), type=Job)
    except (OSError, *DAMAGED_JSON) as error:
        raise PacklightError(f"{file}: damaged ({error}); give another --out") from error
    if other := _difference(job, wanted):
        raise PacklightError(f"{folder}: holds the output of another job ({other}); give another --out")
    return job


def _shown(value: object) -> str:
    """An option as the user writes it."""
    if value is None:
        return "not given"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _difference(job: Job, wanted: Job) -> str | None:
    """The difference between two jobs as text; None if there is none that matters."""
    if job.artifact_sha256 != wanted.artifact_sha256:
        return "its artifact was a different one"
    if job.packlight != wanted.packlight:
        return f"it was started by packlight {job.packlight}"
    for name in JobOptions.__struct_fields__:
        before, now = getattr(job.options, name), getattr(wanted.options, name)
        if before != now:
            return f"its {name} was {_shown(before)} and is {_shown(now)} now"
    if job.sources != wanted.sources:
        before_, now_ = set(job.sources), set(wanted.sources)
        changed = sorted({each.file for each in before_ ^ now_})
        return (
            f"its input differs in {len(changed)} file{'s' * (len(changed) > 1)}, such as {changed[0]}"
            if changed
            else ("its input was in another order")
        )
    return None
