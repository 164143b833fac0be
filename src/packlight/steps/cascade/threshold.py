"""The threshold of a cascade: how confident the first model must be for its prediction to be used.

Some predictions of the first model are wrong where the second model's would have been right. Going down from the most
confident text, the share of such predictions can only grow, and so can its upper confidence limit. The threshold is the
point at which that limit reaches the loss. Hypotheses that are tested in a fixed order need no correction for multiple
testing. Texts that only the first model gets right are not counted: they are an extra gain, and small samples
overestimate it.

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
    """A threshold, and its effect on validation texts."""

    threshold: float
    kept: float
    """share of the texts that the first model answers"""
    spoilt: float
    """weighted share of predictions that are wrong although the second model alone is right"""
    spoilt_limit: float
    """upper limit of their true share, at the requested confidence"""
    accuracy: float
    """of the cascade; below, of each model alone, with the same weights"""
    first_accuracy: float
    second_accuracy: float


def choose_threshold(
    probability: Floats, first_right: Flags, second_right: Flags, *, loss: float, confidence: float, weights: Floats
) -> Choice:
    """The lowest threshold that, with the stated confidence, costs no more than `loss` of the second model's accuracy.

    Args:
        probability: of the first model's most likely label, [texts].
        first_right: whether it is right, [texts].
        second_right: whether the second model is, [texts].
        loss: accuracy to give up, from 0 to 1.
        confidence: confidence that the true loss is no higher, from 0.5 to 1.
        weights: of each text, [texts].
    """
    shares = weights / weights.sum()
    order = np.argsort(-probability, kind="stable")
    spoilt = np.cumsum((shares * (second_right & ~first_right))[order])
    variance = np.cumsum((shares**2 * (second_right & ~first_right))[order])
    limit = _upper_limit(spoilt, variance, float(shares.max()), confidence)
    # There is no threshold between equal probabilities.
    ends = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1)
    kept = int(ends[limit[ends] <= loss].max(initial=-1)) + 1
    change = np.cumsum((shares * (first_right.astype(float) - second_right))[order])
    alone = float((shares * second_right).sum())
    return Choice(
        # Rounded down, so that the least probable text that is kept stays above it.
        threshold=float(np.nextafter(probability[order[kept - 1]], 0)) if kept else 1.1,
        kept=kept / len(order),
        spoilt=float(spoilt[kept - 1]) if kept else 0.0,
        spoilt_limit=float(limit[kept - 1]) if kept else 0.0,
        accuracy=alone + (float(change[kept - 1]) if kept else 0.0),
        first_accuracy=float((shares * first_right).sum()),
        second_accuracy=alone,
    )


def min_certifiable_drop(weights: Floats, *, confidence: float) -> float:
    """The smallest loss that texts with these weights, [texts], can guarantee, even if no prediction is lost."""
    none = np.zeros(1)
    return float(_upper_limit(none, none, float(weights.max() / weights.sum()), confidence)[0])


def _upper_limit(share: Floats, variance: Floats, heaviest: float, confidence: float) -> Floats:
    """Fay and Feuer's limit: that of a gamma distribution with one more event of the largest weight."""
    mean, spread = share + heaviest, variance + heaviest**2
    limit: Floats = spread / (2 * mean) * scipy.stats.chi2.ppf(confidence, 2 * mean**2 / spread)
    return limit
