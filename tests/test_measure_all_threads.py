"""One thread beside all: what is tried, what counts as better, and what a doubt leaves open."""

from pathlib import Path

import numpy as np
import pytest

from packlight.measure import all_threads
from packlight.measure.all_threads import FEWEST_TEXTS, LEAST_ROUNDS, MOST_ROUNDS, MOST_TEXTS, judge, try_threads
from packlight.measure.results import ThreadSamples, ThreadTimes
from packlight.measure.worker_process import BenchmarkTarget

TEXTS = [f"text {number}" for number in range(40)]


def times(milliseconds, batch, *, rounds=5, texts=8, noise=0.0, seed=0):
    chance = np.random.default_rng(seed)
    shaken = milliseconds * np.exp(chance.normal(0, noise, (rounds, 1))) * np.linspace(0.8, 1.2, texts)
    batches = batch * np.exp(chance.normal(0, noise, rounds))
    return ThreadTimes(latency_ms=shaken.tolist(), cpu_ms=shaken.tolist(), batch_ms=batches.tolist())


def samples(one, every):
    return ThreadSamples(threads=4, one=one, all=every)


def test_all_threads_are_better_only_if_they_are_worth_the_other_processors():
    trial = judge(samples(times(2.0, 40.0), times(1.0, 39.0)), seed=0)
    assert trial.speedup == pytest.approx(2)
    assert trial.batch_speedup == pytest.approx(40 / 39)
    assert trial.cpu_ratio == pytest.approx(0.5)
    assert (trial.threads, trial.rounds) == (4, 5)
    assert (trial.better, trial.better_in_batches) == (4, 1)
    other = judge(samples(times(2.0, 40.0), times(1.9, 20.0)), seed=0)
    assert (other.better, other.better_in_batches) == (1, 4)


def test_a_restless_machine_decides_nothing():
    trial = judge(samples(times(2.0, 40.0, noise=0.4), times(1.8, 36.0, noise=0.4, seed=1)), seed=0)
    assert trial.speedup_ci95[0] < 1.1 < trial.speedup_ci95[1]
    assert (trial.better, trial.better_in_batches) == (None, None)


class Pretended:
    """A process whose speed depends on its threads."""

    def __init__(self, milliseconds):
        self.subject = BenchmarkTarget("a", Path("a"), "onnxruntime", batch_invariant=True, oos_label=None)
        self.milliseconds = milliseconds
        self.threads = 1
        self.turns = []
        self.open = {1}

    def use(self, threads, *, only=False):
        self.threads = threads
        self.open = {threads} if only else {*self.open, threads}

    def latency(self, texts, *, warm):
        assert warm
        self.turns.append((self.threads, tuple(texts)))
        taken = self.milliseconds(self.threads)
        return [taken] * len(texts), [taken * self.threads] * len(texts)

    def throughput(self, texts):
        return len(texts) / 32 * 1e3 / self.milliseconds(self.threads)


def tried(speed, *, seconds=60.0, milliseconds=2.0):
    process = Pretended(speed)
    return process, try_threads(process, TEXTS, 4, milliseconds=milliseconds, seconds=seconds, seed=0)


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch):
    monkeypatch.setattr(all_threads, "PAUSE", 0)


def test_both_take_turns_on_the_same_texts_until_the_verdict_is_clear():
    process, found = tried(lambda threads: 2.0 / threads)
    assert len({texts for _, texts in process.turns}) == 1
    pairs = [process.turns[place : place + 2] for place in range(0, len(process.turns), 2)]
    assert all({threads for threads, _ in pair} == {1, 4} for pair in pairs), "a round has one turn of each"
    assert len({pair[0][0] for pair in pairs}) == 2, "in changing order"
    assert len(found.one.batch_ms) == LEAST_ROUNDS
    trial = judge(found, seed=0)
    assert (trial.speedup, trial.batch_speedup, trial.cpu_ratio) == (
        pytest.approx(4),
        pytest.approx(4),
        pytest.approx(1),
    )
    assert (process.threads, process.open) == (1, {1}), "the process is left as it was"


def test_a_doubt_is_measured_longer_within_the_time():
    chance = np.random.default_rng(0)
    shaken = lambda _: 2.0 * float(np.exp(chance.normal(0, 0.5)))  # noqa: E731 - shorter than a function
    assert len(tried(shaken)[1].one.batch_ms) == MOST_ROUNDS
    assert len(tried(shaken, seconds=0)[1].one.batch_ms) == LEAST_ROUNDS


def test_a_turn_takes_about_as_long_for_a_fast_model_as_for_a_slow_one():
    for milliseconds, count in ((0.02, MOST_TEXTS), (3.0, 10), (50.0, FEWEST_TEXTS)):
        process, _ = tried(lambda threads: 2.0 / threads, milliseconds=milliseconds)
        assert {len(texts) for _, texts in process.turns} == {count}
