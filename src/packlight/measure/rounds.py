"""Interleaved rounds: what every variant is asked, and what is written down.

The texts are a fixed sample of the test split, the same in every round, so that rounds differ by the machine alone;
within a round every variant answers all of them before the next round starts, in an order that changes from round to
round. A drift of the machine's speed thus hits all variants alike, and cancels in the ratio of two of them.

Rounds are added until every variant's speedup is known to 5 % (`packlight.measure.timing`), or until another round would not fit
the time that measuring may take. Each turn is appended to a journal, from which an interrupted measurement goes on; when
to stop follows from the journal alone.
"""

import hashlib
import itertools
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from packlight.data import Dataset, Split
from packlight.files import DAMAGED_JSON
from packlight.measure import timing
from packlight.measure.results import Judged, Raw
from packlight.measure.steal import share_stolen, ticks
from packlight.measure.worker import Reply
from packlight.measure.worker_process import BenchmarkTarget, Process
from packlight.models import label_mapping
from packlight.progress import bar
from packlight.runtime.engines import engine_info

BATCH = 32
CHUNK = 256
PAUSE = 0.05
"""seconds before each turn in which spinning threads of the one before fall asleep"""
WARM_TEXTS = 5


class BenchmarkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    rounds: int = 5
    """at least so many"""
    most_rounds: int = 40
    texts: int = 60
    """each answered alone in every round; throughput is that of the first 32, whatever this says"""
    seconds: float = 60.0
    """no round is begun after the least that would end later than this; what was measured before a restart counts"""


class RoundResult(msgspec.Struct, frozen=True, kw_only=True, tag="turn"):
    """One line of the journal: one variant in one round."""

    round: int
    variant: str
    milliseconds: list[float]
    cpu_milliseconds: list[float]
    texts_per_second: float
    steal: float | None
    """share of the machine's processor time that went to other virtual machines"""
    seconds: float
    """that the turn took"""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions for one split, as indices of the data's labels, -1 for a label not there."""

    served: list[int]
    """one at a time where the batch could make a difference"""
    flips: int | None
    """how many differ in batches of 32; None where that was not asked"""
    confidences: list[float]
    scope_scores: list[float]


class Predictions(msgspec.Struct, frozen=True, kw_only=True, tag="answers"):
    """One line of the journal: what a variant answered to each split; nothing where its answers mean nothing."""

    variant: str
    splits: dict[Judged, Answered]
    peak_memory_mb: float


def run_benchmark(
    subjects: Sequence[BenchmarkTarget],
    data: Dataset,
    *,
    threads: int,
    effort: BenchmarkConfig,
    seed: int,
    journal: Path,
    judged: Sequence[str],
    splits: Sequence[Judged] = ("val", "test"),
) -> list[Raw]:
    """Measure all subjects side by side.

    Args:
        subjects: what to measure; speedups refer to the first.
        data: `splits` of it are answered; no other split is read.
        threads: of every variant.
        effort: rounds, texts and time.
        seed: of the sample and the orders.
        journal: file to append to, and to go on from; it belongs to these subjects, data and settings alone.
        judged: the variants whose answers are compared with the labels; others are timed only.
        splits: to be answered; texts of the last one are timed.

    Raises:
        MeasurementError: when a variant cannot be opened or its process ends.
        ModelError: when a judged variant lacks a label of the data.
    """
    turns, answers = _read(journal)
    timed = data.split(splits[-1])
    places = _sample_texts(timed, effort, seed)
    if _enough(subjects, effort, seed, turns) and all(subject.variant in answers for subject in subjects):
        return [_raw(subject, turns, answers[subject.variant], places, effort) for subject in subjects]
    texts = [timed.texts[place] for place in places]
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(subject, threads)) for subject in subjects]
        # They open side by side, and all are open, with labels that fit, before the first is timed.
        labels = {process.subject.variant: process.labels for process in processes}
        ids = {variant: _ids(labels[variant], data) for variant in judged}
        _run_rounds(processes, texts, effort, seed, journal, turns)
        for process in processes:
            if process.subject.variant not in answers:
                done = _answers(process, data, splits, ids.get(process.subject.variant))
                _append(journal, done)
                answers[done.variant] = done
    return [_raw(subject, turns, answers[subject.variant], places, effort) for subject in subjects]


def timed_texts(data: Dataset, effort: BenchmarkConfig, seed: int) -> list[str]:
    """The texts that every variant answers alone in each round."""
    return [data.test.texts[place] for place in _sample_texts(data.test, effort, seed)[: effort.texts]]


def _enough(
    subjects: Sequence[BenchmarkTarget], effort: BenchmarkConfig, seed: int, turns: Sequence[RoundResult]
) -> bool:
    """Whether no further round is to be measured, going by the whole rounds that there are."""
    whole = _whole_rounds(subjects, turns)
    if whole < effort.rounds:
        return False
    spent = sum(turn.seconds for turn in turns if turn.round < whole)
    if whole >= effort.most_rounds or spent * (whole + 1) / whole > effort.seconds:
        return True
    drawn = {
        each.variant: timing.resample([turn.milliseconds for turn in _own(each, turns)[:whole]], seed=seed)
        for each in subjects
    }
    return all(estimate.settled for estimate in timing.judged(drawn, subjects[0].variant).values())


def _whole_rounds(subjects: Sequence[BenchmarkTarget], turns: Sequence[RoundResult]) -> int:
    """How many rounds, from the first on, every variant has had its turn in."""
    timed = {(turn.round, turn.variant) for turn in turns}
    return next(number for number in itertools.count() if any((number, each.variant) not in timed for each in subjects))


def _own(subject: BenchmarkTarget, turns: Sequence[RoundResult]) -> list[RoundResult]:
    return sorted((turn for turn in turns if turn.variant == subject.variant), key=lambda turn: turn.round)


def journal_name(parts: Sequence[str]) -> str:
    """A file name for the journal of one set of subjects, data and settings."""
    return f"rounds-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:24]}.jsonl"


def _run_rounds(
    processes: Sequence[Process],
    texts: Sequence[str],
    effort: BenchmarkConfig,
    seed: int,
    journal: Path,
    turns: list[RoundResult],
) -> None:
    subjects = [process.subject for process in processes]
    with bar("measuring speed", total=effort.rounds * len(processes)) as progress:
        while not _enough(subjects, effort, seed, turns):
            number = _whole_rounds(subjects, turns)
            # An interrupted round is measured again as a whole: its turns must lie side by side in time. They come in
            # the same order again, so the journal's last word on each of them is never of two attempts at once.
            turns[:] = [turn for turn in turns if turn.round != number]
            order = random.Random(f"{seed}/{number}").sample(list(processes), len(processes))  # noqa: S311 - no secret
            for process in order:
                turn = _turn(process, texts, number, effort)
                _append(journal, turn)
                turns.append(turn)
                progress.advance()


def _turn(process: Process, texts: Sequence[str], number: int, effort: BenchmarkConfig) -> RoundResult:
    start, before = time.perf_counter(), ticks()
    time.sleep(PAUSE)
    milliseconds, cpu_milliseconds = process.latency(texts[: effort.texts], warm=WARM_TEXTS)
    rate = process.throughput(texts[:BATCH])
    return RoundResult(
        round=number,
        variant=process.subject.variant,
        milliseconds=milliseconds,
        cpu_milliseconds=cpu_milliseconds,
        texts_per_second=rate,
        steal=share_stolen(before, ticks()),
        seconds=time.perf_counter() - start,
    )


def _answers(process: Process, data: Dataset, splits: Sequence[Judged], ids: Sequence[int] | None) -> Predictions:
    """Answer whole splits; those that have no texts are left out.

    `ids` are the places of the engine's labels among the data's; None where the answers mean nothing.
    """
    name, memory = process.subject.variant, process.peak_memory_mb
    asked = [split for split in splits if len(data.split(split))] if ids is not None else []
    answered = {split: _answered(process, data.split(split).texts, split, ids or ()) for split in asked}
    return Predictions(variant=name, splits=answered, peak_memory_mb=memory())


def _answered(process: Process, texts: Sequence[str], split: str, ids: Sequence[int]) -> Answered:
    """Answer texts in batches of 32, and alone as well where int8 could make that a difference."""
    batched = served = _predict(process, texts, split, BATCH)
    if engine_info(process.subject.engine).compared_with_batches or not process.subject.batch_invariant:
        served = _predict(process, texts, split, 1)
    pairs = zip(served.predictions or [], batched.predictions or [], strict=True)
    return Answered(
        served=[ids[best] for best in served.predictions or []],
        flips=None if served is batched else sum(ids[a] != ids[b] for a, b in pairs),
        confidences=served.confidences or [],
        scope_scores=served.scope_scores or [],
    )


def _ids(labels: Sequence[str], data: Dataset) -> list[int]:
    """For each of the engine's labels, the place of its counterpart in the data's, matched by name; -1 for none.

    Raises:
        ModelError: when the variant lacks a label of the data.
    """
    ids = [-1] * len(labels)
    for place, column in enumerate(label_mapping(labels, data.labels).columns):
        ids[column] = place
    return ids


def _predict(process: Process, texts: Sequence[str], split: str, batch: int) -> Reply:
    predictions: list[int] = []
    confidences: list[float] = []
    scope_scores: list[float] = []
    with bar(f"{process.subject.variant}: {split}, batch {batch}", total=len(texts)) as progress:
        for start in range(0, len(texts), CHUNK):
            part = process.predict(texts[start : start + CHUNK], batch=batch)
            predictions += part.predictions or []
            confidences += part.confidences or []
            scope_scores += part.scope_scores or []
            progress.reach(len(predictions))
    return Reply(predictions=predictions, confidences=confidences, scope_scores=scope_scores)


def _sample_texts(split: Split, effort: BenchmarkConfig, seed: int) -> list[int]:
    """The places in a split of a round's texts: those timed alone, and as many as a batch holds."""
    chooser, count = random.Random(seed), max(effort.texts, BATCH)  # noqa: S311 - no secret
    if len(split) >= count:
        return chooser.sample(range(len(split)), count)
    return chooser.choices(range(len(split)), k=count)


def _raw(
    subject: BenchmarkTarget,
    turns: Sequence[RoundResult],
    answers: Predictions,
    places: Sequence[int],
    effort: BenchmarkConfig,
) -> Raw:
    own = _own(subject, turns)
    steal = [turn.steal for turn in own if turn.steal is not None]
    test, val = answers.splits.get("test"), answers.splits.get("val")
    return Raw(
        variant=subject.variant,
        timed=list(places[: effort.texts]),
        latency_ms=[turn.milliseconds for turn in own],
        cpu_ms=[turn.cpu_milliseconds for turn in own],
        steal=steal or None,
        throughput=[turn.texts_per_second for turn in own],
        predictions=test.served if test else None,
        confidences=test.confidences if test else None,
        scope_scores=test.scope_scores if test else None,
        batch_flips=test.flips if test else None,
        val_predictions=val.served if val else None,
        val_batch_flips=val.flips if val else None,
        peak_memory_mb=answers.peak_memory_mb,
    )


def _read(journal: Path) -> tuple[list[RoundResult], dict[str, Predictions]]:
    """What the journal's whole lines say in the end; one that a kill cut short is left out."""
    turns: dict[tuple[int, str], RoundResult] = {}
    answers: dict[str, Predictions] = {}
    for line in journal.read_bytes().splitlines() if journal.is_file() else ():
        try:
            entry = msgspec.json.decode(line, type=RoundResult | Predictions)
        except DAMAGED_JSON:
            continue
        if isinstance(entry, RoundResult):
            turns[entry.round, entry.variant] = entry
        else:
            answers[entry.variant] = entry
    return list(turns.values()), answers


def _append(journal: Path, entry: RoundResult | Predictions) -> None:
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("ab") as stream:
        stream.write(b"\n" + msgspec.json.encode(entry))
        stream.flush()
