"""`packlight plan --texts`: hours and money from a report of `packlight score`."""

import json

import msgspec
import pytest

from packlight.formatting import duration
from packlight.measure.environment import describe
from packlight.scoring.counts import Counts
from packlight.scoring.report import summarize
from packlight.scoring.settings import Done, JobOptions

pytest_plugins = ["command"]
SCORE = "score.json"


def write(path, *, rows=100_000, memory_mb=200.0, inferences=70_000):
    """Two workers that scored 1,000 texts per second each."""
    half = rows // 2
    done = [
        Done(
            number=number,
            output=f"{number}.parquet",
            size=1,
            sha256="0" * 64,
            counts=Counts(rows=half, labels={"a": half}, inferences=inferences // 2),
            began=100.0,
            ended=100.0 + half / 1000,
            rows_seen=half,
            peak_memory_mb=memory_mb,
        )
        for number in range(2)
    ]
    report = summarize(
        done,
        artifact="intent",
        knows_scope=True,
        sha256="0" * 64,
        inputs=["in"],
        out="out",
        options=JobOptions(),
        workers=2,
        environment=describe(1),
    )
    assert rows == 0 or report.texts_per_second == pytest.approx(2000)
    path.write_bytes(msgspec.json.encode(report))


@pytest.fixture(autouse=True)
def scored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / SCORE)
    return tmp_path / SCORE


def test_texts_become_workers_machines_hours_and_money(packlight):
    plan = json.loads(packlight("plan", "--measured", SCORE, "--texts", "1e9", "--hours", 6, "--json").out)
    assert plan["figures"]["per_worker"] == pytest.approx(1000)
    assert plan["worker_hours"] == pytest.approx(1e9 / 1000 / 3600)
    assert plan["workers"] == 47  # 277.8 hours of a worker within 6
    assert [fit["usd"] for fit in plan["fits"]] == sorted(fit["usd"] for fit in plan["fits"])
    for fit in plan["fits"]:
        assert fit["machines"] == -(-47 // fit["workers_per_machine"])
        assert fit["hours"] == pytest.approx(1e9 / 1000 / 3600 / fit["machines"] / fit["workers_per_machine"])
        assert fit["hours"] <= 6
    small = next(fit for fit in plan["fits"] if fit["machine"] == "small-2")
    assert small["usd"] == pytest.approx(24 * small["hours"] * 0.05)
    assert small["usd_per_billion"] == pytest.approx(small["usd"])


def test_without_a_limit_each_row_is_one_machine(packlight):
    plan = json.loads(packlight("plan", "--measured", SCORE, "--texts", 36_000_000, "--json").out)
    assert plan["workers"] is None
    assert {fit["machines"] for fit in plan["fits"]} == {1}
    assert next(fit["hours"] for fit in plan["fits"] if fit["machine"] == "small-2") == pytest.approx(5)


def test_the_table_says_what_it_rests_on_and_fits_80_columns(packlight):
    answer = packlight("plan", "--measured", SCORE, "--texts", "1e9", "--hours", 6)
    assert answer.status == 0
    assert answer.out.startswith("intent: 1,000,000,000 texts within 6.0 h: 47 workers\n")
    assert "measured: 1,000 texts per second per worker in 200 MB\non 100,000 rows, with 2 workers on " in answer.out
    assert "30.0% of the measured texts were equal to earlier ones" in answer.out
    for column in ("machine", "workers per machine", "machines", "time", "cost", "per billion", "lean-8", "$"):
        assert column in answer.out
    assert max(map(len, answer.out.splitlines())) <= 80


def test_machines_without_memory_for_a_worker_are_named(packlight, scored):
    write(scored, memory_mb=5000.0)
    assert "small-2: not enough memory" in packlight("plan", "--measured", SCORE, "--texts", 1e9).out.splitlines()[-1]
    write(scored, memory_mb=500_000.0)
    assert packlight("plan", "--measured", SCORE, "--texts", 1e9).status == 3


def test_times_are_said_in_the_unit_that_fits():
    assert [duration(hours) for hours in (0.01, 0.2, 5.94, 47.9, 100)] == [
        "36 s",
        "12 min",
        "5.9 h",
        "47.9 h",
        "4.2 days",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--measured", SCORE, "--texts", "0"], "0.0 texts can't be planned for"),
        (["--measured", SCORE, "--texts", "1e9", "--hours", "0"], "0.0 hours can't be planned for"),
        (["--measured", SCORE, "--texts", "1e9", "--headroom", "0.5"], "--headroom is for plans from a load test"),
        (["--measured", SCORE, "--texts", "1e9", "--rate", "1000"], "--rate is for traffic, not for --texts"),
        (["--measured", SCORE, "--hours", "6"], "--hours is for --texts"),
        (["--measured", SCORE], "score.json: not a result of `packlight loadtest`"),
        (
            ["--measured", "nowhere.json", "--texts", "5"],
            "nowhere.json: cannot be read (No such file or directory); give a report of `packlight score",
        ),
        (["runs/latest", "--texts", "5"], "--texts is for plans with --measured"),
    ],
)
def test_what_does_not_go_together_is_one_line(packlight, words, said):
    answer = packlight("plan", *words)
    assert (answer.status, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert answer.err.startswith("error: ")
    assert said in answer.err


def test_a_report_without_rows_is_refused(packlight, scored):
    write(scored, rows=0, inferences=0)
    assert "at least one row" in packlight("plan", "--measured", SCORE, "--texts", 5).err
