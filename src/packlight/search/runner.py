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

import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import msgspec

from packlight.analysis.recommend import Constraints
from packlight.analysis.recommend.constraints import checked, figure_violations
from packlight.data import Dataset
from packlight.errors import PacklightError, RecipeError
from packlight.files import atomic_folder, atomic_write, remove_stale_temp
from packlight.formatting import milliseconds, percent
from packlight.measure.results import Measurement
from packlight.measure.rounds import BenchmarkConfig
from packlight.measure.sampling import BATCH
from packlight.models import Checkpoint, resolve
from packlight.pipeline.announcing import announce_model
from packlight.pipeline.matching import check_labels
from packlight.pipeline.measure_run import measure_run
from packlight.pipeline.preflight import check_abstain, check_start
from packlight.pipeline.resolving import FILE as RESOLVED
from packlight.pipeline.resolving import Resolved, complete
from packlight.pipeline.resolving import settle as settle_here
from packlight.pipeline.runner import DEFAULT_MODEL
from packlight.pipeline.variant import check_parent, fingerprint_of, make_variant, open_parent
from packlight.progress import checking, info, warn
from packlight.recipes.overrides import with_head, with_lengths
from packlight.recipes.recipe import VERSION, Recipe, load_recipe, write_recipe
from packlight.runtime import processor
from packlight.runtime.artifact import MANIFEST, Artifact, read_manifest
from packlight.search.chain import steps_of
from packlight.search.database import Database, check_database, reachable
from packlight.search.front import advise, members_of
from packlight.search.journal import Journal
from packlight.search.locks import Deadline, OutOfTime, SearchLock, as_one, hold_lock
from packlight.search.measure_trial import TRIAL_EFFORT
from packlight.search.metadata import Metadata, check, record
from packlight.search.rows import FILE, Member, Row, SearchOutcome
from packlight.search.space import FAMILIES, Family, Space, space_of
from packlight.search.store import Store
from packlight.search.trial import TrialRunner, report_trial
from packlight.steps.distill.options import Distill
from packlight.steps.export.options import Export
from packlight.steps.finetune.options import Finetune
from packlight.steps.step import Step

TEACHER = "teacher"
MOST_MEMBERS = 8
"""maximum members of the front that are fully measured"""
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
        train_threads: CPU threads for training. Defaults to the number that the search started with, or to the
            container's CPU limit.
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
    stated = _stated(label_map=label_map, new_head=new_head, extend_labels=extend_labels) | _stated(
        max_length=max_length, long_texts=long_texts
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
    step = _first(stated) if teacher is None else _teacher_step()
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
        with as_one(out):
            resolved = settle_here(out / RESOLVED, threads=train_threads)
        try:
            origin = (
                _train_teacher(step, checkpoint, data, out, about, deadline, resolved)
                if checkpoint is not None
                else _adopt_teacher(str(teacher), data, out, about, deadline)
            )
            baseline = _baseline(origin, data, out, seed, deadline)
        except OutOfTime as error:
            raise PacklightError(
                f"{minutes:g} minutes expired before the teacher was trained; rerun the command to resume, "
                "and --teacher starts from one that is trained"
            ) from error
        space = space or space_of(origin, data, families)
        whole = msgspec.structs.replace(about, teacher=origin.manifest.fingerprint)
        store = Store(Journal(out) if storage is None else Database(storage, out, whole), limits, space, seed=seed)
        runner = TrialRunner(
            data=data,
            out=out,
            teacher=origin,
            first=step if teacher is None else Finetune(name=origin.name, model=_full(teacher)),
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
            abstain=abstain,
        )
        try:
            effort = effort or BenchmarkConfig()
            _try(runner, trials, effort)
            return _end(runner, lock, effort)
        finally:
            store.close()


def _train_teacher(
    step: Step,
    checkpoint: Checkpoint,
    data: Dataset,
    out: Path,
    about: Metadata,
    deadline: Deadline,
    resolved: Resolved,
) -> Artifact:
    """The teacher that the step makes."""
    with hold_lock(out / "work" / "locks" / TEACHER, deadline), checking(deadline.check):
        announce_model(step, checkpoint, data)
        whole = complete(step, resolved, labels=data.labels, checkpoint=checkpoint)
        fingerprint = fingerprint_of(whole, about.data, checkpoint=checkpoint, seed=about.seed)
        check(out, msgspec.structs.replace(about, teacher=fingerprint))
        artifact, _ = make_variant(
            step,
            out / "variants" / TEACHER,
            out / "work" / TEACHER,
            data,
            checkpoint=checkpoint,
            seed=about.seed,
            resolved=resolved,
        )
        # Not earlier, because a teacher that cannot be built must not bind later calls.
        record(out, msgspec.structs.replace(about, teacher=artifact.manifest.fingerprint))
    return artifact


def _adopt_teacher(given: str, data: Dataset, out: Path, about: Metadata, deadline: Deadline) -> Artifact:
    """A copy of the given teacher, so that this search doesn't write figures to another run's folder."""
    with hold_lock(out / "work" / "locks" / TEACHER, deadline):
        artifact = open_parent(given, data, out / "work" / "given")
        check_parent(Distill(name="student"), artifact, shown=given)
        record(out, msgspec.structs.replace(about, teacher=artifact.manifest.fingerprint))
        if artifact.manifest.data_sha256 != data.sha256:
            warn(f"warning: {given} was built from different texts, or a different split, than {data.source}")
        place = out / "variants" / artifact.name
        if (
            not ((place / MANIFEST).is_file() and read_manifest(place).fingerprint == artifact.manifest.fingerprint)
            and place.resolve() != artifact.path.resolve()
        ):
            with atomic_folder(place) as draft:
                artifact.copy(draft)
        return Artifact.open(place)


def _teacher_step() -> Step:
    """The steps of the built-in recipe that make its teacher."""
    return msgspec.structs.replace(load_recipe("walk").steps[0], name=TEACHER)


def _stated(**options: object) -> dict[str, object]:
    """The options that are set."""
    return {name: value for name, value in options.items() if value}


def _first(stated: Mapping[str, Any]) -> Step:
    """The step of the built-in recipe that makes the teacher, with the stated options for head and lengths.

    Raises:
        RecipeError: if options contradict each other or are out of range.
    """
    recipe = Recipe(version=VERSION, name=TEACHER, steps=(_teacher_step(),))
    lengths = {name: value for name, value in stated.items() if name in ("max_length", "long_texts")}
    head = {name: value for name, value in stated.items() if name not in lengths}
    return with_lengths(with_head(recipe, **head), **lengths).steps[0]


def _baseline(teacher: Artifact, data: Dataset, out: Path, seed: int, deadline: Deadline) -> Artifact:
    """The teacher in ONNX, the baseline of every trial."""
    step = Export(name=f"{teacher.name[:50]}-onnx", parent=teacher.name)
    with hold_lock(out / "work" / "locks" / step.name, deadline):
        deadline.check()
        return make_variant(
            step, out / "variants" / step.name, out / "work" / step.name, data, parent=teacher, seed=seed
        )[0]


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
    outcome = _conclude(runner)
    if lock.alone():
        return _conclude(runner, effort)
    if outcome.front:
        info(f"{runner.out}: another process is still searching; the last one to finish measures the front on test")
    return outcome


def _conclude(runner: TrialRunner, effort: BenchmarkConfig | None = None) -> SearchOutcome:
    """Choose what to ship, and write the outcome and the recipes. With an effort, measure the front first."""
    trials = runner.store.rows()
    rows = [row for row in trials if row.state != "finished" or _here(row, runner)]
    advice = advise(rows, runner.limits, runner.data, baseline=runner.baseline.name, threads=runner.threads)
    members = members_of(rows, runner.limits, MOST_MEMBERS, pick=advice.pick if advice else None)
    tested = _measure(runner, members, effort) if members and effort is not None else {}
    for row in members:
        _write_recipe(runner, row)
    outcome = SearchOutcome(
        folder=str(runner.out),
        limits=runner.limits,
        teacher=runner.teacher.name,
        trials=trials,
        front=tuple(_member(row, tested) for row in members),
        advice=advice,
        remarks=(
            *(_remarks(advice.pick, tested, runner.limits) if advice and advice.pick else ()),
            *_elsewhere(advice.pick if advice else None, trials, runner),
        ),
    )
    atomic_write(runner.out / FILE, msgspec.json.format(msgspec.json.encode(outcome), indent=1))
    return outcome


def _here(row: Row, runner: TrialRunner) -> bool:
    """Whether a finished trial's artifact is in this folder. Other machines keep theirs."""
    if runner.store.place is None:
        return True
    # The name comes out of a database, and becomes a path.
    name = str(row.variant)
    return Path(name).name == name and (runner.out / "variants" / name / MANIFEST).is_file()


def _elsewhere(pick: str | None, trials: Sequence[Row], runner: TrialRunner) -> list[str]:
    """The place of the artifact that would be picked from all machines' trials, if it isn't this folder's pick."""
    if all(row.state != "finished" or _here(row, runner) for row in trials):
        return []
    best = advise(trials, runner.limits, runner.data, baseline=runner.baseline.name, threads=runner.threads)
    if best is None or best.pick is None or best.pick == pick:
        return []
    row = next(row for row in trials if row.variant == best.pick and row.state == "finished")
    where = f"copy variants/{best.pick} from there to {runner.out / 'variants'} and rerun it here"
    return [
        f"Of the trials on all machines, {best.pick} is the one to ship. It is in {row.place}: rerun the command there, or {where}."
    ]


def _measure(runner: TrialRunner, members: Sequence[Row], effort: BenchmarkConfig) -> dict[str, Measurement]:
    for folder in (runner.out, runner.out / "variants", runner.out / "work"):
        remove_stale_temp(folder)
    variants = runner.out / "variants"
    artifacts = {each.name: each for each in (runner.teacher, runner.baseline)}
    artifacts |= {str(row.variant): Artifact.open(variants / str(row.variant)) for row in members}
    _write_run_recipe(runner, members)
    known, _ = measure_run(
        artifacts,
        runner.data,
        runner.out,
        references=(),
        threads=runner.threads,
        seed=runner.seed,
        effort=effort,
        quote=runner.quote,
    )
    return {row.variant: row for row in known.measurements}


def _member(row: Row, tested: Mapping[str, Measurement]) -> Member:
    accuracy, latency, size = row.values
    name = str(row.variant)
    return Member(
        variant=name,
        trial=row.number,
        val_accuracy=accuracy,
        latency_ms=latency,
        size_mb=size,
        tested=tested.get(name),
    )


def _remarks(pick: str, tested: Mapping[str, Measurement], limits: Constraints) -> list[str]:
    """The pick's figures on `test`, which don't influence the choice."""
    row = tested.get(pick)
    if row is None:
        return []
    said = [
        f"On test, {pick} has an accuracy of {percent(row.accuracy)} and a latency of {milliseconds(row.latency_ms.mean)}."
    ]
    broken = [miss.words for miss in figure_violations(msgspec.structs.replace(row, val=None), limits)]
    return said + ([f"There it misses a limit that it kept on val: {'; '.join(broken)}."] if broken else [])


def _write_recipe(runner: TrialRunner, row: Row) -> None:
    assert row.design is not None  # it is finished
    steps = steps_of(row.design, runner.space, runner.teacher.name)
    recipe = Recipe(version=VERSION, name=str(row.variant), steps=(runner.first, *steps))
    write_recipe(recipe, runner.out / "recipes" / f"{row.variant}.yaml")


def _write_run_recipe(runner: TrialRunner, members: Sequence[Row]) -> None:
    """One recipe of everything that is measured, for the report."""
    baseline = Export(name=runner.baseline.name, parent=runner.teacher.name)
    steps: dict[str, Step] = {step.name: step for step in (runner.first, baseline)}
    for row in members:
        assert row.design is not None  # it is finished
        steps |= {step.name: step for step in steps_of(row.design, runner.space, runner.teacher.name)}
    recipe = Recipe(version=VERSION, name="search", steps=tuple(steps.values()))
    write_recipe(recipe, runner.out / "recipe.yaml")


def _full(reference: str) -> str:
    """A folder as an absolute path; a Hub id unchanged."""
    return str(Path(reference).resolve()) if Path(reference).exists() else reference
