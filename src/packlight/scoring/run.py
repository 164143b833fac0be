"""Run a job: find the input, open or resume the output folder, score, and report."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import msgspec

from packlight.errors import DataError
from packlight.files import atomic_write, sha256_of
from packlight.measure.environment import describe
from packlight.progress import Bar, bar, info
from packlight.runtime.artifact import MANIFEST, Artifact
from packlight.scoring.inputs import InputFile, fragments_of, input_files
from packlight.scoring.job import REPORT, JobFolder, Source, open_job
from packlight.scoring.report import ScoreReport, summarize
from packlight.scoring.scorer import warn_of_batch_dependence
from packlight.scoring.settings import Done, Fragment, JobOptions, Moved, ScorerSettings, Setup
from packlight.scoring.text_column import check_kept, choose_text_column
from packlight.scoring.workers import Workers


def run_job(
    artifact: str | Path,
    inputs: Sequence[str],
    out: Path,
    options: JobOptions,
    *,
    strict: bool,
    pool: Workers | None,
    workers: int | None = None,
    address: str | None = None,
) -> ScoreReport:
    """Score tables; see `packlight.score`.

    Args:
        artifact: as there.
        inputs: as there.
        out: as there.
        options: what determines the output.
        strict: as there.
        pool: the workers of this machine; None to use a Ray cluster.
        workers: number of actors on the cluster.
        address: of the cluster.
    """
    opened = Artifact.open(Path(artifact))
    files = input_files(inputs)
    _refuse_output_inside(out, files)
    options = _checked(options, files)
    sha256 = sha256_of(opened.path / MANIFEST)
    warn_of_batch_dependence(opened)
    sources = [Source(file=each.found.location, size=each.found.size, modified=each.found.modified) for each in files]
    with (
        _workers(pool, address, workers) as (score_fragments, count),
        open_job(out, sha256, sources, options, lambda: fragments_of(files, options)) as folder,
    ):
        setup = Setup(
            artifact=str(opened.path.absolute()),
            sha256=sha256,
            scorer=_scorer_settings(options),
            format=options.format,
            sample=options.sample,
            out=str(out.absolute()),
            strict=strict,
        )
        environment = describe(1)  # while the workers are still loading
        _score(folder, setup, score_fragments, count)
        report = summarize(
            [folder.done[number] for number in sorted(folder.done)],
            artifact=opened.name,
            knows_scope=opened.knows_scope,
            sha256=sha256,
            inputs=inputs,
            out=str(out),
            options=options,
            workers=count,
            environment=environment,
        )
        atomic_write(out / REPORT, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return report


ScoreFragments = Callable[[Sequence[tuple[int, Fragment]], Setup, int], Iterator[Moved | Done]]


@contextmanager
def _workers(pool: Workers | None, address: str | None, workers: int | None) -> Iterator[tuple[ScoreFragments, int]]:
    """The function that scores fragments, and its number of workers."""
    if pool is None:
        from packlight.scoring import on_ray

        with on_ray.connected(address) as cores:
            yield on_ray.score_fragments, min(workers or cores, cores)
    else:
        yield pool.score_fragments, pool.most


def _score(folder: JobFolder, setup: Setup, score_fragments: ScoreFragments, workers: int) -> None:
    todo = folder.todo()
    if folder.done:
        info(f"{len(folder.done):,} of {len(folder.job.fragments):,} files are complete already")
    if not todo:
        return
    with bar("scoring rows", total=sum(each.likely_rows for _, each in todo)) as shown:
        progress = _Progress(shown, {number: each.likely_rows for number, each in todo})
        for event in score_fragments(todo, setup, min(workers, len(todo))):
            if isinstance(event, Done):
                folder.record(event)
                progress.finish(event)
            else:
                progress.move(event)


@dataclass
class _Progress:
    """Shows rows and rows per second. The total becomes exact as files are completed."""

    shown: Bar
    likely: dict[int, int]

    def __post_init__(self) -> None:
        self._began, self._rows, self._total = monotonic(), 0, sum(self.likely.values())

    def move(self, moved: Moved) -> None:
        self._rows += moved.rows
        if self._total < self._rows:
            self.shown.resize(self._rows)
        self.shown.reach(self._rows, note=f"{self._rows / (monotonic() - self._began):,.0f} rows/s")

    def finish(self, done: Done) -> None:
        self._total += done.counts.rows - self.likely[done.number]
        self.shown.resize(max(self._rows, self._total))


def _checked(options: JobOptions, files: Sequence[InputFile]) -> JobOptions:
    """The options with the text column, after checking them against the first file."""
    first = files[0]
    schema = first.reader.schema(first.found.location, first.packing)
    column = choose_text_column(schema, first.found.location, options.text_column)
    check_kept(schema, first.found.location, options.keep)
    chosen = msgspec.structs.replace(options, text_column=column)
    _scorer_settings(chosen).new_columns(schema.names)
    return chosen


def _scorer_settings(options: JobOptions) -> ScorerSettings:
    assert options.text_column is not None  # see `_checked`
    return ScorerSettings(
        text_column=options.text_column,
        keep=options.keep,
        top_k=options.top_k,
        prefix=options.prefix,
        cache_texts=options.cache_texts,
    )


def _refuse_output_inside(out: Path, files: Sequence[InputFile]) -> None:
    """Reject an output folder inside the input, which would be read as input when the job is resumed."""
    place = str(out.absolute())
    for each in files:
        if each.found.listed and f"{place}/".startswith(f"{each.found.root.rstrip('/')}/"):
            raise DataError(f"--out {out} is inside the input folder {each.found.root}; give a folder beside it")
