"""Abstaining where there is no out-of-scope class: the least probability at which an answer is given.

El-Yaniv & Wiener (2010), On the Foundations of Noise-free Selective Classification; Geifman & El-Yaniv (2017),
Selective Classification for Deep Neural Networks: what is answered (coverage) against how much of it is wrong (risk).
"""

import msgspec
import numpy as np
from scipy.special import softmax

from packlight.steps.calibration.scores import Floats, Labels

COVERAGES = (1.0, 0.99, 0.98, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)


class Abstention(msgspec.Struct, frozen=True, kw_only=True):
    """Texts whose likeliest label is less probable than the threshold are not answered."""

    threshold: float
    coverage: float
    """share of the validation texts that is answered"""
    risk: float
    """share of these that is wrong"""
    curve: tuple[tuple[float, float], ...]
    """(coverage, risk) at several thresholds"""


def choose_abstention(logits: Floats, truth: Labels, *, coverage: float) -> Abstention:
    """The threshold that answers so large a share of the validation texts.

    Args:
        logits: [texts, labels], at their final temperature.
        truth: label ids [texts].
        coverage: share to be answered, above 0 and at most 1.
    """
    probabilities = softmax(logits, axis=1)
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != truth
    order = np.argsort(-confidence, kind="stable")

    def risk(share: float) -> float:
        return float(wrong[order[: max(1, round(share * len(order)))]].mean())

    kept = max(1, round(coverage * len(order)))
    falling = [*confidence[order], 0.0]
    # Halfway to the next text, so that no rounding of a runtime decides about one of these.
    threshold = float(falling[kept - 1] + falling[kept]) / 2 if coverage < 1 else 0.0
    answered = confidence >= threshold
    return Abstention(
        threshold=threshold,
        coverage=float(answered.mean()),
        risk=float(wrong[answered].mean()),
        curve=tuple((share, risk(share)) for share in COVERAGES),
    )
