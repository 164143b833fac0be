"""Compare a quantized model's labels with its parent's, on validation texts."""

from collections.abc import Sequence

import numpy as np

from packlight.data import Dataset
from packlight.data.dataset import evenly_spaced
from packlight.errors import ParityError
from packlight.progress import bar
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import open_engine


def check_agreement(
    parent_labels: Sequence[int],
    labels: Sequence[int],
    *,
    least: float,
    name: str,
) -> float:
    """The share of texts that a quantized model answers with its parent's label.

    Raises:
        ParityError: when it is below `least`.
    """
    agreement = float(np.mean(np.asarray(parent_labels) == np.asarray(labels)))
    if agreement < least:
        raise ParityError(
            f"{name}: only {agreement:.1%} of {len(labels)} validation texts keep the parent's label, fewer than "
            f"`min_agreement` {least:.1%}; try `per_channel: true`, `calibration: auto` or `reduce_range: true`, or lower "
            "`min_agreement` if that is acceptable",
        )
    return agreement


AGREEMENT_TEXTS = 512


def agreement_with_parent(parent: Artifact, child: Artifact, data: Dataset, *, least: float, name: str) -> float:
    """The share of validation texts that keep the parent's label.

    Args:
        parent: what the variant was made from.
        child: the variant.
        data: labelled texts.
        least: below this share the variant is refused.
        name: the variant's, for messages.

    Raises:
        ParityError: when it is below `least`.
    """
    texts = evenly_spaced(data.val.texts, AGREEMENT_TEXTS)
    answers = []
    for each in (parent, child):
        engine = open_engine(each)
        with bar(f"{name}: comparing with its parent", total=len(texts)) as progress:
            labels = []
            for text in texts:
                labels.append(int(engine.predict([text]).argmax()))
                progress.advance()
        answers.append(labels)
    return check_agreement(answers[0], answers[1], least=least, name=name)
