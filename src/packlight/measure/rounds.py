"""Interleaved rounds: which variant times which texts, in which order, and for how long.

A round is a pass over a fixed sample of texts. It is divided into blocks, each a fraction of a second long for the
slowest variant. Every variant times its texts of a block before the next block starts, in an order that changes from
block to block. A drift of the machine's speed therefore affects all variants alike, and cancels out in the ratio of
two. The number of texts in a block follows from a first look at each variant's speed: a fast variant times more texts,
so that its turn is not too short.

Rounds are added until every speedup is known to within 5 % (`packlight.measure.timing`), or until another round would
exceed the time limit. Three rounds are measured however long they take: with two, intervals are slightly too narrow.
Each turn is appended to the journal (`journal`), and the decision to stop depends only on that.
"""

import math
import random
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np

from packlight.data import Dataset, Split
from packlight.measure import timing
from packlight.measure.all_threads import PAUSE, try_threads
from packlight.measure.journal import (
    Journal,
    Pace,
    RoundResult,
    append_line,
    by_round,
    joined,
    read_journal,
    seconds_spent,
    whole_rounds,
)
from packlight.measure.predicting import predict_splits
from packlight.measure.results import EvaluatedSplit, Raw, ThreadSamples
from packlight.measure.sampling import BATCH, sampled, spread_places, strata_of
from packlight.measure.steal import share_stolen, ticks
from packlight.measure.worker_process import BenchmarkTarget, Process
from packlight.models import label_mapping
from packlight.progress import bar, info

BLOCK = 0.25
"""approximate seconds that the slowest variant takes for a block"""
TURN = 0.06
"""approximate seconds that any other variant takes for its block"""
WARM_UP = 0.01
"""approximate seconds for warm-up texts at the start of a turn"""
LOOK = 5
"""number of texts for the first look at a variant's speed, after the same number of warm-up texts"""
TRIAL = 1.0
"""seconds for trying all threads beside one, for each variant"""
LEAST_ROUNDS = 3
"""number of rounds that are measured however long they take; with two, intervals are slightly too narrow"""
MOST_TEXTS = 4800
"""maximum number of texts that a variant times in a round; a cascade's mean is known to within 5 % from about half of
that"""


class BenchmarkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How much to measure."""

    rounds: int = 5
    """at least, unless the time limit is reached before; three in any case"""
    most_rounds: int = 40
    texts: int = 40
    """minimum number of texts, each timed alone in every round. Throughput is always measured on the first 32."""
    seconds: float = 60.0
    """time limit: after three rounds, none is started that would end later. Time before a restart counts."""

    @property
    def least_rounds(self) -> int:
        """Number of rounds that are measured however long they take."""
        return min(LEAST_ROUNDS, self.rounds)

    def rounds_of(self, seconds: float) -> int:
        """Number of rounds to expect if each takes this many seconds, before more are added for precision."""
        fitting = int(self.seconds / seconds) if seconds > 0 else self.rounds
        return max(self.least_rounds, min(self.rounds, fitting))


def run_benchmark(
    subjects: Sequence[BenchmarkTarget],
    data: Dataset,
    *,
    threads: int,
    effort: BenchmarkConfig,
    seed: int,
    journal: Path,
    scored: Sequence[str],
    splits: Sequence[EvaluatedSplit] = ("val", "test"),
    tried: Collection[str] = (),
    all_threads: int = 1,
) -> list[Raw]:
    """Measure all targets side by side.

    Args:
        subjects: the targets to measure. Speedups refer to the first.
        data: labelled texts. Only `splits` are read.
        threads: threads of every variant.
        effort: rounds, texts and time.
        seed: random seed of the sample and the orders.
        journal: file to append to and to resume from. It belongs to these targets, data and settings only.
        scored: the variants to evaluate. Others are only timed.
        splits: the splits to predict. Texts of the last one are timed.
        tried: the variants to time on all threads too, beside one thread, if they were measured on one.
        all_threads: the machine's threads. If that is 1, there is nothing to try. When everything is timed, as many variants
            as fit predict the splits at the same time.

    Raises:
        MeasurementError: if a variant cannot be opened, or if its process ends.
        ModelError: if an evaluated variant lacks a label of the data.
    """
    known, timed = read_journal(journal), data.split(splits[-1])
    to_try = tried if threads == 1 < all_threads else ()
    answered = all(subject.variant in known.answers for subject in subjects)
    untried = any(known.answers[name].threads is None for name in to_try if name in known.answers)
    if known.pace and answered and not untried and _enough(known, known.pace, subjects, timed, effort, seed):
        return _raws(subjects, known, known.pace, timed, seed)
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(subject, threads)) for subject in subjects]
        # They open in parallel, and all are open, with matching labels, before the first is timed.
        labels = {process.subject.variant: process.labels for process in processes}
        ids = {variant: _ids(labels[variant], data) for variant in scored}
        pace = known.pace or _pace(processes, timed, effort, seed)
        if known.pace is None:
            append_line(journal, pace)
        _run_rounds(processes, timed, pace, effort, seed, journal, known)
        slowness = {process.subject.variant: _milliseconds(process, known) / 1e3 for process in processes}
        left = [process for process in processes if process.subject.variant not in known.answers]
        left.sort(key=lambda process: slowness[process.subject.variant], reverse=True)
        for done in predict_splits(left, data, splits, ids, slowness=slowness, at_once=max(1, all_threads // threads)):
            append_line(journal, done)
            known.answers[done.variant] = done
        for process in processes:
            done = known.answers[process.subject.variant]
            if done.variant in to_try and done.threads is None:
                trial = _trial(process, timed, pace, all_threads, min(TRIAL, effort.seconds), seed, known)
                known.answers[done.variant] = msgspec.structs.replace(done, threads=trial)
                append_line(journal, known.answers[done.variant])
    return _raws(subjects, known, pace, timed, seed)


def _enough(
    known: Journal, pace: Pace, subjects: Sequence[BenchmarkTarget], split: Split, effort: BenchmarkConfig, seed: int
) -> bool:
    """Whether to stop, according to the complete rounds."""
    whole = whole_rounds(pace, subjects, known.turns)
    if whole < effort.least_rounds:
        return False
    if whole >= effort.most_rounds or seconds_spent(known, whole) * (whole + 1) / whole > effort.seconds:
        return True
    if whole < effort.rounds:
        return False
    places, strata = sampled(split, pace, seed), strata_of(split, pace)
    drawn = {
        each.variant: timing.resample(
            [joined(turns, "milliseconds") for turns in by_round(each, known.turns)[:whole]],
            seed=seed,
            blocks=pace.blocks,
            strata=[strata[place] for place in places[: pace.timed(each.variant)]],
        )
        for each in subjects
    }
    return all(estimate.settled for estimate in timing.target_figures(drawn, subjects[0].variant).values())


def _pace(processes: Sequence[Process], split: Split, effort: BenchmarkConfig, seed: int) -> Pace:
    """Estimate every variant's speed, and assign texts so that all turns take about as long."""
    first = [split.texts[place] for place in spread_places(split, LOOK, seed)]
    seconds = {
        process.subject.variant: float(np.median(process.latency(first, warm=LOOK)[0])) / 1e3 for process in processes
    }
    blocks = math.ceil(effort.texts / max(1, round(BLOCK / max(seconds.values()))))
    least = math.ceil(effort.texts / blocks)
    most = max(1, min(len(split), MOST_TEXTS) // (blocks * least))
    return Pace(
        blocks=blocks,
        texts={name: least * _within(1, TURN / (least * each), most) for name, each in seconds.items()},
        warm={name: _within(1, WARM_UP / each, least) for name, each in seconds.items()},
    )


def _within(least: int, value: float, most: int) -> int:
    return max(least, min(most, round(value)))


def _run_rounds(
    processes: Sequence[Process],
    split: Split,
    pace: Pace,
    effort: BenchmarkConfig,
    seed: int,
    journal: Path,
    known: Journal,
) -> None:
    texts = [split.texts[place] for place in sampled(split, pace, seed)]
    subjects = [process.subject for process in processes]
    turns = known.turns
    with bar("measuring speed", total=effort.rounds * pace.blocks * len(processes)) as progress:
        while not _enough(known, pace, subjects, split, effort, seed):
            number = whole_rounds(pace, subjects, turns)
            # An interrupted round is repeated completely, because its turns must be close in time. The order is the
            # same again, so the journal's last lines never mix two attempts.
            turns[:] = [turn for turn in turns if turn.round != number]
            for block in range(pace.blocks):
                chooser = random.Random(f"{seed}/{number}/{block}")  # noqa: S311 - no secret
                for process in chooser.sample(list(processes), len(processes)):
                    turn = _turn(process, texts, pace, number, block)
                    append_line(journal, turn)
                    turns.append(turn)
                    progress.advance()
    taken = seconds_spent(known, effort.least_rounds)
    if taken > effort.seconds > 0:
        info(
            f"measuring speed took {taken:.0f} s instead of {effort.seconds:g}: {effort.least_rounds} rounds are the minimum, and the slowest variants "
            "need so long for them. Time fewer texts (--texts), or leave those variants out"
        )


def _turn(process: Process, texts: Sequence[str], pace: Pace, number: int, block: int) -> RoundResult:
    name, start, before = process.subject.variant, time.perf_counter(), ticks()
    time.sleep(PAUSE)
    count = pace.texts[name]
    own = texts[block * count : (block + 1) * count]
    milliseconds, cpu_milliseconds = process.latency(own, warm=pace.warm[name])
    return RoundResult(
        round=number,
        block=block,
        variant=name,
        milliseconds=milliseconds,
        cpu_milliseconds=cpu_milliseconds,
        texts_per_second=None if block else process.throughput(texts[:BATCH]),
        steal=share_stolen(before, ticks()),
        seconds=time.perf_counter() - start,
    )


def _trial(
    process: Process, split: Split, pace: Pace, all_threads: int, seconds: float, seed: int, known: Journal
) -> ThreadSamples:
    """One thread beside all, on the texts of the rounds."""
    texts = [split.texts[place] for place in sampled(split, pace, seed)]
    return try_threads(
        process, texts, all_threads, milliseconds=_milliseconds(process, known), seconds=seconds, seed=seed
    )


def _milliseconds(process: Process, known: Journal) -> float:
    """The median time of a text, over all rounds."""
    name = process.subject.variant
    return float(np.median([each for turn in known.turns if turn.variant == name for each in turn.milliseconds]))


def _ids(labels: Sequence[str], data: Dataset) -> list[int]:
    """For each of the engine's labels, the index of the same label in the data; -1 for none.

    Raises:
        ModelError: if the variant lacks a label of the data.
    """
    ids = [-1] * len(labels)
    for place, column in enumerate(label_mapping(labels, data.labels).columns):
        ids[column] = place
    return ids


def _raws(subjects: Sequence[BenchmarkTarget], known: Journal, pace: Pace, split: Split, seed: int) -> list[Raw]:
    places, strata = sampled(split, pace, seed), strata_of(split, pace)
    return [_raw(subject, known, pace, places, strata) for subject in subjects]


def _raw(subject: BenchmarkTarget, known: Journal, pace: Pace, places: Sequence[int], strata: Mapping[int, int]) -> Raw:
    answers, own = known.answers[subject.variant], by_round(subject, known.turns)
    turns = [turn for each in own for turn in each]
    steal = [turn.steal for turn in turns if turn.steal is not None]
    timed = list(places[: pace.timed(subject.variant)])
    test, val = answers.splits.get("test"), answers.splits.get("val")
    return Raw(
        variant=subject.variant,
        timed=timed,
        strata=[strata[place] for place in timed],
        blocks=pace.blocks,
        latency_ms=[joined(each, "milliseconds") for each in own],
        cpu_ms=[joined(each, "cpu_milliseconds") for each in own],
        steal=steal or None,
        throughput=[turn.texts_per_second for turn in turns if turn.texts_per_second is not None],
        predictions=test.served if test else None,
        confidences=test.confidences if test else None,
        scope_scores=test.scope_scores if test else None,
        abstained=test.abstained if test else None,
        batch_flips=test.flips if test else None,
        val_predictions=val.served if val else None,
        val_abstained=val.abstained if val else None,
        val_batch_flips=val.flips if val else None,
        peak_memory_mb=answers.peak_memory_mb,
        threads=answers.threads,
    )
