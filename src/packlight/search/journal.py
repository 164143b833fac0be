"""The trials of one folder's search: a journal file that several processes append to, and that outlives each of them.

work/search.journal     Optuna's log of all trials
work/workers/           a lock file for each process, which it holds while it lives
"""

import time
from contextlib import AbstractContextManager
from pathlib import Path

from optuna import Study
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from packlight.locks import try_lock
from packlight.search.locks import POLL, as_one

WORKER = "worker"


class Journal:
    """Where a search without `--storage` keeps its trials."""

    prefix = ""
    place = None

    def __init__(self, out: Path) -> None:
        """Open the folder's journal, or start it."""
        self._out = out
        self._work = out / "work"
        with as_one(out):
            self.storage = _open_storage(self._work / "search.journal")

    def alone(self) -> AbstractContextManager[None]:
        """Hold the search's lock while the block runs."""
        return as_one(self._out)

    def join(self, study: Study, worker: int) -> None:
        """Show that this process is alive, by a lock that the system releases when it dies."""
        self._worker = worker
        self._life = self._lock_file(study, worker).open("a")
        try_lock(self._life)

    def begin(self, trial: Trial) -> None:
        """Record whose trial it is."""
        trial.set_user_attr(WORKER, self._worker)

    def end(self) -> None:
        """A trial has ended."""

    def fail_killed(self, study: Study) -> list[FrozenTrial]:
        """End the unfinished trials of dead processes, and return them."""
        killed = []
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            worker = trial.user_attrs.get(WORKER)
            if worker is None or _gone(self._lock_file(study, worker)):
                study.tell(trial.number, state=TrialState.FAIL)
                killed.append(trial)
        return killed

    def close(self) -> None:
        """Leave the search. Unfinished trials of this process can be adopted by others."""
        self._life.close()

    def _lock_file(self, study: Study, worker: int) -> Path:
        folder = self._work / "workers"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{study.study_name[-8:]}-{worker}"


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


def _gone(lock: Path) -> bool:
    with lock.open("a") as stream:
        return try_lock(stream)
