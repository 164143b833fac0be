"""The study on disk, on invented trials: what a kill at any moment leaves, and what is taken over from other limits."""

import shutil

import msgspec
import pytest
from optuna.storages.journal import JournalFileBackend

import invented
from packlight.analysis.recommend import Constraints
from packlight.search.journal import Journal
from packlight.search.rows import Row
from packlight.search.store import Store
from searching import SPACE

REFERENCE_MS = 7.0
RIGHT = (0.9, 0.8)
WRITES = 7
"""to the journal when a study begins with two trials of another"""


class Killed(BaseException):
    """Stands in for SIGKILL: nobody catches it."""


def opened(out, **limits):
    return Store(Journal(out), Constraints(percentile="mean", **limits), SPACE, seed=0)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """The folder of a search in which the first two designs have finished, the first of them twice."""
    out = tmp_path_factory.mktemp("search")
    store = opened(out)
    store.reference(REFERENCE_MS)
    for accuracy in RIGHT:
        trial, design = store.ask()
        name = f"v{trial.number}"
        measured = invented.row(name, accuracy=accuracy)
        row = Row(number=trial.number, state="finished", design=design, variant=name, measured=measured)
        store.tell(trial, row)
    trial, _ = store.ask()
    store.tell(trial, msgspec.structs.replace(row, number=trial.number, same_as=row.number))
    store.close()
    return out


def begin_and_die(out, monkeypatch, after):
    """Open a study with other limits; whether that was killed before a write to the journal."""
    written = []
    real = JournalFileBackend.append_logs

    def append(backend, logs):
        if len(written) == after:
            raise Killed
        written.append(logs)
        real(backend, logs)

    with monkeypatch.context() as patch:
        patch.setattr(JournalFileBackend, "append_logs", append)
        try:
            opened(out, max_size_mb=10).close()
        except Killed:
            return True
    return False


@pytest.mark.parametrize("after", range(WRITES + 1))
def test_a_study_whose_beginning_was_killed_begins_again(known, tmp_path, monkeypatch, after):
    out = tmp_path / "search"
    shutil.copytree(known, out)
    killed = begin_and_die(out, monkeypatch, after)
    assert killed == (after < WRITES), "every write is among those that are tried"
    store = opened(out, max_size_mb=10)
    rows = store.rows()
    assert [(row.number, row.variant, row.state, row.same_as) for row in rows] == [
        (0, "v0", "finished", None),
        (1, "v1", "finished", None),
    ]
    assert [row.values[0] for row in rows] == list(RIGHT)
    assert store.reference(1.0) == REFERENCE_MS
    assert store.ask()[1] == SPACE.first()[2], "the plain designs that nobody tried come first"
    store.close()


def test_what_is_taken_over_is_judged_by_the_new_limits(known, tmp_path):
    out = tmp_path / "search"
    shutil.copytree(known, out)
    store = opened(out, max_size_mb=10)
    trials = store._study.get_trials(deepcopy=False)[: len(RIGHT)]
    assert [trial.constraints["max_size_mb"] for trial in trials] == [pytest.approx(1.0)] * 2, "20 MB, 10 MB asked"
    assert [trial.params for trial in trials] == [design.parameters for design in SPACE.first()[:2]]
    store.close()
