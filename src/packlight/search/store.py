"""The study of a search, in a folder's journal or in a database.

Limits are part of the study's name. Other limits, families or ranges start a new study beside it. It adopts finished
trials, so only what the new limits change is repeated.
"""

import hashlib
import warnings
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

import msgspec
import optuna
from optuna import Study
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState, create_trial

from packlight.analysis.recommend import Constraints
from packlight.errors import PacklightError
from packlight.progress import info
from packlight.search.front import LIMITS
from packlight.search.rows import Row
from packlight.search.space import Design, Space

ROW = "row"
REFERENCE = "reference_ms"
WORKERS = "workers"
BEGUN = "begun"
DIRECTIONS: tuple[Literal["maximize", "minimize"], ...] = ("maximize", "minimize", "minimize")
STARTUP = 8
"""number of random trials before the sampler uses known ones"""


class Trials(Protocol):
    """The interface of `Journal` and `Database`, which store trials."""

    prefix: str
    """of the names of this search's studies"""

    @property
    def storage(self) -> BaseStorage:
        """Optuna's."""

    @property
    def place(self) -> str | None:
        """Host and folder of the artifacts that this process makes; None if there is only one folder."""

    def alone(self) -> AbstractContextManager[None]:
        """Hold a lock against other processes while the block runs."""

    def join(self, study: Study, worker: int) -> None:
        """Take part in a study."""

    def begin(self, trial: Trial) -> None:
        """Work on a trial."""

    def end(self) -> None:
        """Work on none."""

    def fail_killed(self, study: Study) -> list[FrozenTrial]:
        """End the unfinished trials of dead processes, and return them."""

    def close(self) -> None:
        """Leave the study."""


class Store:
    """The trials of one search."""

    def __init__(self, trials: Trials, limits: Constraints, space: Space, *, seed: int) -> None:
        """Open the study, or start it."""
        self._trials = trials
        self._space = space
        self._limits = limits
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=ExperimentalWarning)  # of the sampler's options
        with trials.alone():
            storage = trials.storage
            names = [name for name in optuna.get_all_study_names(storage) if name.startswith(trials.prefix)]
            name = trials.prefix + _name(limits, space)
            self._study = optuna.create_study(
                study_name=name, storage=storage, directions=DIRECTIONS, load_if_exists=True
            )
            worker = int(self._study.user_attrs.get(WORKERS, 0))
            self._study.set_user_attr(WORKERS, worker + 1)
            # Processes that start at the same time must not all propose the same.
            self._study.sampler = _sampler(seed + worker)
            trials.join(self._study, worker)
            # The existence of a study proves nothing: a killed process may have left it half started.
            if not self._study.user_attrs.get(BEGUN):
                others = (other for other in names if other != name)
                self._begin([optuna.load_study(study_name=other, storage=storage) for other in others])
            self._take_over_killed()

    def close(self) -> None:
        """Leave the study. Unfinished trials of this process can be adopted by others."""
        self._trials.close()

    @property
    def place(self) -> str | None:
        """Host and folder of the artifacts that this process makes; None if the search has one folder only."""
        return self._trials.place

    def ask(self) -> tuple[Trial, Design]:
        """A new trial and its design."""
        with self._trials.alone():
            self._take_over_killed()
            trial = self._study.ask()
            self._trials.begin(trial)
            design = self._space.suggest(trial)
        return trial, design

    def tell(self, trial: Trial, row: Row) -> None:
        """Record how a trial ended. A stopped trial is queued again."""
        self._trials.end()
        if row.state == "finished" and row.same_as is None:
            row = msgspec.structs.replace(row, place=self.place)
        try:
            self._tell(trial, row)
        except UpdateFinishedTrialError:
            # This process was thought dead, and another one has the trial now. A result is a result all the same.
            info(
                f"trial {trial.number}: was taken over by another process, because this one gave no sign of life for too long"
            )
            if row.state == "finished" and row.design is not None:
                self._add(row, row.design)

    def _tell(self, trial: Trial, row: Row) -> None:
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
        with self._trials.alone():
            known = self._study.user_attrs.get(REFERENCE)
            if known is None:
                self._study.set_user_attr(REFERENCE, baseline_ms)
            return float(baseline_ms if known is None else known)

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
        for trial in self._trials.fail_killed(self._study):
            self._study.enqueue_trial(trial.params)


def _within(design: Design, space: Space) -> bool:
    """Whether a space can propose a design. Other families and epochs have other spaces."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return space.suggest(FixedTrial(design.parameters)) == design
        except (ValueError, UserWarning):
            return False


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
    accuracy: float | None = row.projected_accuracy
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
    try:
        return msgspec.structs.replace(msgspec.convert(known, Row), number=trial.number)
    except msgspec.ValidationError as error:
        raise PacklightError(
            f"trial {trial.number}: not in this version's form ({error}); give another --out or --storage"
        ) from error
