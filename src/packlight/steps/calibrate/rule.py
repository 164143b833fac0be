"""The rule that calibration folds into the last layer: a threshold for the out-of-scope class, and a temperature."""

import msgspec
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from packlight.measure import statistics
from packlight.steps.calibrate.scores import SLOPES, Floats, Labels, margin

PLATEAU = 0.001
"""thresholds whose accuracy is within this distance of the best count as equal; their mean is used"""

WASTE = 0.015
"""of shifts with an equal worst case, those that lose more than this of both shares together are left out"""

TEMPERATURES = (0.05, 20.0)
"""the range of temperatures; one below 1 is chosen only if the model makes mistakes on val"""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The out-of-scope logit becomes slope * logit + shift, then all logits are divided by the temperature."""

    oos: int | None
    """id of the out-of-scope class; None if there is none"""
    slope: float = 1.0
    shift: float = 0.0
    temperature: float = 1.0

    def factors(self, labels: int) -> tuple[Floats, Floats]:
        """The rule as `logits * factor + offset`, both float32 of shape [labels]."""
        factor, offset = np.ones(labels), np.zeros(labels)
        if self.oos is not None:
            factor[self.oos], offset[self.oos] = self.slope, self.shift
        return (factor / self.temperature).astype(np.float32), (offset / self.temperature).astype(np.float32)

    def apply(self, logits: Floats) -> Floats:
        """Logits [texts, labels] under the rule."""
        factor, offset = self.factors(logits.shape[1])
        ruled: Floats = logits * factor + offset
        return ruled


def choose_rule(logits: Floats, truth: Labels, oos: int | None, *, weights: Floats | None) -> Rule:
    """Choose the rule on validation texts.

    Args:
        logits: [texts, labels].
        truth: label ids [texts].
        oos: id of the out-of-scope class, which must occur in `truth`; None for a temperature alone.
        weights: weight of each text, [texts]; None if the share of out-of-scope traffic is unknown.
    """
    slope, shift = 1.0, 0.0
    if oos is not None:
        outside = truth == oos
        slope = max(SLOPES, key=lambda each: statistics.auroc(*_parted(margin(logits, oos, each), outside)))
        shift = _best_shift(logits, truth, oos, slope, weights)
    rule = Rule(oos=oos, slope=slope, shift=shift)
    alike = np.ones(len(truth)) if weights is None else weights
    return msgspec.structs.replace(rule, temperature=_best_temperature(rule.apply(logits), truth, alike))


def calibration_error(logits: Floats, truth: Labels) -> float:
    """Expected calibration error of the softmax of the logits, from 0 to 1."""
    probabilities = softmax(logits, axis=1)
    return statistics.calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)


def _best_shift(logits: Floats, truth: Labels, oos: int, slope: float, weights: Floats | None) -> float:
    """The middle of the best shifts, or if they aren't adjacent, the one nearest to it.

    The best shifts have the highest weighted accuracy, or without weights the highest accuracy at the worst rate.

    A shift between two neighbouring margins classifies all texts below it as out of scope, so one pass over the sorted
    margins gives the accuracy of every shift.
    """
    margins = margin(logits, oos, slope)
    order = np.argsort(margins)
    inside = logits.copy()
    inside[:, oos] = -np.inf
    outside = truth == oos
    known = ~outside & (inside.argmax(axis=1) == truth)
    if weights is None:
        found, kept = _below(outside, order) / outside.sum(), _above(known, order) / (~outside).sum()
        accuracy = np.minimum(found, kept)
        # A model that is often wrong on in-scope texts has many shifts with the same worst case, and most of them waste
        # recall.
        wasteful = found + kept < (found + kept)[accuracy >= accuracy.max() - PLATEAU].max() - WASTE
        accuracy[wasteful] = -np.inf
    else:
        accuracy = (_below(outside * weights, order) + _above(known * weights, order)) / weights.sum()
    ordered = margins[order]
    edges = np.concatenate([[ordered[0] - 1], (ordered[1:] + ordered[:-1]) / 2, [ordered[-1] + 1]])
    # There is no shift between two equal margins.
    accuracy[1:-1][np.diff(ordered) == 0] = -np.inf
    good = accuracy >= accuracy.max() - PLATEAU
    middle = edges[good].mean()
    if not good[np.searchsorted(ordered, middle)]:
        # The good shifts aren't adjacent, and their middle is worse than they are.
        middle = edges[good][np.abs(edges[good] - middle).argmin()]
    return float(middle)


def _below(counted: Floats, order: Labels) -> Floats:
    """Cumulative sums from the first text on, with a 0 in front: [texts + 1]."""
    return np.concatenate([[0.0], np.cumsum(counted[order])])


def _above(counted: Floats, order: Labels) -> Floats:
    """Cumulative sums from the last text on, with a 0 at the end: [texts + 1]."""
    below = _below(counted, order)
    above: Floats = below[-1] - below
    return above


def _best_temperature(logits: Floats, truth: Labels, weights: Floats) -> float:
    """The temperature with the highest weighted likelihood, found on a logarithmic scale."""
    rows = np.arange(len(truth))

    def loss(log_temperature: float) -> float:
        likelihood = log_softmax(logits / np.exp(log_temperature), axis=1)[rows, truth]
        return -float((weights * likelihood).sum() / weights.sum())

    low, high = np.log(TEMPERATURES)
    if (logits.argmax(axis=1) == truth).all():
        low = 0.0  # without mistakes the likelihood only grows as the temperature falls
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def _parted(scores: Floats, outside: Labels) -> tuple[Floats, Floats]:
    return scores[~outside], scores[outside]
