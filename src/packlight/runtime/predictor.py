"""Answers from an artifact: texts in, labels with probabilities out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from packlight.runtime.artifact import Artifact
from packlight.runtime.decision import Scores, decide, probabilities
from packlight.runtime.engine import Engine
from packlight.runtime.engines import open_engine

BATCH = 32


@dataclass(frozen=True)
class LabelScore:
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
    top: tuple[LabelScore, ...]
    """the likeliest labels, the likeliest first"""


class Predictor:
    """An artifact, opened and ready to answer."""

    def __init__(self, artifact: Artifact, engine: Engine[Any]) -> None:
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
        predictions = []
        for chunk in chunks:
            scores = probabilities(self.engine.predict(chunk), self.artifact.activation)
            predictions += [self._say(text, row, top_k) for text, row in zip(chunk, scores, strict=True)]
        return predictions

    def _say(self, text: str, scores: Scores, top_k: int) -> Prediction:
        verdict = decide(scores, self.engine.labels, self.artifact.manifest)
        order = np.argsort(-scores, kind="stable")[: max(1, top_k)]
        top = tuple(LabelScore(self.engine.labels[index], float(scores[index])) for index in order)
        return Prediction(text, verdict.label, verdict.score, verdict.out_of_scope, top)
