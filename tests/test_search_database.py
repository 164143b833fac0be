"""Searches that share a database: SQLite, and in named targets PostgreSQL and MariaDB; two folders stand for two machines."""

import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import msgspec
import pytest

import invented
import mariadb_server
import postgres
from packlight import extras
from packlight.analysis.recommend import Constraints
from packlight.errors import MissingExtraError, PacklightError, RecipeError
from packlight.search import conclude, database, runner
from packlight.search.database import Database, reachable
from packlight.search.metadata import Metadata
from packlight.search.rows import Row
from packlight.search.store import Store
from searching import SPACE

ABOUT = Metadata(data="d", seed=0, threads=1, teacher="t")
REFERENCE_MS = 7.0


@pytest.fixture(scope="module")
def postgresql():
    postgres.need_driver()
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="module")
def mariadb():
    mariadb_server.need_driver()
    with mariadb_server.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'search.db'}"
    return request.getfixturevalue(request.param)


@pytest.fixture
def about(tmp_path):
    """Another search for each test."""
    return msgspec.structs.replace(ABOUT, data=str(tmp_path))


@pytest.fixture
def machine(url, about, tmp_path):
    opened = []

    def start(name, **limits):
        out = tmp_path / name
        out.mkdir(exist_ok=True)
        opened.append(
            Store(Database(url, out, about), Constraints(percentile="mean", **limits), SPACE, seed=0),
        )
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.fixture
def hasty(monkeypatch):
    """Processes count as dead after 2 seconds."""
    monkeypatch.setattr(database, "HEARTBEAT", 1)
    monkeypatch.setattr(database, "GRACE", 2)


def finish(store, trial, design, name, accuracy=0.9):
    measured = invented.row(name, accuracy=accuracy)
    row = Row(number=trial.number, state="finished", design=design, variant=name, measured=measured)
    store.tell(trial, row)


def test_two_machines_share_their_trials_and_say_where_each_artifact_is(machine, tmp_path):
    one, other = machine("one"), machine("other")
    assert one.reference(REFERENCE_MS) == other.reference(1.0) == REFERENCE_MS
    asked = [each.ask() for each in (one, other, one)]
    assert [trial.number for trial, _ in asked] == [0, 1, 2]
    assert asked[0][1] != asked[1][1]
    finish(one, *asked[0], "a")
    finish(other, *asked[1], "b")
    assert one.rows() == other.rows()
    places = [row.place for row in one.rows()]
    assert [place.partition(":")[2] for place in places[:2]] == [str(tmp_path / "one"), str(tmp_path / "other")]
    assert places[2] is None


def test_other_limits_adopt_and_another_search_in_the_database_does_not(machine, url, about, tmp_path):
    one = machine("one")
    finish(one, *one.ask(), "a")
    tight = machine("other", max_size_mb=10)
    assert [(row.variant, row.place) for row in tight.rows()] == [("a", one.place)]
    strangers = Database(url, tmp_path / "third", msgspec.structs.replace(about, seed=1))
    store = Store(strangers, Constraints(percentile="mean"), SPACE, seed=1)
    assert store.rows() == ()
    store.close()


@pytest.mark.usefixtures("hasty")
def test_a_living_process_keeps_its_trial_and_a_dead_ones_is_done_by_another(machine):
    one, other = machine("one"), machine("other")
    _, lost = one.ask()
    living, _ = other.ask()
    one._trials.end()  # no sign of life any more
    time.sleep(3.5)
    assert [row.state for row in other.rows()] == ["running", "running"]
    third = machine("third")
    assert [row.state for row in third.rows()] == ["stopped", "running"]
    designs = [third.ask()[1] for _ in range(len(SPACE.first()))]
    assert lost in designs, "it is queued again"
    finish(other, living, lost, "b")
    assert third.rows()[living.number].state == "finished"


@pytest.mark.usefixtures("hasty")
def test_the_result_of_one_who_was_thought_dead_counts(machine, capsys):
    one = machine("one")
    trial, design = one.ask()
    one._trials.end()
    time.sleep(3.5)
    other = machine("other")
    finish(one, trial, design, "a")
    assert "was taken over by another process" in capsys.readouterr().err
    rows = [row for row in other.rows() if row.state != "running"]
    assert [(row.state, row.variant, row.place) for row in rows] == [
        ("stopped", None, None),
        ("finished", "a", one.place),
    ]


def hold(url, out, about, held):
    with Database(url, out, about).alone():
        held.set()
        time.sleep(60)


def test_one_process_at_a_time_and_a_killed_one_leaves_no_lock(url, about, tmp_path):
    forked = multiprocessing.get_context("fork")  # the models are imported already
    held = forked.Event()
    holder = forked.Process(target=hold, args=(url, tmp_path / "other", about, held))
    holder.start()
    assert held.wait(30)
    here = Database(url, tmp_path, about)
    entered = threading.Event()

    def enter():
        with here.alone():
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(1)
    holder.kill()
    holder.join()
    assert entered.wait(10)
    thread.join()
    here.close()


def test_all_that_start_at_once_find_the_tables(tmp_path):
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with ThreadPoolExecutor(3) as pool:
        for each in pool.map(lambda name: Database(url, tmp_path / name, ABOUT), "abc"):
            each.close()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("search.db", "not a database URL; expected something like postgresql://"),
        ("redis://localhost", "not a database URL|is not one of"),
        ("mssql://me:secret@db/x", r"--storage mssql://me:\*\*\*@db/x: mssql is not one of postgresql, mysql"),
        ("sqlite://", "a database in memory can't be shared"),
        ("sqlite:////no/such/folder/search.db", "unable to open database file; see that the database runs"),
    ],
)
def test_a_storage_that_is_none_is_refused_in_one_line(given, words, tmp_path):
    texts = SimpleNamespace(sha256="d")
    with pytest.raises(PacklightError, match=words) as caught:
        runner.search(texts, tmp_path / "out", trials=1, teacher="teacher", storage=given)
    assert not (tmp_path / "out").exists(), "before any work"
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_without_the_driver_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "installed", lambda module: module != "psycopg")
    with pytest.raises(MissingExtraError, match=r"--storage postgresql://… needs psycopg: .*postgres"):
        Database("postgresql://db/x", tmp_path, ABOUT)
    with pytest.raises(PacklightError, match="mysql://db/x: its driver is not installed: No module named 'MySQLdb'"):
        Database("mysql://db/x", tmp_path, ABOUT)


def test_a_server_that_is_gone_is_said_without_its_password(tmp_path):
    postgres.need_driver()
    with pytest.raises(PacklightError, match=r"--storage postgresql://me:\*\*\*@127.0.0.1:1/x: .*refused") as caught:
        Database("postgresql://me:secret@127.0.0.1:1/x", tmp_path, ABOUT)
    assert "secret" not in str(caught.value)


def test_a_database_that_is_lost_midway_is_said(machine, url):
    store = machine("one")
    engine = store._trials.storage.engine
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE trials RENAME TO gone")
    try:
        with pytest.raises(PacklightError, match="rerun the command to resume"), reachable(url):
            store.rows()
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO trials")


def test_a_model_is_not_for_a_teacher_that_is_trained(tmp_path):
    with pytest.raises(
        RecipeError, match="--model mpnet: is what a teacher is trained from, but --teacher t is trained"
    ):
        runner.search(None, tmp_path / "out", trials=1, teacher="t", model="mpnet")
    assert not (tmp_path / "out").exists()


def test_a_storage_needs_a_teacher(tmp_path):
    with pytest.raises(
        RecipeError, match="--storage: machines can share trials only if all start from the same teacher"
    ):
        runner.search(None, tmp_path, trials=1, storage="sqlite:///x.db")


def test_the_folder_of_the_best_trial_is_named_where_it_is_elsewhere(tmp_path, monkeypatch):
    rows = [
        Row(number=0, state="finished", variant="here", place="a:/a"),
        Row(number=1, state="finished", variant="there", place="b:/b"),
        Row(number=2, state="finished", variant="../here", place="a:/a"),
    ]
    (tmp_path / "variants" / "here").mkdir(parents=True)
    (tmp_path / "variants" / "here" / "packlight.json").touch()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "packlight.json").touch()
    trial_runner = SimpleNamespace(
        out=tmp_path,
        store=SimpleNamespace(place="a:/a"),
        limits=None,
        data=None,
        threads=1,
        baseline=SimpleNamespace(name=""),
    )
    assert [conclude._here(row, trial_runner) for row in rows] == [True, False, False], "a name is no path"
    monkeypatch.setattr(conclude, "advise", lambda *_, **__: SimpleNamespace(pick="there"))
    (said,) = conclude._elsewhere("here", rows, trial_runner)
    assert said.startswith(
        "Of the trials on all machines, there is the one to ship. It is in b:/b: rerun the command there"
    )
    assert conclude._elsewhere("here", rows[:1], trial_runner) == []
    assert conclude._elsewhere("there", rows, trial_runner) == []
