"""Logits of an artifact for many texts."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from packlight.progress import bar
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import open_engine
from packlight.runtime.predictor import BATCH

Floats = npt.NDArray[np.floating]


def predict_logits(artifact: Artifact, texts: Sequence[str]) -> Floats:
    """Logits of texts, [texts, labels]. If predictions depend on the batch, each text runs alone.

    Otherwise batches hold texts of similar length, so that little is padded.
    """
    engine = open_engine(artifact)
    size = BATCH if artifact.manifest.batch_invariant else 1
    logits = np.zeros((len(texts), len(artifact.labels)))
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    with bar(f"{artifact.name}: running inference", total=len(texts)) as progress:
        for start in range(0, len(texts), size):
            places = order[start : start + size]
            logits[places] = engine.predict([texts[place] for place in places])
            progress.advance(len(places))
    return logits
