"""`packlight plan --measured`: machines from a file of `packlight loadtest`."""

import json

import pytest

from packlight.analysis.capacity import default_prices_text
from packlight.measure.environment import describe
from packlight.serve.loadtest.result import Bound, Level, LoadResult, Source, Times, write_result

pytest_plugins = ["command"]
LOAD = "load.json"


def level(rate, p99, *, carried=True):
    times = Times(mean=p99 / 4, p50=p99 / 5, p90=p99 / 2, p95=p99 / 1.5, p99=p99, p999=2 * p99, max=3 * p99)
    due = int(10 * rate)
    return Level(
        rate=rate,
        seconds=10,
        due=due,
        answered=due,
        errors={},
        latency_ms=times,
        service_ms=times,
        generator_late_ms=0.3,
        cpu_ms_per_request=0.8,
        carried=carried,
        attempt=1,
    )


def write(path, **changes):
    fields = {
        "packlight": "0.1.0",
        "target": "http://127.0.0.1:8080",
        "model": "intent",
        "workers": 2,
        "server_processors": 2,
        "bound": Bound(p99_ms=10),
        "source": Source(name="sample", sha256="0" * 64, texts=9),
        "environment": describe(),
        "levels": (level(600, 4.0), level(1000, 8.4), level(1500, 30.0, carried=False)),
        "memory_mb": 400.0,
    }
    write_result(LoadResult(**fields | changes), path)


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """A working folder with a load file: 2 workers sustained 1,000 requests per second."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / LOAD)
    return tmp_path


def test_measured_load_becomes_workers_machines_and_money(packlight, loaded):
    assert loaded
    plan = json.loads(packlight("plan", "--measured", LOAD, "--rate", 3000, "--headroom", 0.6, "--json").out)
    assert plan["per_worker"] == pytest.approx(0.6 * 1000 / 2)
    assert plan["workers"] == 10
    months = [fit["usd_per_month"] for fit in plan["fits"]]
    assert months == sorted(months)
    for fit in plan["fits"]:
        assert fit["machines"] == -(-10 // fit["workers_per_machine"])
        assert fit["usd_per_million"] == pytest.approx(fit["usd_per_month"] / (3000 * 3600 * 730) * 1e6)


def test_the_table_says_what_it_rests_on_and_fits_80_columns(packlight, loaded):
    assert loaded
    answer = packlight("plan", "--measured", LOAD, "--rate", 5000)
    assert answer.status == 0
    assert answer.out.startswith("intent: 15 workers for 5,000 requests per second\n")
    assert "2 workers in 400 MB, 1,000 requests/s, p99 8.40 ms (limit 10.0 ms)" in answer.out
    assert "70.0% of that: 350 requests per second per worker" in answer.out
    for column in ("machine", "workers per machine", "machines", "per month", "per million", "lean-8", "$"):
        assert column in answer.out
    assert max(map(len, answer.out.splitlines())) <= 80
    assert "may sustain more" not in answer.out


def test_a_load_whose_limit_was_not_reached_says_so(packlight, loaded):
    write(loaded / LOAD, levels=(level(1000, 8.4),), memory_mb=None)
    said = packlight("plan", "--measured", LOAD).out
    assert "may sustain more" in said
    assert "memory is unknown" in said


def test_workers_of_a_url_are_said_by_hand(packlight, loaded):
    write(loaded / LOAD, workers=None)
    assert "--workers" in packlight("plan", "--measured", LOAD).err
    plan = json.loads(packlight("plan", "--measured", LOAD, "--workers", 4, "--headroom", 1, "--json").out)
    assert (plan["figures"]["workers"], plan["per_worker"]) == (4, 250)


def test_prices_of_ones_own_are_used(packlight, loaded):
    (loaded / "prices.yaml").write_text(default_prices_text().replace("lean-8", "mine"))
    assert "mine" in packlight("plan", "--measured", LOAD, "--prices", "prices.yaml").out


def test_machines_without_memory_for_a_worker_are_named(packlight, loaded):
    write(loaded / LOAD, memory_mb=20_000.0)
    plan = json.loads(packlight("plan", "--measured", LOAD, "--json").out)
    assert "small-2" in plan["too_small"]
    assert "small-2" in packlight("plan", "--measured", LOAD).out.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs/latest", "--measured", LOAD], "both a run"),
        (["--measured", LOAD, "--p99-ms", "5"], "--p99-ms is for plans from a run"),
        (["--measured", LOAD, "--utilisation", "0.5"], "--utilisation is for plans from a run"),
        (["--measured", LOAD, "--variant", "student"], "--variant is for plans from a run"),
        (["runs/latest", "--headroom", "0.5"], "--headroom is for plans with --measured"),
        (["runs/latest", "--workers", "2"], "--workers is for plans with --measured"),
        (["--measured", "nowhere.json"], "nowhere.json: cannot be read (No such file or directory); give a result of"),
        (["--measured", LOAD, "--workers", "3"], "2 worker(s) were tested, not 3"),
        (["--measured", LOAD, "--headroom", "1.5"], "headroom 1.5"),
        (["--measured", LOAD, "--rate", "0"], "rate 0"),
        ([], "--measured"),
    ],
)
def test_what_does_not_go_together_is_one_line(packlight, loaded, words, said):
    assert loaded
    answer = packlight("plan", *words)
    assert (answer.status, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert answer.err.startswith("error: ")
    assert said in answer.err
