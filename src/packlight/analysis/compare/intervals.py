"""Confidence intervals for changes of paired shares, and of times that were measured in rounds.

Sources
    paired shares   Agresti & Min (2005), Statistics in Medicine 24:729-740: Wald's interval after adding a half
                    to each cell of the 2 x 2 table
    bootstrap       Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13; entire rounds are
                    resampled because samples of one round share the machine's state (section 8.5)
    few rounds      the percentiles are widened: see `packlight.measure.statistics`
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from packlight.measure.results import Raw
from packlight.measure.statistics import CONFIDENCE, NORMAL, expanded_percentiles
from packlight.measure.timing import ratio, resample

RESAMPLES = 2000
F1_RESAMPLES = 500
Interval = tuple[float, float]
Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]


def paired_share_interval(right_before: Bools, right_after: Bools) -> Interval:
    """95 % interval of the change of a share, from predictions for the same texts in the same order."""
    gained = float(np.sum(~right_before & right_after)) + 0.5
    lost = float(np.sum(right_before & ~right_after)) + 0.5
    n = len(right_before) + 2.0
    change = (gained - lost) / n
    reach = NORMAL * math.sqrt(((gained + lost) / n - change**2) / n)
    return max(-1.0, change - reach), min(1.0, change + reach)


def latency_interval(before: Raw, after: Raw, *, same_texts: bool) -> Interval | None:
    """95 % interval of latency after / latency before - 1. See `packlight.measure.timing`.

    Args:
        before: the timings of one run.
        after: the timings of the other run. Its rounds are independent of the first run's.
        same_texts: whether both timed the same texts in the same order. If so, texts are resampled for both at once.

    Returns:
        The interval, or None with fewer than two rounds on either side, which have no spread.
    """
    if min(len(before.latency_ms), len(after.latency_ms)) < 2:  # one round has no spread
        return None
    old = resample(before.latency_ms, blocks=before.blocks, strata=before.strata, seed=0)
    own_seed = 0 if same_texts else 1
    new = resample(after.latency_ms, blocks=after.blocks, strata=after.strata, seed=own_seed, rounds_seed=1)
    change = ratio(new, old)
    return change.low - 1, change.high - 1


def ratio_interval(
    before: Sequence[Sequence[float]],
    after: Sequence[Sequence[float]],
    statistic: Callable[[Floats], Floats],
    *,
    seed: int = 0,
) -> Interval | None:
    """95 % percentile bootstrap interval of statistic(after) / statistic(before) - 1.

    Args:
        before: rounds with their samples, all positive. Rounds are cut to the length of the shortest.
        after: the same for the other run. The two are independent: their rounds are not paired.
        statistic: maps an array of shape [resamples, samples] to one value for each resample.
        seed: random seed of the resampling.

    Returns:
        The interval, or None with fewer than two rounds on either side, which have no spread.
    """
    if min(len(before), len(after)) < 2:  # one round has no spread
        return None
    random = np.random.default_rng(seed)
    ratios = statistic(_resampled(after, random)) / statistic(_resampled(before, random)) - 1
    low, high = np.percentile(ratios, expanded_percentiles(min(len(before), len(after))))
    return float(low), float(high)


def macro_f1_interval(
    truth: npt.NDArray[np.int64],
    before: npt.NDArray[np.int64],
    after: npt.NDArray[np.int64],
    *,
    seed: int = 0,
) -> Interval:
    """95 % percentile bootstrap interval of the change of macro F1, with texts resampled for both runs at once."""
    random = np.random.default_rng(seed)
    classes = int(max(truth.max(), before.max(), after.max())) + 1
    draws = (random.integers(len(truth), size=len(truth)) for _ in range(F1_RESAMPLES))
    changes = [
        _macro_f1(truth[draw], after[draw], classes) - _macro_f1(truth[draw], before[draw], classes) for draw in draws
    ]
    low, high = np.percentile(changes, _ENDS)
    return float(low), float(high)


_ENDS = (50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE))


def _resampled(rounds: Sequence[Sequence[float]], random: np.random.Generator) -> Floats:
    """Shape [resamples, rounds x samples]: the same number of rounds, drawn with replacement."""
    shortest = min(len(samples) for samples in rounds)
    values = np.asarray([samples[:shortest] for samples in rounds], dtype=float)
    draws = random.integers(len(values), size=(RESAMPLES, len(values)))
    return values[draws].reshape(RESAMPLES, -1)


def _macro_f1(truth: npt.NDArray[np.int64], given: npt.NDArray[np.int64], classes: int) -> float:
    """Macro F1 as in `packlight.measure.statistics`, but fast enough for resampling. Labels start at -1."""
    hits = np.bincount(truth[truth == given] + 1, minlength=classes + 1)
    occurrences = np.bincount(truth + 1, minlength=classes + 1) + np.bincount(given + 1, minlength=classes + 1)
    present = occurrences > 0
    return float(np.mean(2 * hits[present] / occurrences[present]))
