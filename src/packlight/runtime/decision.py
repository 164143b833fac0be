"""From logits to labels: probabilities, abstention and out-of-scope detection."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from packlight.errors import EngineError
from packlight.runtime.artifact import Activation, Manifest
from packlight.runtime.engine import Logits

Scores = Logits


class Decision(NamedTuple):
    """An artifact's decision."""

    label: str
    score: float
    out_of_scope: bool


def decide(scores: Scores, labels: Sequence[str], manifest: Manifest) -> Decision:
    """An artifact's decision for one text with these scores, [labels]. The first of equal scores wins."""
    best = int(scores.argmax())
    label, score = labels[best], float(scores[best])
    unsure = manifest.abstain_below is not None and score < manifest.abstain_below
    return Decision(label, score, unsure or label == manifest.oos_label)


def probabilities(logits: Logits, activation: Activation = "softmax") -> Scores:
    """Probabilities from logits [..., labels]: over all labels together, or for each label separately.

    Raises:
        EngineError: if a logit is not finite.
    """
    if not np.isfinite(logits).all():
        raise EngineError("the model's logits are not finite for this text; its weights, or this runtime, are damaged")
    if activation == "sigmoid":
        # Use the negative magnitude, so that nothing overflows: 1 / (1 + e^-x) is e^x / (1 + e^x).
        tail: Logits = -np.abs(logits)
        np.exp(tail, out=tail)
        upper: Logits = np.reciprocal(1 + tail)
        return np.where(logits >= 0, upper, tail * upper)
    together: Logits = logits - logits.max(axis=-1, keepdims=True)
    np.exp(together, out=together)
    together /= together.sum(axis=-1, keepdims=True)
    return together
