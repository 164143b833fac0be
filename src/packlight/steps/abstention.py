"""Abstention for models without an out-of-scope class: the lowest probability at which a label is predicted.

El-Yaniv & Wiener (2010), On the Foundations of Noise-free Selective Classification; Geifman & El-Yaniv (2017),
Selective Classification for Deep Neural Networks: the share of texts answered (coverage) against the share of these
that is wrong (risk).
"""

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from packlight.data import Dataset
from packlight.formatting import counted
from packlight.runtime.artifact import Artifact
from packlight.runtime.decision import probabilities
from packlight.steps.artifact_inference import predict_logits
from packlight.steps.step import OosRate
from packlight.steps.training.training_data import label_ids

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]
Bools = npt.NDArray[np.bool_]
COVERAGES = (1.0, 0.99, 0.98, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
OUTSIDE = -1
"""label id of a text that none of the model's labels fits"""


class Abstention(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold: the model abstains from a text if its most likely label is less probable."""

    threshold: float
    chosen_by: Literal["out-of-scope texts", "loss"]
    """how it was chosen: on val's out-of-scope texts, or by a stated loss of in-scope accuracy"""
    loss: float
    """in-scope accuracy on val that abstaining costs"""
    coverage: float
    """share of val's in-scope texts that is answered"""
    risk: float
    """share of these that is wrong"""
    oos_recall: float | None
    """share of val's out-of-scope texts that the model abstains from; None if val has none"""
    curve: tuple[tuple[float, float], ...]
    """(coverage, risk) at several thresholds"""
    stated: float | None = None
    """the loss that was stated for a whole run; None if none was, or if the step has its own"""


def abstention_of(
    artifact: Artifact, data: Dataset, *, loss: float | None, oos_rate: OosRate | None
) -> Abstention | None:
    """Choose an artifact's threshold on `val`: on its out-of-scope texts if it has any, otherwise by a stated loss.

    Args:
        artifact: a classifier without an out-of-scope class.
        data: only `val` is read.
        loss: in-scope accuracy to give up, above 0 and below 1; None if none is stated.
        oos_rate: as `choose_abstention` takes it.

    Returns:
        None if there is neither an out-of-scope text nor a stated loss.
    """
    truth = np.array(label_ids(data, data.val, artifact.labels, missing=OUTSIDE))
    if loss is None and not (truth == OUTSIDE).any():
        return None
    chosen = choose_abstention(predict_logits(artifact, data.val.texts), truth, loss=loss or 0.0, oos_rate=oos_rate)
    return msgspec.structs.replace(chosen, stated=loss)


def choose_abstention(logits: Floats, truth: Labels, *, loss: float, oos_rate: OosRate | None = None) -> Abstention:
    """Choose the threshold on validation texts.

    With out-of-scope texts, it is the one with the best accuracy at the stated share of them, or at the worst share.
    Without them, it is the highest one that costs no more than `loss` of the in-scope accuracy.

    Args:
        logits: [texts, labels], at their final temperature.
        truth: label ids [texts]; `OUTSIDE` if no label fits.
        loss: in-scope accuracy to give up, from 0 to 1.
        oos_rate: expected share of out-of-scope texts, or "val" for that in val; None for an unknown share.
    """
    scores = probabilities(logits)
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    outside = truth == OUTSIDE
    order = np.argsort(confidence, kind="stable")
    given_up = _running(right, order) / max(1, (~outside).sum())
    if outside.any():
        found = _running(outside, order) / outside.sum()
        kept = given_up[-1] - given_up
        rate = float(outside.mean()) if oos_rate == "val" else oos_rate
        worth = np.minimum(found, kept) if rate is None else rate * found + (1 - rate) * kept
    else:
        worth = np.where(given_up <= loss, np.arange(len(given_up)), -1.0)
    ordered = confidence[order]
    # Halfway to the next text, so that a runtime's rounding can't change a decision. Equal ones have nothing between
    # them.
    edges = np.concatenate([[0.0], (ordered[1:] + ordered[:-1]) / 2, [1.0]])
    worth[1:-1][np.diff(ordered) == 0] = -np.inf
    worth[-1] = -np.inf  # at least one text is answered
    threshold = float(edges[int(worth.argmax())])
    answered = (confidence >= threshold) & ~outside
    inside = order[~outside[order]][::-1]

    def risk(share: float) -> float:
        return float((~right[inside[: max(1, round(share * len(inside)))]]).mean())

    return Abstention(
        threshold=threshold,
        chosen_by="out-of-scope texts" if outside.any() else "loss",
        loss=float((right & (confidence < threshold)).sum() / max(1, (~outside).sum())),
        coverage=float(answered.sum() / max(1, (~outside).sum())),
        risk=float((~right[answered]).mean()) if answered.any() else 0.0,
        oos_recall=float((confidence[outside] < threshold).mean()) if outside.any() else None,
        curve=tuple((share, risk(share)) for share in COVERAGES) if len(inside) else (),
    )


def _running(counted: Bools, order: Labels) -> Floats:
    """Cumulative counts over the ordered texts, with a 0 in front: [texts + 1]."""
    return np.concatenate([[0.0], np.cumsum(counted[order])])


def describe(chosen: Abstention, texts: int) -> str:
    """Describe an abstention on `val`, which has this number of texts, for the progress output."""
    answered = f"answers {chosen.coverage:.1%} of val in scope, {chosen.risk:.1%} wrong"
    if chosen.threshold == 0:
        least = (
            f"; on {counted(texts, 'text')}, one more mistake costs {1 / texts:.1%}"
            if chosen.chosen_by == "loss"
            else ""
        )
        return f"never abstains: {answered}{least}"
    words = f"abstains below {chosen.threshold:.4f}: {answered}"
    return words if chosen.oos_recall is None else f"{words}; out-of-scope recall {chosen.oos_recall:.1%}"
