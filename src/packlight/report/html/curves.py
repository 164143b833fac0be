"""Curves over raw samples and predictions, thinned for drawing. Every remaining point is exact.

Sources
    quantiles                  linear between order statistics: Hyndman & Fan (1996), The American Statistician 50(4),
                               type 7
    ROC and its area           Fawcett (2006), Pattern Recognition Letters 27(8), sections 4 and 7; for out-of-scope
                               detection: Hendrycks & Gimpel (2017), ICLR, arXiv:1610.02136
    risk-coverage, its area    El-Yaniv & Wiener (2010), JMLR 11, section 2; Geifman & El-Yaniv (2017), NeurIPS,
                               arXiv:1705.08500
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

POINTS = 200
"""maximum number of points of a curve; a screen shows no more"""
SAMPLES = 1000
Floats = npt.NDArray[np.floating[Any]]


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Points of a curve from left to right, and the area below it."""

    points: tuple[tuple[float, float], ...]
    area: float


def service_times(samples_ms: Sequence[float]) -> tuple[float, ...]:
    """At most `SAMPLES` times, ascending, with the distribution of the samples."""
    values = np.sort(np.asarray(samples_ms, dtype=float))
    if len(values) > SAMPLES:
        values = np.quantile(values, (np.arange(SAMPLES) + 0.5) / SAMPLES)
    return tuple(_short(values))


def cumulative(samples_ms: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """The empirical distribution as (milliseconds, share of requests that took no longer), at most `POINTS` + 1."""
    values = np.sort(np.asarray(samples_ms, dtype=float))
    shares = (np.arange(len(values)) + 1) / len(values)
    kept = _thin(len(values))
    return ((_short(values[:1])[0], 0.0), *zip(_short(values[kept]), _short(shares[kept]), strict=True))


def roc(scores: Sequence[float], in_scope: Sequence[bool]) -> Curve | None:
    """The ROC curve of a score that should be high for in-scope texts.

    Args:
        scores: score of each text.
        in_scope: whether each text is in scope.

    Returns:
        (share of out-of-scope texts let through, share of in-scope texts let through), and the probability that an
        in-scope text scores higher than an out-of-scope one, with ties counting half. None if one of the two kinds is
        missing.
    """
    wanted = np.asarray(in_scope, dtype=bool)
    if wanted.all() or not wanted.any():
        return None
    order, ends = _descending(scores)
    through_in = np.cumsum(wanted[order])[ends] / wanted.sum()
    through_out = np.cumsum(~wanted[order])[ends] / (~wanted).sum()
    x, y = np.concatenate([[0.0], through_out]), np.concatenate([[0.0], through_in])
    return _curve(x, y, float(np.trapezoid(y, x)))


def risk_coverage(confidences: Sequence[float], right: Sequence[bool]) -> Curve:
    """The risk-coverage curve: the error rate if only the most confident texts are answered.

    Args:
        confidences: confidence of each prediction.
        right: whether each is correct.

    Returns:
        (coverage: share of texts answered, risk: share of these answered wrongly), and the mean risk over the
        texts, each taken at the coverage that it is the last of.
    """
    order, ends = _descending(confidences)
    wrong = np.cumsum(~np.asarray(right, dtype=bool)[order])[ends]
    answered = ends + 1
    risk = wrong / answered
    weights = np.diff(answered, prepend=0)
    return _curve(answered / len(order), risk, float(np.average(risk, weights=weights)))


def _descending(scores: Sequence[float]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The descending order of the scores, and the last index of each group of equal ones."""
    values = np.asarray(scores, dtype=float)
    order = np.argsort(-values, kind="stable")
    falls = np.flatnonzero(np.diff(values[order]))
    return order, np.append(falls, len(values) - 1)


def _curve(x: Floats, y: Floats, area: float) -> Curve:
    kept = _thin(len(x))
    return Curve(points=tuple(zip(_short(x[kept]), _short(y[kept]), strict=True)), area=area)


def _thin(count: int) -> npt.NDArray[np.intp]:
    """The indices of at most `POINTS` points, both ends included."""
    return np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(np.intp))


def _short(values: Floats) -> list[float]:
    """Round to five digits. More would be invisible and only add bytes."""
    return [float(f"{value:.5g}") for value in values]
