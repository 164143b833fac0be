"""Answers from an artifact: texts in, labels with probabilities out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from packlight.runtime.artifact import Artifact
from packlight.runtime.batches import bounded
from packlight.runtime.decision import Scores, decide, probabilities
from packlight.runtime.engine import Engine
from packlight.runtime.engines import open_engine
from packlight.runtime.texts import as_texts

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
    truncated: bool = False
    """whether the text is longer than the model takes, so that not all of it counted"""


class Predictor:
    """An artifact, opened and ready to answer."""

    def __init__(self, artifact: Artifact, engine: Engine[Any]) -> None:
        """Join an artifact and the engine that it is opened on; `Predictor.open` is the usual way."""
        self.artifact = artifact
        self.engine = engine
        self._reopen: tuple[int | None, tuple[str, ...]] | None = None
        """threads and providers, if it was opened by `open`"""

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
        predictor = cls(artifact, open_engine(artifact, threads=threads, providers=providers))
        predictor._reopen = threads, tuple(providers)
        return predictor

    def __call__(self, text: str, *, top_k: int = 1) -> Prediction:
        """Answer one text.

        Raises:
            DataError: if it is not a string.
        """
        return self.predict([text], top_k=top_k)[0]

    def predict(self, texts: str | Iterable[str], *, top_k: int = 1) -> list[Prediction]:
        """Answer several texts, in batches; one at a time if the artifact's answers depend on the batch.

        Args:
            texts: strings in a list, a Series, an array or any other iterable. One string is one text.
            top_k: number of labels for each text.

        Raises:
            DataError: if a text is not a string; says which text and what it is.
        """
        size = BATCH if self.artifact.manifest.batch_invariant else 1
        asked = as_texts(texts)
        predictions = []
        for start in range(0, len(asked), size):
            chunk = asked[start : start + size]
            encoded = self.engine.encode(chunk)
            cut = self.engine.truncated(chunk, encoded)
            for part in bounded(encoded):
                scores = probabilities(self.engine.logits(encoded[part]), self.artifact.activation)
                predictions += [self._say(*each, top_k) for each in zip(chunk[part], scores, cut[part], strict=True)]
        return predictions

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the artifact's path, not its weights: unpickling opens and verifies that folder.

        Raises:
            TypeError: if it was not opened by `Predictor.open`.
        """
        if self._reopen is None:
            raise TypeError(
                "only a Predictor from Predictor.open can be pickled; pass the artifact's path and open it there"
            )
        return _opened, (str(self.artifact.path.resolve()), *self._reopen)

    def _say(self, text: str, scores: Scores, cut: bool, top_k: int) -> Prediction:  # noqa: FBT001 - one of a row
        verdict = decide(scores, self.engine.labels, self.artifact.manifest)
        order = np.argsort(-scores, kind="stable")[: max(1, top_k)]
        top = tuple(LabelScore(self.engine.labels[index], float(scores[index])) for index in order)
        return Prediction(text, verdict.label, verdict.score, verdict.out_of_scope, top, cut)


def _opened(folder: str, threads: int | None, providers: tuple[str, ...]) -> Predictor:
    """What a pickled predictor is made of again; the errors are those of `Predictor.open`."""
    return Predictor.open(folder, threads=threads, providers=providers)
