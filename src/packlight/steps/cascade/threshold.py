"""The switch of a cascade: how sure the first model must be for its answer to be taken.

Some answers of the first model are wrong where the second would have been right. From the surest text down, their
share of all answers can only grow, and so can the limit under which the true share lies with the stated confidence;
the switch stands where that limit reaches the loss. One sequence tested in a fixed order needs no correction for
having looked at many thresholds. What the first model gets right and the second would not is not counted: it is a
gain on top, and small samples promise it too easily.

Sources
    limit of a weighted share   Fay & Feuer (1997), Statistics in Medicine 16:791-801, equation for the upper limit of
                                a directly standardized rate; with equal weights the exact Poisson limit
    testing in a fixed order    Angelopoulos et al. (2021), "Learn then test", arXiv:2110.01052, section 3.2
"""

import msgspec
import numpy as np
import numpy.typing as npt
import scipy

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A switch, and what validation texts say of it."""

    threshold: float
    kept: float
    """share of the texts that the first model answers"""
    spoilt: float
    """share of the answers, weighted, that are wrong though the second model alone is right"""
    spoilt_limit: float
    """under which their true share lies with the confidence asked for"""
    accuracy: float
    """of the cascade; of each model alone below, all weighted alike"""
    first_accuracy: float
    second_accuracy: float


def choose_threshold(
    probability: Floats, first_right: Flags, second_right: Flags, *, loss: float, confidence: float, weights: Floats
) -> Choice:
    """The lowest threshold at which the first model surely spoils no more than `loss` of the second one's answers.

    Args:
        probability: the first model's, of its likeliest label, [texts].
        first_right: whether it is right, [texts].
        second_right: whether the second model is, [texts].
        loss: accuracy that may be given up, from 0 to 1.
        confidence: with which the true loss is within it, from 0.5 to 1.
        weights: of each text, [texts].
    """
    shares = weights / weights.sum()
    order = np.argsort(-probability, kind="stable")
    spoilt = np.cumsum((shares * (second_right & ~first_right))[order])
    variance = np.cumsum((shares**2 * (second_right & ~first_right))[order])
    limit = _upper_limit(spoilt, variance, float(shares.max()), confidence)
    # With equal probabilities no threshold lies between them.
    ends = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1)
    kept = int(ends[limit[ends] <= loss].max(initial=-1)) + 1
    change = np.cumsum((shares * (first_right.astype(float) - second_right))[order])
    alone = float((shares * second_right).sum())
    return Choice(
        # Rounded down, the least probable of those that are kept stays above it.
        threshold=float(np.nextafter(probability[order[kept - 1]], 0)) if kept else 1.1,
        kept=kept / len(order),
        spoilt=float(spoilt[kept - 1]) if kept else 0.0,
        spoilt_limit=float(limit[kept - 1]) if kept else 0.0,
        accuracy=alone + (float(change[kept - 1]) if kept else 0.0),
        first_accuracy=float((shares * first_right).sum()),
        second_accuracy=alone,
    )


def min_certifiable_drop(weights: Floats, *, confidence: float) -> float:
    """The smallest loss that texts with these weights, [texts], can vouch for, were not one answer spoilt."""
    none = np.zeros(1)
    return float(_upper_limit(none, none, float(weights.max() / weights.sum()), confidence)[0])


def _upper_limit(share: Floats, variance: Floats, heaviest: float, confidence: float) -> Floats:
    """Fay and Feuer's limit: of a gamma distribution with one more event of the heaviest weight."""
    mean, spread = share + heaviest, variance + heaviest**2
    limit: Floats = spread / (2 * mean) * scipy.stats.chi2.ppf(confidence, 2 * mean**2 / spread)
    return limit
