"""Answers from an artifact: texts in, labels with probabilities out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from packlight.artifact import Activation, Artifact
from packlight.engines import Engine, Logits, open_engine

BATCH = 32


@dataclass(frozen=True)
class Answer:
    """One label and its probability."""

    label: str
    score: float


@dataclass(frozen=True)
class Prediction:
    """What an artifact says of one text."""

    text: str
    label: str
    score: float
    """probability from 0 to 1: softmax over all labels, or of this label alone where several may hold"""
    out_of_scope: bool
    """whether the label is the one for texts outside all others, or too improbable to be given"""
    top: tuple[Answer, ...]
    """the likeliest labels, the likeliest first"""


class Predictor:
    """An artifact, opened and ready to answer."""

    def __init__(self, artifact: Artifact, engine: Engine) -> None:
        """Join an artifact and the engine that it is opened on; `Predictor.open` is the usual way."""
        self.artifact = artifact
        self.engine = engine

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        threads: int | None = None,
        providers: Sequence[str] = ("cpu",),
    ) -> "Predictor":
        """Verify and open an artifact's folder.

        Raises:
            ArtifactError: when the folder is incomplete or was altered.
            EngineError: when a provider is not available.
            MissingExtraError: when a torch artifact is opened without torch.
        """
        artifact = Artifact.open(Path(folder))
        return cls(artifact, open_engine(artifact, threads=threads, providers=providers))

    def __call__(self, text: str, *, top_k: int = 1) -> Prediction:
        """Answer one text."""
        return self.predict([text], top_k=top_k)[0]

    def predict(self, texts: Sequence[str], *, top_k: int = 1) -> list[Prediction]:
        """Answer several, in batches; one at a time where the artifact's answers would depend on the batch."""
        size = BATCH if self.artifact.manifest.batch_invariant else 1
        chunks = [list(texts[start : start + size]) for start in range(0, len(texts), size)]
        return [
            self._say(text, row, top_k)
            for chunk in chunks
            for text, row in zip(chunk, self.engine.logits(chunk), strict=True)
        ]

    def _say(self, text: str, logits: Logits, top_k: int) -> Prediction:
        scores = probabilities(logits, self.artifact.activation)
        order = np.argsort(-scores, kind="stable")[: max(1, top_k)]
        top = tuple(Answer(self.engine.labels[index], float(scores[index])) for index in order)
        best = top[0]
        manifest = self.artifact.manifest
        unsure = manifest.abstain_below is not None and best.score < manifest.abstain_below
        return Prediction(text, best.label, best.score, unsure or best.label == manifest.oos_label, top)


def probabilities(logits: Logits, activation: Activation = "softmax") -> Logits:
    """Probabilities of logits [..., labels]: over all labels together, or of each by itself."""
    if activation == "sigmoid":
        alone: Logits = expit(logits)
        return alone
    # scipy's own takes several times as long on one row.
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    together: Logits = shifted / shifted.sum(axis=-1, keepdims=True)
    return together
