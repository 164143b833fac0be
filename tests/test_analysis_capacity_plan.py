import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invented import measurements, row
from packlight.analysis.capacity import Machine, Plan, PriceTable, plan, plan_all
from packlight.errors import PacklightError
from packlight.measure.results import AllThreads

PRICES = PriceTable(
    hours_per_month=730,
    reserved_memory_gb=1.0,
    machines=(
        Machine(name="small", vcpus=2, memory_gb=2, usd_per_hour=0.10),
        Machine(name="big", vcpus=8, memory_gb=9, usd_per_hour=0.30),
        Machine(name="thin", vcpus=8, memory_gb=2, usd_per_hour=0.05),
    ),
)


def test_workers_are_rate_times_latency_over_the_utilisation():
    # 400 a second x 10 ms keep 4 workers busy; at half busy that is 8.
    made = plan(row("a", ms=10.0), 400, utilisation=0.5, prices=PRICES)
    assert made.load == pytest.approx(4.0)
    assert made.workers == 8
    assert made.utilisation == pytest.approx(0.5)
    assert made.within_p99


def test_machines_and_money():
    made = plan(row("a", ms=10.0, threads=2, peak_memory_mb=600.0), 400, utilisation=0.5, prices=PRICES)
    fits = {fit.machine: fit for fit in made.fits}
    assert (fits["small"].by_cores, fits["small"].by_memory, fits["small"].machines) == (1, 1, 8)
    assert (fits["big"].by_cores, fits["big"].by_memory, fits["big"].limit) == (4, 13, "cores")
    assert (fits["thin"].workers_per_machine, fits["thin"].limit) == (1, "memory")
    assert fits["big"].usd_per_month == pytest.approx(2 * 0.30 * 730)
    assert fits["big"].usd_per_million == pytest.approx(2 * 0.30 / (400 * 3600) * 1e6)
    assert made.cheapest == fits["thin"]  # 8 x 0.05 is below 2 x 0.30
    assert [fit.usd_per_month for fit in made.fits] == sorted(fit.usd_per_month for fit in made.fits)


def test_machines_on_which_nothing_fits_are_named():
    made = plan(row("a", threads=4, peak_memory_mb=5000.0), 10, prices=PRICES)
    assert made.too_small == ("small", "thin")
    alone = plan(row("a", threads=16), 10, prices=PRICES)
    assert alone.cheapest is None


def test_a_tail_target_takes_more_workers():
    relaxed = plan(row("a", ms=10.0), 90, utilisation=0.95, prices=PRICES)
    strict = plan(row("a", ms=10.0), 90, utilisation=0.95, p99_ms=25, prices=PRICES)
    assert relaxed.workers == 1
    assert relaxed.p99_ms > 25
    assert strict.workers > relaxed.workers
    assert strict.p99_ms <= 25
    assert plan(row("a", ms=10.0), 90, utilisation=0.95, p99_ms=1000, prices=PRICES).workers == 1


def test_no_number_of_workers_makes_a_slow_model_fast():
    made = plan(row("a", ms=10.0), 100, p99_ms=15, prices=PRICES)  # its own p99 is 20 ms
    assert not made.within_p99
    assert made.workers == plan(row("a", ms=10.0), 100, prices=PRICES).workers
    assert made.p99_ms > 15


def on_all(threads, speedup, *, low=None):
    low = speedup if low is None else low
    return AllThreads(
        threads=threads,
        speedup=speedup,
        speedup_ci95=(low, speedup),
        batch_speedup=1.0,
        batch_speedup_ci95=(1.0, 1.0),
        cpu_ratio=1.5,
        rounds=5,
    )


def test_workers_of_all_threads_are_planned_where_one_thread_cannot_keep_the_p99():
    tried = row("a", ms=10.0, threads=1, all_threads=on_all(2, 1.8))
    made = plan(tried, 100, p99_ms=15, prices=PRICES)  # on one thread, its own p99 is 20 ms
    assert made.within_p99
    assert (made.threads, made.on_all_threads) == (2, True)
    assert made.mean_ms == pytest.approx(10 / 1.8)
    assert made.p99_ms <= 15
    assert {fit.machine: fit.by_cores for fit in made.fits} == {"small": 1, "big": 4, "thin": 4}
    doubtful = plan(row("a", ms=10.0, threads=1, all_threads=on_all(2, 1.8, low=1.05)), 100, p99_ms=15, prices=PRICES)
    assert (doubtful.threads, doubtful.within_p99) == (1, False)


def test_more_requests_per_core_decide_otherwise():
    for speedup, threads in ((1.8, 1), (2.5, 2)):  # two workers of one thread bring 2
        made = plan(row("a", ms=10.0, threads=1, all_threads=on_all(2, speedup)), 900, prices=PRICES)
        assert (made.threads, made.on_all_threads) == (threads, threads == 2)
    assert plan(row("a", ms=10.0, threads=1), 900, prices=PRICES).threads == 1


@pytest.mark.parametrize("count", [1000, 1300, 2100, 3100, 3500, 4600])
def test_a_tail_of_exactly_a_hundredth_keeps_no_limit_whatever_the_rounding(count):
    samples = [1.0] * (count - count // 100) + [50.0] * (count // 100)
    made = plan(row("a", ms=1.0), 5000, p99_ms=40, latency_samples=samples, prices=PRICES)
    assert (made.within_p99, made.workers) == (False, 8)


def test_the_load_rests_on_the_latency_that_the_run_states():
    hiccups = [10.0] * 45 + [100.0] * 5
    made = plan(row("a", ms=10.0), 400, utilisation=0.5, latency_samples=hiccups, prices=PRICES)
    assert (made.mean_ms, made.workers) == (10.0, 8)
    assert made.squared_cv > 1


def test_samples_are_used_when_given():
    even = plan(row("a", ms=10.0), 100, latency_samples=[10.0] * 50, prices=PRICES)
    assert (even.samples, even.squared_cv) == (50, 0.0)
    assert even.p99_ms < plan(row("a", ms=10.0), 100, prices=PRICES).p99_ms


@given(st.floats(0.1, 1e4), st.floats(0.05, 0.95), st.floats(0.1, 500), st.one_of(st.none(), st.floats(0.1, 2000)))
def test_a_plan_keeps_what_it_promises(rate, utilisation, ms, p99_ms):
    made = plan(row("a", ms=ms), rate, utilisation=utilisation, p99_ms=p99_ms, prices=PRICES)
    assert made.workers >= 1
    assert made.utilisation <= utilisation + 1e-9
    assert made.within_p99 == (p99_ms is None or 2 * ms <= p99_ms)
    if p99_ms is not None and made.within_p99:
        assert made.p99_ms <= p99_ms * (1 + 1e-6)
    for fit in made.fits:
        assert fit.machines * fit.workers_per_machine >= made.workers


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rate": 0}, "rate 0 is not"),
        ({"rate": float("inf")}, "requests per second"),
        ({"rate": 10, "utilisation": 1}, "below 1"),
        ({"rate": 10, "utilisation": 0}, "above 0"),
        ({"rate": 10, "p99_ms": -5}, "p99 -5"),
    ],
)
def test_what_cannot_be_planned_is_refused(arguments, words):
    with pytest.raises(PacklightError, match=words):
        plan(row("a"), **arguments)


def test_all_rows_are_planned_in_order_and_survive_json():
    plans = plan_all(measurements(), 100, latency_samples={"teacher": [12.0, 13.0]})
    assert [made.variant for made in plans] == [each.variant for each in measurements().measurements]
    assert [made.variant for made in plans if made.samples] == ["teacher"]
    assert msgspec.json.decode(msgspec.json.encode(plans), type=tuple[Plan, ...]) == plans
