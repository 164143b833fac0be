"""Run a search.

The folder
    search.json              the results
    recipes/<name>.yaml      for each member of the front, its recipe for `packlight run`
    variants/<name>/         the artifacts
    resolved.json            values that steps leave to the machine, from the first call
    measurements.json        the front's figures on `test`, with all the files that `packlight run` writes
    work/                    the study, checkpoints and locks, for resuming

With a database for the trials, each machine has such a folder. Its front is that of the artifacts that it has.
"""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import msgspec

from packlight.analysis.recommend import Constraints
from packlight.analysis.recommend.constraints import checked
from packlight.data import Dataset
from packlight.errors import PacklightError, RecipeError
from packlight.measure.rounds import BenchmarkConfig
from packlight.measure.sampling import BATCH
from packlight.models import Checkpoint, resolve
from packlight.pipeline.matching import check_labels
from packlight.pipeline.preflight import check_abstain, check_start
from packlight.pipeline.resolving import FILE as RESOLVED
from packlight.pipeline.resolving import Resolved, settle
from packlight.pipeline.runner import DEFAULT_MODEL
from packlight.pipeline.thread_trial import planned_training
from packlight.progress import info
from packlight.runtime import processor
from packlight.runtime.artifact import Artifact
from packlight.search.conclude import MOST_MEMBERS, conclude
from packlight.search.database import Database, check_database, reachable
from packlight.search.front import members_of
from packlight.search.journal import Journal
from packlight.search.locks import Deadline, OutOfTime, SearchLock, as_one
from packlight.search.measure_trial import TRIAL_EFFORT
from packlight.search.metadata import Metadata, check
from packlight.search.rows import Row, SearchOutcome
from packlight.search.space import FAMILIES, Family, Space, space_of
from packlight.search.store import Store
from packlight.search.teacher import (
    adopt_teacher,
    default_step,
    exported_baseline,
    given_options,
    train_teacher,
    training_step,
)
from packlight.search.trial import TrialRunner, report_trial
from packlight.steps.distill.options import Distill
from packlight.steps.finetune.options import Finetune
from packlight.steps.step import Step

STUDENT = Distill(name="student")
"""stands for the students of the trials"""
REPORT_SECONDS = 20.0
"""seconds for opening the variants, the machine's rates and the report"""
REFUSED_AT_FIRST = 5
"""number of consecutive refused trials after which the search gives up, because the reason is not in the trials"""
REPEATED = 50
"""number of consecutive repeated proposals after which nothing new is expected"""
TRIED = ("finished", "skipped", "cut", "refused")


def search(
    data: Dataset,
    out: Path,
    *,
    limits: Constraints | None = None,
    minutes: float | None = None,
    trials: int | None = None,
    teacher: str | None = None,
    model: str = DEFAULT_MODEL,
    families: Sequence[Family] = FAMILIES,
    threads: int = 1,
    train_threads: int | None = None,
    seed: int = 0,
    space: Space | None = None,
    trial_effort: BenchmarkConfig = TRIAL_EFFORT,
    effort: BenchmarkConfig | None = None,
    quote: bool = True,
    label_map: str | Mapping[str, str] | None = None,
    new_head: bool = False,
    extend_labels: bool = False,
    max_length: int | None = None,
    long_texts: str | None = None,
    abstain: float | None = None,
    storage: str | None = None,
) -> SearchOutcome:
    """Search for the recipe to ship within limits, or resume a search.

    Args:
        data: labelled texts. `train` and `val` choose; `test` is only read for the final figures.
        out: the search's folder. Several processes can work in it at once.
        limits: the limits. The latency is the mean, unless `percentile` names another statistic.
        minutes: time budget for everything: the teacher, the trials and the final measurement.
        trials: maximum number of trials, including those of earlier calls.
        teacher: an artifact or a fine-tuned classifier to start from. By default, one is trained as in `packlight run`.
        model: the model that the teacher starts from.
        families: kinds of model to try.
        threads: threads per inference of every measured variant.
        train_threads: CPU threads for training. Defaults to the number that the search started with, or to what a
            short trial finds fastest.
        seed: random seed.
        space: the ranges to search. By default, they are derived from teacher and data.
        trial_effort: how much to measure of a trial.
        effort: how much to measure of the front.
        quote: whether report.html quotes test texts.
        label_map: maps labels of a classifier that the teacher starts from to labels of the data: a dict, or a JSON file.
        new_head: train a new head, and discard that model's own.
        extend_labels: keep the labels that it knows, and add the data's others to its head.
        max_length: maximum number of tokens in a text. Chosen from the training texts by default.
        long_texts: how to handle longer texts: `head`, `head+tail` or `windows`.
        abstain: in-scope accuracy on val that each trial's variant gives up by abstaining from uncertain texts.
        storage: URL of a database that several machines keep their trials in. By default, a file in `out` keeps them.

    Raises:
        PacklightError: if neither minutes nor trials are given, if the folder has another search, if the time is up
            before the teacher is trained, or if the database can't be reached.
        MissingExtraError: if the database's driver is not installed.
    """
    if minutes is None and trials is None:
        raise PacklightError("give minutes, trials or both")
    limits = checked(limits or Constraints(percentile="mean"))
    threads = processor.threads_for(threads)
    deadline = Deadline(minutes)
    if abstain is not None:
        check_abstain(abstain, data)
    stated = given_options(
        label_map=label_map,
        new_head=new_head,
        extend_labels=extend_labels,
        max_length=max_length,
        long_texts=long_texts,
    )
    _check_teacher(teacher, model, stated, storage)
    step = training_step(stated) if teacher is None else default_step()
    checkpoint = None
    if teacher is None:
        checkpoint = resolve(step.start_model(model) or model)
        check_start(step, checkpoint, data)
    else:
        check_labels(Path(teacher), data)
    about = Metadata(data=data.sha256, seed=seed, threads=threads, abstain=abstain or 0.0)
    if storage is not None:
        check_database(storage)
    asked: AbstractContextManager[None] = nullcontext() if storage is None else reachable(storage)
    with asked, SearchLock(out) as lock:
        # Other processes may be using the folder, so a search that is rejected replaces nothing in it.
        check(out, about)
        try:
            if checkpoint is not None:
                resolved = _settled(out, train_threads, [step, STUDENT], checkpoint, data)
                origin = train_teacher(step, checkpoint, data, out, about, deadline, resolved)
            else:
                origin = adopt_teacher(str(teacher), data, out, about, deadline)
                resolved = _settled(out, train_threads, [STUDENT], origin, data)
            baseline = exported_baseline(origin, data, out, seed, deadline)
        except OutOfTime as error:
            raise PacklightError(
                f"{minutes:g} minutes expired before the teacher was trained; rerun the command to resume, "
                "and --teacher starts from one that is trained"
            ) from error
        space = dataclasses.replace(space or space_of(origin, data, families), abstain=abstain)
        whole = msgspec.structs.replace(about, teacher=origin.manifest.fingerprint)
        store = Store(Journal(out) if storage is None else Database(storage, out, whole), limits, space, seed=seed)
        runner = TrialRunner(
            data=data,
            out=out,
            teacher=origin,
            first=_written(step, model) if teacher is None else Finetune(name=origin.name, model=_full(teacher)),
            baseline=baseline,
            space=space,
            limits=limits,
            store=store,
            seed=seed,
            threads=threads,
            resolved=resolved,
            effort=trial_effort,
            deadline=deadline,
            quote=quote,
        )
        try:
            effort = effort or BenchmarkConfig()
            _try(runner, trials, effort)
            return _end(runner, lock, effort)
        finally:
            store.close()


def _settled(
    out: Path, train_threads: int | None, steps: Sequence[Step], start: Checkpoint | Artifact, data: Dataset
) -> Resolved:
    """The values that steps leave to the machine. One process at a time settles them."""
    with as_one(out):
        return settle(out / RESOLVED, threads=train_threads, training=planned_training(steps, start, data))


def _check_teacher(teacher: str | None, model: str, stated: Mapping[str, object], storage: str | None) -> None:
    """Check that the options for training a teacher, and a shared database, go with the given teacher.

    Raises:
        RecipeError: if they don't.
    """
    if teacher is not None and model != DEFAULT_MODEL:
        raise RecipeError(
            f"--model {model}: is what a teacher is trained from, but --teacher {teacher} is trained already; omit one"
        )
    if teacher is not None and stated:
        option = f"--{next(iter(stated)).replace('_', '-')}"
        raise RecipeError(
            f"{option}: sets how to train a teacher, but --teacher {teacher} is trained already; use `--model "
            f"{shlex.quote(teacher)}` instead, or train it with `packlight finetune --model {shlex.quote(teacher)} {option} …`"
        )
    if storage is not None and teacher is None:
        raise RecipeError(
            "--storage: machines can share trials only if all start from the same teacher; train one with `packlight "
            "finetune`, copy its folder to each of them, and pass it with --teacher"
        )


def _try(runner: TrialRunner, trials: int | None, effort: BenchmarkConfig) -> None:
    """Carry out trials until there are enough, the time is up, or nothing new is proposed."""
    repeated = 0
    while repeated < REPEATED:
        rows = runner.store.rows()
        runner.deadline.keep(_seconds_to_measure(rows, runner, effort))
        if runner.deadline.over() or (trials is not None and _tried(rows) >= trials):
            return
        trial, design = runner.store.ask()
        name = runner.name_of(design)
        same = next((row for row in rows if row.variant == name and row.state in TRIED), None)
        if same is not None:
            repeated += 1
            runner.store.tell(
                trial, msgspec.structs.replace(same, number=trial.number, seconds=0.0, same_as=same.number)
            )
            continue
        repeated = 0
        info(f"trial {trial.number}: {name}{runner.deadline}")
        row = runner.run(trial.number, design)
        runner.store.tell(trial, row)
        report_trial(row, runner.deadline)
        _give_up(runner.store.rows())
    info("no new proposals; the search ends")


def _tried(rows: Sequence[Row]) -> int:
    """The number of trials, counting those with the same variant once."""
    return sum(row.state in TRIED and row.same_as is None for row in rows)


def _give_up(rows: Sequence[Row]) -> None:
    """End a search in which nothing can be built."""
    tried = [row for row in rows if row.state in TRIED and row.same_as is None]
    if len(tried) >= REFUSED_AT_FIRST and all(row.state == "refused" for row in tried):
        raise PacklightError(f"none of {len(tried)} trials could be built; the last one: {tried[-1].why}")


def _seconds_to_measure(rows: Sequence[Row], runner: TrialRunner, effort: BenchmarkConfig) -> float:
    """The estimated time for the final measurement of the front."""
    members = [row.values[1] for row in members_of(rows, runner.limits, MOST_MEMBERS)]
    reference = max(members, default=10.0)
    measured = (*members, reference, 2 * reference)
    text = sum(measured) / 1e3
    a_round = (effort.texts + BATCH) * text
    timed = effort.rounds_of(a_round) * a_round
    return REPORT_SECONDS + 2 * len(measured) + timed + 2 * len(runner.data.test) * text


def _end(runner: TrialRunner, lock: SearchLock, effort: BenchmarkConfig) -> SearchOutcome:
    """The outcome, measured by the last process."""
    # If this process doesn't get the lock, another may become the last one, clean the folder and write these files. So
    # they are written before, and again by the last process, because others may have added trials.
    outcome = conclude(runner)
    if lock.alone():
        return conclude(runner, effort)
    if outcome.front:
        info(f"{runner.out}: another process is still searching; the last one to finish measures the front on test")
    return outcome


def _written(step: Step, model: str) -> Step:
    """The teacher's step for written recipes. It names the model, so that a run needs no `--model`."""
    return msgspec.structs.replace(step, model=_full(step.start_model(model) or model))


def _full(reference: str) -> str:
    """A folder as an absolute path; a Hub id unchanged."""
    return str(Path(reference).resolve()) if Path(reference).exists() else reference
