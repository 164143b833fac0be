"""The switch of a cascade: how sure the first model must be for its answer to be taken."""

import msgspec
import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A switch, and what validation texts say of it."""

    threshold: float
    kept: float
    """share of the texts that the first model answers"""
    accuracy: float
    """of the cascade; of each model alone below, all weighted alike"""
    first_accuracy: float
    second_accuracy: float


def choose_switch(
    confidence: Floats, first_right: Flags, second_right: Flags, *, loss: float, weights: Floats
) -> Choice:
    """The lowest threshold from which on the cascade loses no more than `loss` against the second model alone.

    Args:
        confidence: the first model's probability of its likeliest label, [texts].
        first_right: whether it is right, [texts].
        second_right: whether the second model is, [texts].
        loss: accuracy that may be given up, from 0 to 1.
        weights: of each text, [texts].
    """
    order = np.argsort(-confidence, kind="stable")
    total = weights.sum()
    change = np.cumsum((weights * (first_right.astype(float) - second_right))[order]) / total
    # With equal confidences no threshold lies between them.
    ends = np.append(np.flatnonzero(np.diff(confidence[order])), len(order) - 1)
    bearable = np.minimum.accumulate(change[ends]) >= -loss
    kept = int(ends[np.flatnonzero(bearable)[-1]]) + 1 if bearable.any() else 0
    alone = float((weights * second_right).sum() / total)
    return Choice(
        # Rounded down, the least confident of those that are kept stays above it.
        threshold=float(np.nextafter(confidence[order[kept - 1]], 0)) if kept else 1.1,
        kept=kept / len(order),
        accuracy=alone + (float(change[kept - 1]) if kept else 0.0),
        first_accuracy=float((weights * first_right).sum() / total),
        second_accuracy=alone,
    )
