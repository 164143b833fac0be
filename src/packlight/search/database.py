"""The trials of a search on several machines, in Optuna's own tables of a shared database.

Each machine has a folder of its own, with the artifacts that it made. Only the trials are shared. Lock files can't
show whether a process on another machine is alive, so each process keeps writing the database's time next to its
trial.
"""

import hashlib
import platform
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec
from optuna import Study
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, Trial
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from packlight import extras
from packlight.errors import PacklightError
from packlight.search.locks import hold_lock
from packlight.search.metadata import Metadata

HEARTBEAT = 30
"""seconds between two signs of life"""
GRACE = 150
"""seconds without a sign of life after which a process counts as dead"""
KINDS = ("postgresql", "mysql", "mariadb", "sqlite")
EXAMPLES = "expected something like postgresql://user@host/database or sqlite:///search.db"
OPENING = 5
"""attempts to create the tables, which fail for all but one of several processes that do so at once"""


class Database:
    """Where a search with `--storage` keeps its trials."""

    def __init__(self, given: str, out: Path, about: Metadata) -> None:
        """Connect, and create Optuna's tables if there are none.

        Args:
            given: a URL as SQLAlchemy takes it.
            out: this machine's folder.
            about: what identifies the search among others in the database.

        Raises:
            PacklightError: if it is not such a URL, or the database can't be reached.
            MissingExtraError: if the driver is not installed.
        """
        self._url = database_url(given)
        self.prefix = f"packlight {hashlib.sha256(msgspec.json.encode(about)).hexdigest()[:12]} "
        self.place = f"{platform.node()}:{out.resolve()}"
        self._stale: list[FrozenTrial] = []
        self._beats: threading.Event | None = None
        with reachable(given):
            self.storage = self._open()

    def alone(self) -> AbstractContextManager[None]:
        """Hold a lock against all searches in this database while the block runs."""
        if self._url.get_backend_name() == "sqlite":
            return hold_lock(Path(f"{self._url.database}.lock"))
        return self._row_lock()

    def join(self, study: Study, worker: int) -> None:
        """Do nothing, because each trial shows whether its process is alive."""

    def begin(self, trial: Trial) -> None:
        """Keep showing that this process works on a trial."""
        number = trial._trial_id  # noqa: SLF001 - what `record_heartbeat` takes
        self.storage.record_heartbeat(number)
        self._beats = threading.Event()
        threading.Thread(target=self._beat, args=(number, self._beats), daemon=True).start()

    def end(self) -> None:
        """A trial has ended."""
        if self._beats is not None:
            self._beats.set()

    def fail_killed(self, study: Study) -> list[FrozenTrial]:
        """End the unfinished trials of processes that haven't shown a sign of life for long, and return them."""
        self._stale.clear()
        fail_stale_trials(study)
        return [*self._stale]

    def close(self) -> None:
        """Leave the search."""
        self.end()
        self.storage.engine.dispose()

    def _open(self) -> RDBStorage:
        # Optuna calls heartbeats experimental, and warns that they belong to `optimize`, which a search does not use.
        warnings.filterwarnings("ignore", category=ExperimentalWarning)
        warnings.filterwarnings("ignore", "Heartbeat of storage is supposed to be used with Study.optimize")
        for attempt in range(OPENING):
            try:
                return RDBStorage(
                    self._url.render_as_string(hide_password=False),
                    engine_kwargs={"pool_pre_ping": True},  # a connection may be cut while a model trains
                    heartbeat_interval=HEARTBEAT,
                    grace_period=GRACE,
                    heartbeat_stale_trial_callback=lambda _, trial: self._stale.append(trial),
                )
            except (SQLAlchemyError, StorageInternalError):
                if attempt == OPENING - 1:
                    raise
                time.sleep(0.2 * (1 + attempt))
        raise AssertionError

    @contextmanager
    def _row_lock(self) -> Iterator[None]:
        """A lock on a row that nothing else changes. The database takes it from a process that dies."""
        with self.storage.engine.begin() as connection:
            connection.execute(text("SELECT version_info_id FROM version_info FOR UPDATE"))
            yield

    def _beat(self, number: int, ended: threading.Event) -> None:
        while not ended.wait(HEARTBEAT):
            try:
                self.storage.record_heartbeat(number)
            except (SQLAlchemyError, StorageInternalError):
                continue  # it may be reachable again in time


def database_url(given: str) -> URL:
    """A database's URL, with its driver.

    Raises:
        PacklightError: if it is not the URL of a database that can be used.
        MissingExtraError: if PostgreSQL's driver is not installed.
    """
    try:
        url = make_url(given)
    except ArgumentError as error:
        raise PacklightError(f"--storage: not a database URL; {EXAMPLES}") from error
    kind = url.get_backend_name()
    if kind not in KINDS:
        raise PacklightError(f"--storage {_shown(given)}: {kind} is not one of {', '.join(KINDS)}; {EXAMPLES}")
    if kind == "sqlite" and url.database in (None, "", ":memory:"):
        raise PacklightError(f"--storage {_shown(given)}: a database in memory can't be shared; {EXAMPLES}")
    if url.drivername == "postgresql":
        extras.require("psycopg", purpose="--storage postgresql://…")
        url = url.set(drivername="postgresql+psycopg")
    return url


def check_database(given: str) -> None:
    """Connect once, before work that would be lost.

    Raises:
        PacklightError: if it is no URL of a database, or the database can't be reached.
        MissingExtraError: if the driver is not installed.
    """
    url = database_url(given)
    with reachable(given):
        engine = create_engine(url)
        engine.connect().close()
        engine.dispose()


@contextmanager
def reachable(given: str) -> Iterator[None]:
    """Turn a database's errors into a one-line message while the block runs.

    Raises:
        PacklightError: if it can't be reached, or can't be used.
    """
    try:
        yield
    except ImportError as error:
        raise PacklightError(
            f"--storage {_shown(given)}: its driver is not installed: {error.__cause__ or error}"
        ) from error
    except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        words = str(getattr(cause, "orig", None) or cause).strip().splitlines()
        raise PacklightError(
            f"--storage {_shown(given)}: {words[0] if words else type(cause).__name__}; see that the database runs and "
            "can be reached, then rerun the command to resume"
        ) from error


def _shown(given: str) -> str:
    """Without its password."""
    return make_url(given).render_as_string(hide_password=True)
