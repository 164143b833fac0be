"""The journal of a measurement: a line for each turn, from which an interrupted measurement resumes."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from packlight.files import DAMAGED_JSON
from packlight.measure.results import EvaluatedSplit, ThreadSamples
from packlight.measure.worker_process import BenchmarkTarget


class Pace(msgspec.Struct, frozen=True, kw_only=True, tag="pace"):
    """The journal's first line: the distribution of texts, from a first look at every variant's speed."""

    blocks: int
    """of a round"""
    texts: dict[str, int]
    """number of texts per block, by variant; the smallest set is the first part of all others"""
    warm: dict[str, int]
    """number of warm-up texts, by variant"""

    def timed(self, variant: str) -> int:
        """The number of texts that a variant times in a round."""
        return self.blocks * self.texts[variant]


class RoundResult(msgspec.Struct, frozen=True, kw_only=True, tag="turn"):
    """A line of the journal: a variant's turn in one block of one round."""

    round: int
    block: int
    variant: str
    milliseconds: list[float]
    cpu_milliseconds: list[float]
    texts_per_second: float | None
    """texts per second in a batch, measured in the first block of a round"""
    steal: float | None
    """share of the machine's CPU time that went to other virtual machines"""
    seconds: float
    """duration of the turn"""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions for one split, as indices of the data's labels, -1 for a label not there."""

    served: list[int]
    """one text at a time if predictions may depend on the batch"""
    flips: int | None
    """number of texts whose label differs in batches of 32; None if not counted"""
    confidences: list[float]
    scope_scores: list[float]
    abstained: list[bool] | None = None
    """for each text, whether the variant abstained; None if it never abstains"""


class Predictions(msgspec.Struct, frozen=True, kw_only=True, tag="answers"):
    """A line of the journal: a variant's predictions for each split; empty if they are meaningless."""

    variant: str
    splits: dict[EvaluatedSplit, Answered]
    peak_memory_mb: float
    threads: ThreadSamples | None = None
    """one thread beside all, which are tried last; None if they were not"""


@dataclass(frozen=True)
class Journal:
    """The measurements so far."""

    pace: Pace | None
    turns: list[RoundResult]
    answers: dict[str, Predictions]


def seconds_spent(known: Journal, rounds: int) -> float:
    """Seconds that the first rounds took."""
    return sum(turn.seconds for turn in known.turns if turn.round < rounds)


def whole_rounds(pace: Pace, subjects: Sequence[BenchmarkTarget], turns: Sequence[RoundResult]) -> int:
    """The number of complete rounds, in which every variant has had all its turns."""
    taken = Counter(turn.round for turn in turns)
    whole = pace.blocks * len(subjects)
    return next(number for number in itertools.count() if taken[number] < whole)


def by_round(subject: BenchmarkTarget, turns: Sequence[RoundResult]) -> list[list[RoundResult]]:
    """A variant's turns: for each round, those of its blocks, in order."""
    own = sorted((turn for turn in turns if turn.variant == subject.variant), key=lambda turn: (turn.round, turn.block))
    return [list(group) for _, group in itertools.groupby(own, key=lambda turn: turn.round)]


def joined(turns: Sequence[RoundResult], name: Literal["milliseconds", "cpu_milliseconds"]) -> list[float]:
    """The times of several turns in one list."""
    return [each for turn in turns for each in getattr(turn, name)]


def journal_name(parts: Sequence[str]) -> str:
    """A file name for the journal of one set of targets, data and settings."""
    return f"rounds-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:24]}.jsonl"


def read_journal(journal: Path) -> Journal:
    """The journal's final state, without an incomplete last line."""
    pace: Pace | None = None
    turns: dict[tuple[int, int, str], RoundResult] = {}
    answers: dict[str, Predictions] = {}
    for line in journal.read_bytes().splitlines() if journal.is_file() else ():
        try:
            entry = msgspec.json.decode(line, type=Pace | RoundResult | Predictions)
        except DAMAGED_JSON:
            continue
        match entry:
            case Pace():
                pace = entry
            case RoundResult():
                turns[entry.round, entry.block, entry.variant] = entry
            case Predictions():
                answers[entry.variant] = entry
    return Journal(pace, list(turns.values()), answers)


def append_line(journal: Path, entry: Pace | RoundResult | Predictions) -> None:
    """Write a line at the end of the journal."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("ab") as stream:
        stream.write(b"\n" + msgspec.json.encode(entry))
        stream.flush()
