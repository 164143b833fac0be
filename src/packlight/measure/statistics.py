"""The statistics behind every figure: intervals, paired tests, percentiles and scores.

Sources
    Wilson interval     Wilson (1927), JASA 22:209-212; recommended by Brown, Cai & DasGupta (2001),
                        Statistical Science 16(2), section 4
    McNemar's test      McNemar (1947), Psychometrika 12:153-157, in its exact binomial form; for classifiers
                        see Dietterich (1998), Neural Computation 10(7), section 3.1
    few rounds          percentiles moved outwards as Student's t asks for: Hesterberg (2015), The American
                        Statistician 69(4):371-386, section 4.2, the expanded percentile interval
    percentiles         linear between order statistics: Hyndman & Fan (1996), The American Statistician 50(4), type 7
    macro F1            mean of the classes' F1: Opitz & Burst (2019), arXiv:1911.03347, equation 1
    AUROC               as the Mann-Whitney statistic: Hanley & McNeil (1982), Radiology 143(1)
    calibration error   Guo et al. (2017), ICML, section 2, with 15 bins of equal width
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from packlight.errors import MeasurementError
from packlight.extras import load

CONFIDENCE = 0.95
NORMAL = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
"""half the width of the interval that holds 95 % of a standard normal distribution"""
BINS = 15

Values = Sequence[float] | npt.NDArray[np.floating[Any]]
Labels = Sequence[int] | npt.NDArray[np.integer[Any]]
Flags = Sequence[bool] | npt.NDArray[np.bool_]


class ClassAccuracy(NamedTuple):
    """The accuracy of one class."""

    label: int
    accuracy: float
    queries: int


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """95 % Wilson score interval of a proportion, both ends from 0 to 1.

    Raises:
        MeasurementError: if there are no trials, or more successes than trials.
    """
    if n < 1 or not 0 <= successes <= n:
        raise MeasurementError(f"{successes} of {n} is no proportion; give 0 <= successes <= n and n >= 1")
    middle = successes + NORMAL**2 / 2
    reach = NORMAL * math.sqrt(successes * (n - successes) / n + NORMAL**2 / 4)
    low, high = ((middle + side * reach) / (n + NORMAL**2) for side in (-1, 1))
    return (low if successes else 0.0), (high if successes < n else 1.0)


def mcnemar_exact(right_a: Flags, right_b: Flags) -> float:
    """Two-sided p-value for equal accuracy of two variants, on the same texts in the same order.

    Only texts that exactly one of the two classifies correctly distinguish them. Under the null hypothesis, each of
    these favours either variant with probability 1/2, so their count is binomial. The p-value is 1 if there are none.

    Args:
        right_a: for each text, whether the first variant is correct.
        right_b: the same for the second.

    Raises:
        MeasurementError: if the two don't have the same, positive length.
    """
    a, b = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    _check_pairs(a, b, "answers")
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(~a & b))
    return min(1.0, 2 * _fair_tail(min(only_a, only_b), only_a + only_b))


def expanded_percentiles(rounds: int) -> tuple[float, float]:
    """The percentiles of a bootstrap distribution that cover 95 %, for a small number of rounds, at least two.

    Raises:
        MissingExtraError: if SciPy is not installed.
    """
    tail = 100 * NormalDist().cdf(-t_quantile(rounds - 1) * (rounds / (rounds - 1)) ** 0.5)
    return tail, 100 - tail


def t_quantile(freedom: int) -> float:
    """Half the width of the 95 % interval of Student's t distribution with `freedom` degrees of freedom, in standard errors.

    Raises:
        MissingExtraError: if SciPy is not installed.
    """
    # scipy takes 140 MB, and an artifact runs without it.
    special = load("scipy.special", "an interval over rounds")
    return float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2))


def percentiles(samples: Values, at: Sequence[float] = (50, 95, 99)) -> tuple[float, ...]:
    """Percentiles of samples, in the samples' unit and the order of `at`.

    Raises:
        MeasurementError: if there are no samples.
    """
    if len(samples) == 0:
        raise MeasurementError("there are no samples to take percentiles of; measure again")
    return tuple(float(value) for value in np.percentile(np.asarray(samples, dtype=float), at))


def accuracy(truth: Labels, predictions: Labels) -> float:
    """Accuracy, from 0 to 1.

    Raises:
        MeasurementError: if the two don't have the same, positive length.
    """
    right, given = _label_arrays(truth, predictions)
    return float(np.mean(right == given))


def macro_f1(truth: Labels, predictions: Labels) -> float:
    """Mean of the classes' F1, with equal weights, from 0 to 1.

    The classes are those that occur in the truth or in the predictions; one that is never predicted correctly has an F1
    of 0.

    Raises:
        MeasurementError: if the two don't have the same, positive length.
    """
    right, given = _label_arrays(truth, predictions)
    classes, codes = np.unique(np.concatenate([right, given]), return_inverse=True)
    true_codes, given_codes = np.split(codes, 2)
    hits = np.bincount(true_codes[true_codes == given_codes], minlength=len(classes))
    occurrences = np.bincount(true_codes, minlength=len(classes)) + np.bincount(given_codes, minlength=len(classes))
    return float(np.mean(2 * hits / occurrences))


def per_class_accuracy(truth: Labels, predictions: Labels) -> tuple[ClassAccuracy, ...]:
    """Accuracy and number of texts of each true class, the worst first, ties in label order.

    Raises:
        MeasurementError: if the two don't have the same, positive length.
    """
    right, given = _label_arrays(truth, predictions)
    classes, codes, queries = np.unique(right, return_inverse=True, return_counts=True)
    hits = np.bincount(codes[right == given], minlength=len(classes))
    scores = [
        ClassAccuracy(int(label), float(hit / count), int(count))
        for label, hit, count in zip(classes, hits, queries, strict=True)
    ]
    return tuple(sorted(scores, key=lambda score: (score.accuracy, score.label)))


def difference_interval(
    a: float, interval_a: tuple[float, float], b: float, interval_b: tuple[float, float]
) -> tuple[float, float]:
    """95 % interval of a - b for two proportions, from each one's own Wilson interval.

    Newcombe (1998), Statistics in Medicine 17:873-890, method 10. It assumes independence. Two variants on the same
    texts mostly make the same mistakes, so the interval is too wide, and a difference that it finds is real.
    """
    low = a - b - float(np.hypot(a - interval_a[0], interval_b[1] - b))
    high = a - b + float(np.hypot(interval_a[1] - a, b - interval_b[0]))
    return low, high


def auroc(positive: Values, negative: Values) -> float:
    """The probability that a positive case scores higher than a negative one, with ties counting half.

    Raises:
        MeasurementError: if one of the two kinds is missing.
    """
    _check_both(positive, negative)
    ordered = np.sort(np.asarray(negative, dtype=float))
    lower, not_higher = (np.searchsorted(ordered, positive, side=side).mean() for side in ("left", "right"))
    return float((lower + not_higher) / (2 * len(ordered)))


def false_positive_rate(positive: Values, negative: Values, *, recall: float) -> float:
    """The share of negative cases above the threshold that a given share of positive cases reaches.

    Raises:
        MeasurementError: if one of the two kinds is missing.
    """
    _check_both(positive, negative)
    threshold = np.quantile(np.asarray(positive, dtype=float), 1 - recall, method="lower")
    return float(np.mean(np.asarray(negative, dtype=float) >= threshold))


def calibration_error(confidences: Values, right: Flags) -> float:
    """Expected calibration error: the mean distance between confidence and accuracy, over bins of confidence.

    Raises:
        MeasurementError: if the two don't have the same, positive length.
    """
    confidence, correct = np.asarray(confidences, dtype=float), np.asarray(right, dtype=float)
    _check_pairs(confidence, correct, "confidences")
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return float(np.abs(np.bincount(bins, weights=confidence - correct)).sum() / len(confidence))


def _fair_tail(most: int, n: int) -> float:
    """The exact probability of at most this many heads in n throws of a fair coin, summed in whole numbers."""
    total, ways = 0, 1
    for heads in range(most + 1):
        total += ways
        ways = ways * (n - heads) // (heads + 1)
    return float(total / 2**n)


def _check_both(positive: Values, negative: Values) -> None:
    if len(positive) == 0 or len(negative) == 0:
        raise MeasurementError(f"{len(positive)} positive and {len(negative)} negative cases; both kinds are needed")


def _label_arrays(truth: Labels, predictions: Labels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    right, given = np.asarray(truth, dtype=np.int64), np.asarray(predictions, dtype=np.int64)
    _check_pairs(right, given, "labels")
    return right, given


def _check_pairs(a: npt.NDArray[Any], b: npt.NDArray[Any], what: str) -> None:
    if a.shape != b.shape or a.ndim != 1 or len(a) == 0:
        raise MeasurementError(f"paired {what} must be two equally long lists, not {a.shape} and {b.shape}")
