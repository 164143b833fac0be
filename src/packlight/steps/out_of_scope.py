"""Out-of-scope texts: checks, and weights that give them their share of the traffic."""

import numpy as np
import numpy.typing as npt

from packlight.data import Dataset
from packlight.errors import RecipeError
from packlight.runtime.artifact import Artifact
from packlight.steps.step import OosRate

Floats = npt.NDArray[np.floating]


def oos_rate_weights(data: Dataset, oos_rate: OosRate | None, *, where: str) -> Floats:
    """Weights of the texts of `val`, [texts], that give out-of-scope texts their share of the traffic.

    If the model has no class for them, every weight is 1.

    Args:
        data: labelled texts.
        oos_rate: that share; "val" or None for that of `val`, which makes all weights 1.
        where: names the step in errors.

    Raises:
        RecipeError: if a rate is given and `val` has no out-of-scope texts.
    """
    learnt = has_oos_class(data)
    labels = [label for label in data.val.labels if label in data.label_set or not learnt]
    outside = np.array([label == data.oos_label for label in labels])
    weights = np.ones(len(outside))
    if oos_rate is None or oos_rate == "val":
        return weights if learnt else weights[~outside]
    if not outside.any() or outside.all():
        raise RecipeError(
            f"{where}: oos_rate {oos_rate:g} needs out-of-scope texts in val, and others; "
            f"{outside.sum()} of {len(outside)} are out of scope"
        )
    weights[outside] = oos_rate / (1 - oos_rate) * (~outside).sum() / outside.sum()
    return weights if learnt else weights[~outside]


def has_oos_class(data: Dataset) -> bool:
    """Whether models trained on the data have a class for out-of-scope texts."""
    return data.oos_label is not None and data.oos_label in data.label_set


def check_one_label(artifact: Artifact, *, where: str) -> None:
    """Check that a text has one label, so that its probabilities add up to 1.

    Args:
        artifact: a classifier.
        where: names the step in errors.

    Raises:
        RecipeError: if a text can have several labels.
    """
    if artifact.activation != "softmax":
        raise RecipeError(
            f"{where}: {artifact.name} has a separate probability for each label (problem_type "
            "multi_label_classification); this step needs a model with one label per text"
        )


def check_oos_examples(data: Dataset, *, where: str) -> None:
    """Check that an out-of-scope threshold can be chosen, if the data has out-of-scope texts.

    Args:
        data: labelled texts.
        where: names the step in errors.

    Raises:
        RecipeError: if `val` has texts of one kind only.
    """
    outside = sum(label == data.oos_label for label in data.val.labels)
    if has_oos_class(data) and outside in (0, len(data.val.labels)):
        kind = f"labelled {data.oos_label!r}" if outside == 0 else "in scope"
        raise RecipeError(f"{where}: no text of val is {kind}, so no out-of-scope threshold can be chosen; add some")
