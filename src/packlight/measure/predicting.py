"""Predictions of complete splits by variants that have been timed. Several predict at the same time, since nothing is timed meanwhile."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from queue import SimpleQueue
from typing import TypeVar

import numpy as np

from packlight.data import Dataset
from packlight.measure.journal import Answered, Predictions
from packlight.measure.results import EvaluatedSplit
from packlight.measure.sampling import BATCH
from packlight.measure.worker import Reply
from packlight.measure.worker_process import Process
from packlight.progress import bar
from packlight.runtime.engines import engine_info

T = TypeVar("T")
Report = Callable[[int], None]
"""is called with the number of texts that were predicted since the last call"""

CHUNK = 128
"""number of texts in a request to a variant's process"""
POLL = 0.2
"""seconds between two looks at what has been predicted"""


class _StoppedError(Exception):
    """The other variants are not waited for, since something went wrong."""


def predict_splits(
    processes: Sequence[Process],
    data: Dataset,
    splits: Sequence[EvaluatedSplit],
    ids: Mapping[str, Sequence[int]],
    *,
    slowness: Mapping[str, float],
    at_once: int,
) -> Iterator[Predictions]:
    """Predict complete splits, and yield each variant's predictions when it has them all. Empty splits are left out.

    Args:
        processes: those of the variants, in the order in which they start. The slowest should come first.
        data: labelled texts. Only `splits` are read.
        splits: the splits to predict.
        ids: for each variant that predicts, the index of the data's label for each of the engine's. The others, whose predictions
            are meaningless, have none.
        slowness: for each variant, seconds per text, for the time left.
        at_once: number of variants that predict at the same time.

    Raises:
        MeasurementError: if a process ends.
    """
    moved: SimpleQueue[float] = SimpleQueue()
    stopped = threading.Event()

    def predict(process: Process, splits: Sequence[EvaluatedSplit]) -> Predictions:
        name = process.subject.variant

        def report(texts: int) -> None:
            moved.put(texts * slowness[name])
            if stopped.is_set():
                raise _StoppedError

        return _predictions(process, data, splits, ids.get(name, ()), report)

    asked = {
        process: [split for split in splits if process.subject.variant in ids and len(data.split(split))]
        for process in processes
    }
    whole = sum(
        slowness[process.subject.variant] * _passes(process) * len(data.split(split))
        for process, own in asked.items()
        for split in own
    )
    with bar(f"predicting {' and '.join(splits)}", total=whole) as progress, ThreadPoolExecutor(at_once) as pool:
        running = {pool.submit(predict, process, own) for process, own in asked.items()}
        try:
            while running:
                done, running = wait(running, timeout=POLL, return_when=FIRST_COMPLETED)
                while not moved.empty():
                    progress.advance(moved.get())
                for each in done:
                    yield each.result()
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _passes(process: Process) -> int:
    """How often a variant predicts each text: twice if the label could depend on the batch."""
    subject = process.subject
    return 2 if engine_info(subject.engine).compared_with_batches or not subject.batch_invariant else 1


def _predictions(
    process: Process, data: Dataset, splits: Sequence[EvaluatedSplit], ids: Sequence[int], report: Report
) -> Predictions:
    outside = data.label_ids[data.oos_label] if data.oos_label and data.oos_label not in data.label_set else None
    answered = {split: _answered(process, data.split(split).texts, ids, outside, report) for split in splits}
    return Predictions(variant=process.subject.variant, splits=answered, peak_memory_mb=process.peak_memory_mb())


def _answered(
    process: Process, texts: Sequence[str], ids: Sequence[int], outside: int | None, report: Report
) -> Answered:
    """Predict texts in batches of 32, and also one at a time if int8 could make a difference.

    Abstaining counts as `outside` if the data has out-of-scope texts that no variant was trained on.
    """
    if _passes(process) > 1:
        batched, served = _predict(process, texts, BATCH, report), _predict(process, texts, 1, report)
    else:
        batched = served = _predict_by_length(process, texts, report)
    pairs = zip(served.predictions or [], batched.predictions or [], strict=True)
    answers = [ids[best] for best in served.predictions or []]
    if outside is not None and served.abstained:
        answers = [outside if no else answer for answer, no in zip(answers, served.abstained, strict=True)]
    return Answered(
        served=answers,
        flips=None if served is batched else sum(ids[a] != ids[b] for a, b in pairs),
        confidences=served.confidences or [],
        scope_scores=served.scope_scores or [],
        abstained=served.abstained,
    )


def _predict_by_length(process: Process, texts: Sequence[str], report: Report) -> Reply:
    """Predictions in the order of the texts, from batches of texts of similar length, which are padded less."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    reply = _predict(process, [texts[place] for place in order], BATCH, report)
    back = np.argsort(order).tolist()
    return Reply(
        predictions=_taken(reply.predictions, back),
        confidences=_taken(reply.confidences, back),
        scope_scores=_taken(reply.scope_scores, back),
        abstained=_taken(reply.abstained, back),
    )


def _taken(values: list[T] | None, places: Collection[int]) -> list[T] | None:
    """The values at some places; as they are if there are none."""
    return [values[place] for place in places] if values else values


def _predict(process: Process, texts: Sequence[str], batch: int, report: Report) -> Reply:
    predictions: list[int] = []
    confidences: list[float] = []
    scope_scores: list[float] = []
    abstained: list[bool] | None = None
    for start in range(0, len(texts), CHUNK):
        part = process.predict(texts[start : start + CHUNK], batch=batch)
        predictions += part.predictions or []
        confidences += part.confidences or []
        scope_scores += part.scope_scores or []
        if part.abstained is not None:
            abstained = [*(abstained or []), *part.abstained]
        report(len(part.predictions or []))
    return Reply(predictions=predictions, confidences=confidences, scope_scores=scope_scores, abstained=abstained)
