"""Scores that separate in-scope texts from those that no class fits, and how well each separates them.

largest logit    Hendrycks et al. (2022), Scaling Out-of-Distribution Detection for Real-World Settings, section 3
energy           Liu et al. (2020), Energy-based Out-of-distribution Detection, equation 4
softmax          Hendrycks & Gimpel (2017), A Baseline for Detecting Misclassified and Out-of-Distribution Examples
distance         Lee et al. (2018), A Simple Unified Framework for Detecting Out-of-Distribution Samples, section 2.1:
Mahalanobis distance to the nearest class mean, one covariance for all classes
margin           the largest logit less a share of the out-of-scope class's own logit
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, logsumexp

from packlight.measure import statistics

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]
SLOPES = (0.0, 0.5, 1.0)
SHRINKAGE = 0.1
"""share of the mean variance that is mixed into the covariance's diagonal, for classes with fewer texts than
features"""


class Separation(msgspec.Struct, frozen=True, kw_only=True):
    """How well a score separates in-scope texts (high) from out-of-scope ones."""

    auroc: float
    fpr_at_95_recall: float
    """share of out-of-scope texts that pass the threshold that 95 % of in-scope texts pass"""


def margin(logits: Floats, oos: int, slope: float) -> Floats:
    """The largest in-scope logit minus `slope` times the out-of-scope class's: [texts]."""
    return largest(logits, oos) - slope * logits[:, oos]


def score_name(slope: float) -> str:
    """The name of `margin` with a slope in `compare_scores`."""
    return f"margin {slope:g}" if slope else "largest logit"


def largest(logits: Floats, oos: int) -> Floats:
    """The largest in-scope logit of each text: [texts]."""
    found: Floats = np.delete(logits, oos, axis=1).max(axis=1)
    return found


def compare_scores(
    logits: Floats, truth: Labels, oos: int, *, extra: Mapping[str, Floats] | None = None
) -> dict[str, Separation]:
    """How well each score separates.

    Args:
        logits: [texts, labels].
        truth: label ids [texts]; both kinds of text must occur.
        oos: id of the out-of-scope class.
        extra: further scores [texts] by name, high for in-scope texts.
    """
    inside = np.delete(logits, oos, axis=1)
    scores: dict[str, Floats] = {
        score_name(0.0): inside.max(axis=1),
        "energy": logsumexp(inside, axis=1),
        "softmax": log_softmax(logits, axis=1)[:, [i for i in range(logits.shape[1]) if i != oos]].max(axis=1),
        **{score_name(slope): margin(logits, oos, slope) for slope in SLOPES if slope},
        **(extra or {}),
    }
    in_scope = truth != oos
    return {
        name: Separation(
            auroc=statistics.auroc(values[in_scope], values[~in_scope]),
            fpr_at_95_recall=statistics.false_positive_rate(values[in_scope], values[~in_scope], recall=0.95),
        )
        for name, values in scores.items()
    }


def class_distance(features: Floats, train_features: Floats, train_labels: Sequence[int], oos: int) -> Floats:
    """Minus the squared Mahalanobis distance to the nearest mean of an in-scope class: [texts].

    Args:
        features: the last layer's inputs for the texts, [texts, width].
        train_features: of the training texts, [training texts, width].
        train_labels: label ids of these.
        oos: id of the out-of-scope class, whose texts form no cluster.
    """
    labels = np.asarray(train_labels)
    inside = labels != oos
    known, places = np.unique(labels[inside], return_inverse=True)
    counts = np.bincount(places)[:, None]
    means = np.zeros((len(known), train_features.shape[1]))
    np.add.at(means, places, train_features[inside])
    means /= counts
    spread = train_features[inside] - means[places]
    covariance = spread.T @ spread / len(spread)
    size = len(covariance)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / size * np.eye(size)
    whiten = np.linalg.cholesky(np.linalg.inv(covariance))
    points, centres = features @ whiten, means @ whiten
    squares = (points**2).sum(1)[:, None] + (centres**2).sum(1) - 2 * points @ centres.T
    nearest: Floats = -squares.min(axis=1)
    return nearest
