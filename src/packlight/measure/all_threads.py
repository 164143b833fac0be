"""One thread beside all of the machine's, for one variant: the same texts in turns, in the variant's own process.

A second thread shortens a request only if the model's products are large enough to be worth dividing, and that depends
on the machine as much as on the model. So it is tried where the variant is measured. Both numbers of threads take turns
of a few hundredths of a second, in changing order, so that a busy machine disturbs both alike. Rounds are added until
each ratio's interval is above or below what is worth the other processors (`WORTH`), or until the time is up. Then
neither is called better.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from packlight.measure import timing
from packlight.measure.results import AllThreads, ThreadSamples, ThreadTimes
from packlight.measure.sampling import BATCH
from packlight.measure.worker_process import Process

PAUSE = 0.02
"""seconds before each turn, so that spinning threads of the previous one fall asleep"""
TURN = 0.03
"""approximate seconds of single texts in a turn on one thread"""
FEWEST_TEXTS, MOST_TEXTS = 4, 32
LEAST_ROUNDS, MOST_ROUNDS = 4, 12
WARM = 2
"""warm-up texts at the start of a turn"""


@dataclass
class _Taken:
    """What one number of threads took so far."""

    latency_ms: list[list[float]] = field(default_factory=list)
    cpu_ms: list[list[float]] = field(default_factory=list)
    batch_ms: list[float] = field(default_factory=list)

    def add(self, process: Process, texts: Sequence[str], batch: Sequence[str]) -> None:
        """A turn on the process's present number of threads."""
        elapsed, cpu = process.latency(texts, warm=WARM)
        self.latency_ms.append(elapsed)
        self.cpu_ms.append(cpu)
        self.batch_ms.append(1e3 * len(batch) / process.throughput(batch))

    @property
    def kept(self) -> ThreadTimes:
        return ThreadTimes(latency_ms=self.latency_ms, cpu_ms=self.cpu_ms, batch_ms=self.batch_ms)


def try_threads(
    process: Process, texts: Sequence[str], threads: int, *, milliseconds: float, seconds: float, seed: int
) -> ThreadSamples:
    """Time a variant on one thread and on all threads, in turns.

    Args:
        process: the variant's process, open on one thread. It is on one thread again afterwards.
        texts: at least a batch of texts, the most typical first.
        threads: all threads of the machine, at least 2.
        milliseconds: about what a text takes on one thread.
        seconds: time after which no further round is started, except for the first four.
        seed: random seed of the order of the turns.

    Raises:
        MeasurementError: if the process ends.
    """
    single = texts[: max(FEWEST_TEXTS, min(MOST_TEXTS, round(1e3 * TURN / milliseconds)))]
    taken = {1: _Taken(), threads: _Taken()}
    chooser = random.Random(f"{seed}/{process.subject.variant}")  # noqa: S311 - no secret
    process.use(threads)
    process.throughput(texts[:WARM])
    start = time.perf_counter()
    while True:
        for count in chooser.sample(list(taken), len(taken)):
            time.sleep(PAUSE)
            process.use(count)
            taken[count].add(process, single, texts[:BATCH])
        samples = ThreadSamples(threads=threads, one=taken[1].kept, all=taken[threads].kept)
        rounds = len(taken[1].batch_ms)
        if rounds >= MOST_ROUNDS or (
            rounds >= LEAST_ROUNDS and (_decided(samples, seed) or time.perf_counter() - start > seconds)
        ):
            process.use(1, only=True)
            return samples


def judge(samples: ThreadSamples, *, seed: int) -> AllThreads:
    """The ratios of a trial with their intervals, paired by rounds and texts."""
    one, every = samples.one, samples.all
    request = timing.ratio(timing.resample(one.latency_ms, seed=seed), timing.resample(every.latency_ms, seed=seed))
    batch = timing.ratio(
        timing.resample([[each] for each in one.batch_ms], seed=seed),
        timing.resample([[each] for each in every.batch_ms], seed=seed),
    )
    return AllThreads(
        threads=samples.threads,
        speedup=request.value,
        speedup_ci95=request.interval,
        batch_speedup=batch.value,
        batch_speedup_ci95=batch.interval,
        cpu_ratio=timing.typical(every.cpu_ms) / timing.typical(one.cpu_ms),
        rounds=len(one.batch_ms),
    )


def _decided(samples: ThreadSamples, seed: int) -> bool:
    trial = judge(samples, seed=seed)
    return trial.better is not None and trial.better_in_batches is not None
