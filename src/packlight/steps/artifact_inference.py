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
    """Logits of texts, [texts, labels]. If predictions depend on the batch, each text runs alone."""
    engine = open_engine(artifact)
    size = BATCH if artifact.manifest.batch_invariant else 1
    parts = []
    with bar(f"{artifact.name}: running inference", total=len(texts)) as progress:
        for start in range(0, len(texts), size):
            parts.append(engine.predict(texts[start : start + size]))
            progress.reach(min(start + size, len(texts)))
    return np.concatenate(parts).astype(float)
