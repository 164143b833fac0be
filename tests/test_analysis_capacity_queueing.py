import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packlight.analysis.capacity.queueing import Queue, ServiceTimes, erlang_c, from_percentiles, from_samples
from packlight.errors import PacklightError
from packlight.measure.results import Latency


# Adan & Resing, Queueing Systems (2015), section 5.2, table 5.1: utilisation 0.9.
@pytest.mark.parametrize(("workers", "waits"), [(1, 0.90), (2, 0.85), (5, 0.76), (10, 0.67), (20, 0.55)])
def test_erlang_c_is_the_textbook_value(workers, waits):
    assert erlang_c(workers, 0.9 * workers) == pytest.approx(waits, abs=0.005)


@given(st.integers(1, 30), st.floats(0.01, 0.99))
def test_erlang_c_is_the_closed_formula(workers, utilisation):
    load = workers * utilisation
    last = load**workers / math.factorial(workers) / (1 - utilisation)
    closed = last / (sum(load**k / math.factorial(k) for k in range(workers)) + last)
    assert erlang_c(workers, load) == pytest.approx(closed)


def test_erlang_c_of_an_overload_is_certain():
    assert erlang_c(3, 3.0) == 1.0
    assert 0 < erlang_c(5000, 4900.0) < 1


def exponential(mean, parts=20_000):
    """Service times that are exponential: the middles of equally likely parts."""
    values = -mean * np.log1p(-(np.arange(parts) + 0.5) / parts)
    return ServiceTimes(mean, 1.0, values, np.full(parts, 1 / parts), parts)


def test_one_exponential_worker_is_the_m_m_1_queue():
    queue = Queue(1, 0.8, exponential(10.0))
    assert queue.mean_wait_ms == pytest.approx(0.8 / (1 - 0.8) * 10.0)
    # The whole time in M/M/1 is exponential with mean service / (1 - utilisation).
    assert queue.p99_ms() == pytest.approx(-math.log(0.01) * 10.0 / 0.2, rel=0.002)


def test_many_exponential_workers_are_the_m_m_c_queue():
    queue = Queue(10, 9.0, exponential(1.0))
    assert queue.mean_wait_ms == pytest.approx(0.67, abs=0.005)  # the same table


def test_equal_services_wait_half_as_long():
    fixed = ServiceTimes(10.0, 0.0, np.array([10.0]), np.array([1.0]), 1)
    # Pollaczek-Khinchine for M/D/1: utilisation / (2 (1 - utilisation)) services.
    assert Queue(1, 0.5, fixed).mean_wait_ms == pytest.approx(5.0)


def test_the_mean_wait_is_that_of_a_simulated_queue():
    rng = np.random.default_rng(0)
    services = rng.gamma(4.0, 0.5, 60_000)
    arrivals = np.cumsum(rng.exponential(services.mean() / (3 * 0.8), len(services)))
    free, waits = [0.0, 0.0, 0.0], []
    for arrival, service in zip(arrivals, services, strict=True):
        first = free.index(min(free))
        start = max(arrival, free[first])
        waits.append(start - arrival)
        free[first] = start + service
    queue = Queue(3, 2.4, from_samples(services, services.mean()))
    assert queue.mean_wait_ms == pytest.approx(np.mean(waits), rel=0.1)
    assert queue.p99_ms() == pytest.approx(np.percentile(np.array(waits) + services, 99), rel=0.1)


@given(st.lists(st.floats(0.1, 50), min_size=1, max_size=50), st.integers(1, 8), st.floats(0.05, 0.95))
def test_p99_is_where_one_in_a_hundred_is_late(samples, workers, utilisation):
    service = from_samples(samples, float(np.mean(samples)))
    queue = Queue(workers, workers * utilisation, service)
    p99 = queue.p99_ms()
    assert queue.share_above(p99) <= 0.01 + 1e-9
    assert queue.share_above(p99 * (1 - 1e-6)) > 0.01 - 1e-3
    assert Queue(workers + 1, workers * utilisation, service).p99_ms() <= p99 * (1 + 1e-9)


def test_percentiles_stand_in_for_samples_at_their_slow_ends():
    rng = np.random.default_rng(1)
    samples = rng.lognormal(0, 0.4, 20_000)
    p50, p95, p99 = np.percentile(samples, (50, 95, 99))
    known = from_percentiles(
        Latency(mean=samples.mean(), ci95=(samples.mean(), samples.mean()), p50=p50, p95=p95, p99=p99)
    )
    assert known.mean_ms == samples.mean()
    assert known.squared_cv > from_samples(samples, samples.mean()).squared_cv
    assert Queue(2, 1.2, known).p99_ms() > Queue(2, 1.2, from_samples(samples, samples.mean())).p99_ms()


@pytest.mark.parametrize("samples", [[], [1.0, -1.0], [math.nan], [math.inf]])
def test_samples_must_be_times(samples):
    with pytest.raises(PacklightError, match="positive times"):
        from_samples(samples, 1.0)


@pytest.mark.parametrize("factor", [1.3, 1.8, 3.0, 7.0])
@pytest.mark.parametrize("count", [200, 3100, 3500])
def test_requests_that_are_served_faster_wait_as_much_less(count, factor):
    service = from_samples([1.0] * (count - count // 100) + [50.0] * (count // 100), mean_ms=1.49)
    faster = service.faster(factor)
    assert faster.mean_ms == pytest.approx(service.mean_ms / factor)
    assert faster.squared_cv == service.squared_cv
    assert Queue(4, 1.0, faster).p99_ms() == pytest.approx(Queue(4, 1.0, service).p99_ms() / factor)
