"""The study on disk: a journal file that several processes append to, and that outlives each of them.

    work/search.journal     Optuna's log of all trials

Limits are part of the study's name. Other limits, families or ranges start a new study in the same file. It adopts
finished trials, so only what the new limits change is repeated.
"""

import hashlib
import time
import warnings
from pathlib import Path
from typing import Any, Literal

import msgspec
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState, create_trial

from packlight.analysis.recommend import Constraints
from packlight.locks import try_lock
from packlight.search.front import LIMITS
from packlight.search.locks import POLL, as_one
from packlight.search.rows import Row
from packlight.search.space import Design, Space

ROW = "row"
WORKER = "worker"
REFERENCE = "reference_ms"
WORKERS = "workers"
BEGUN = "begun"
DIRECTIONS: tuple[Literal["maximize", "minimize"], ...] = ("maximize", "minimize", "minimize")
STARTUP = 8
"""number of random trials before the sampler uses known ones"""


class Store:
    """The trials of one search."""

    def __init__(self, out: Path, limits: Constraints, space: Space, *, seed: int) -> None:
        """Open the study, or start it."""
        self._out = out
        self._work = out / "work"
        self._space = space
        self._limits = limits
        with as_one(out):
            storage = _open_storage(self._work / "search.journal")
            names = optuna.get_all_study_names(storage)
            name = _name(limits, space)
            self._study = optuna.create_study(
                study_name=name, storage=storage, directions=DIRECTIONS, load_if_exists=True
            )
            self._worker = int(self._study.user_attrs.get(WORKERS, 0))
            self._study.set_user_attr(WORKERS, self._worker + 1)
            # Processes that start at the same time must not all propose the same.
            self._study.sampler = _sampler(seed + self._worker)
            self._life = self._lock_file(self._worker).open("a")
            try_lock(self._life)
            # The existence of a study proves nothing: a killed process may have left it half started.
            if not self._study.user_attrs.get(BEGUN):
                others = (other for other in names if other != name)
                self._begin([optuna.load_study(study_name=other, storage=storage) for other in others])
            self._take_over_killed()

    def close(self) -> None:
        """Leave the study. Unfinished trials of this process can be adopted by others."""
        self._life.close()

    def ask(self) -> tuple[Trial, Design]:
        """A new trial and its design."""
        with as_one(self._out):
            trial = self._study.ask()
            trial.set_user_attr(WORKER, self._worker)
            design = self._space.suggest(trial)
        return trial, design

    def tell(self, trial: Trial, row: Row) -> None:
        """Record how a trial ended. A stopped trial is queued again."""
        trial.set_user_attr(ROW, msgspec.to_builtins(row))
        for name, beyond in violations(row, self._limits).items():
            trial.set_constraint(name, beyond)
        if row.state == "finished":
            self._study.tell(trial, row.values)
        elif row.state == "stopped":
            self._study.tell(trial, state=TrialState.FAIL)
            self._study.enqueue_trial(trial.params)
        else:
            self._study.tell(trial, state=TrialState.PRUNED)

    def rows(self) -> tuple[Row, ...]:
        """All trials that were started, in order."""
        return tuple(
            _row(trial) for trial in self._study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING
        )

    def reference(self, baseline_ms: float) -> float:
        """The baseline's latency that all others are scaled to: the first one that was recorded."""
        with as_one(self._out):
            known = self._study.user_attrs.get(REFERENCE)
            if known is None:
                self._study.set_user_attr(REFERENCE, baseline_ms)
            return float(baseline_ms if known is None else known)

    def _lock_file(self, worker: int) -> Path:
        folder = self._work / "workers"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self._study.study_name[-8:]}-{worker}"

    def _begin(self, others: list[optuna.Study]) -> None:
        """Adopt finished trials of studies with other limits, and queue plain designs first.

        Work that was done before a kill is not repeated.
        """
        seen = {row.variant for row in self.rows() if row.state == "finished"}
        for other in others:
            if (reference := other.user_attrs.get(REFERENCE)) is not None and REFERENCE not in self._study.user_attrs:
                self._study.set_user_attr(REFERENCE, reference)
            for known in other.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
                row = _row(known)
                if row.variant in seen or row.design is None or not _within(row.design, self._space):
                    continue
                seen.add(row.variant)
                self._add(row, row.design)
        for design in self._space.first():
            self._study.enqueue_trial(design.parameters, skip_if_exists=True)
        self._study.set_user_attr(BEGUN, value=True)

    def _add(self, row: Row, design: Design) -> None:
        """Adopt a finished trial into this study, atomically."""
        ranges = FixedTrial(design.parameters)
        self._space.suggest(ranges)
        self._study.add_trial(
            create_trial(
                params=design.parameters,
                distributions=ranges.distributions,
                values=row.values,
                user_attrs={ROW: msgspec.to_builtins(msgspec.structs.replace(row, same_as=None))},
                constraints=violations(row, self._limits),
            )
        )

    def _take_over_killed(self) -> None:
        """Queue the unfinished trials of dead processes again."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            worker = trial.user_attrs.get(WORKER)
            if worker is not None and not _gone(self._lock_file(worker)):
                continue
            self._study.tell(trial.number, state=TrialState.FAIL)
            self._study.enqueue_trial(trial.params)


class _FlockLock(JournalFileOpenLock):
    """A lock on the journal that a killed process doesn't leave behind."""

    def __init__(self, file: Path) -> None:
        super().__init__(str(file))
        self._file = file

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._stream = self._file.open("a")
        while not try_lock(self._stream):
            time.sleep(POLL / 10)
        return True

    def release(self) -> None:
        """Free it."""
        self._stream.close()


def _open_storage(file: Path) -> JournalStorage:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=ExperimentalWarning)
    lock = _FlockLock(file.with_suffix(".lock"))
    lock.acquire()
    try:
        _mend(file)
    finally:
        lock.release()
    return JournalStorage(JournalFileBackend(str(file), lock_obj=lock))


def _mend(file: Path) -> None:
    """Remove an incomplete last line, because text appended to it would be unreadable."""
    if not file.is_file():
        return
    with file.open("rb+") as stream:
        content = stream.read()
        stream.truncate(content.rfind(b"\n") + 1)


def _within(design: Design, space: Space) -> bool:
    """Whether a space can propose a design. Other families and epochs have other spaces."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return space.suggest(FixedTrial(design.parameters)) == design
        except (ValueError, UserWarning):
            return False


def _gone(lock: Path) -> bool:
    with lock.open("a") as stream:
        return try_lock(stream)


def _name(limits: Constraints, space: Space) -> str:
    """The study's name: the limits, and a hash of limits and ranges."""
    given = {name: getattr(limits, name) for name in LIMITS if getattr(limits, name) is not None}
    words = " ".join(f"{name}={value:g}" for name, value in given.items()) or "no limits"
    content = msgspec.json.encode([given, msgspec.to_builtins(space)], order="deterministic")
    return f"{words} {hashlib.sha256(content).hexdigest()[:8]}"


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    """Multi-objective TPE (Ozaki et al. 2022), with a separate model for each branch of the tree of families."""
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=True
    )


def violations(row: Row, limits: Constraints) -> dict[str, float]:
    """The excess of a trial over each limit, as a share of it; 0 or less within the limit, and 0 if unknown."""
    accuracy: float | None = row.hopeful
    latency = size = None
    if row.known is not None:
        latency, size = row.known.latency_ms, row.known.size_mb
    if row.measured is not None:
        accuracy, latency, size = row.values
    return {
        "can be made": float(row.state == "refused"),
        "max_latency_ms": _beyond(latency, limits.max_latency_ms),
        "max_size_mb": _beyond(size, limits.max_size_mb),
        "min_accuracy": -_beyond(accuracy, limits.min_accuracy),
    }


def _beyond(value: float | None, limit: float | None) -> float:
    return 0.0 if value is None or not limit else value / limit - 1


def _row(trial: FrozenTrial) -> Row:
    known: Any = trial.user_attrs.get(ROW)
    if known is None:
        if trial.state == TrialState.RUNNING:
            return Row(number=trial.number, state="running")
        return Row(number=trial.number, state="stopped", why="its process was killed")
    # An adopted trial has another number here.
    return msgspec.structs.replace(msgspec.convert(known, Row), number=trial.number)
