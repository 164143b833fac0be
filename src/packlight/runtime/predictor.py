"""Predictions from an artifact: labels with probabilities for texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from packlight.runtime.artifact import Artifact, Manifest
from packlight.runtime.batches import bounded
from packlight.runtime.decision import Scores, decide, probabilities
from packlight.runtime.engine import Engine
from packlight.runtime.engines import open_engine
from packlight.runtime.processor import cpu_budget
from packlight.runtime.texts import as_texts

BATCH = 32


@dataclass(frozen=True)
class LabelScore:
    """A label and its probability."""

    label: str
    score: float


@dataclass(frozen=True)
class Prediction:
    """An artifact's prediction for a text."""

    text: str
    label: str
    score: float
    """probability from 0 to 1: the softmax over all labels, or this label's own if a text can have several labels"""
    out_of_scope: bool
    """whether the text is out of scope: it has that label, or the label's probability is below the threshold"""
    top: tuple[LabelScore, ...]
    """the most likely labels, in descending order"""
    truncated: bool = False
    """whether the text is longer than the model's maximum, so that part of it was ignored"""


class Predictor:
    """An opened artifact, ready to predict."""

    def __init__(self, artifact: Artifact, engine: Engine[Any]) -> None:
        """Combine an artifact and its opened engine. Usually, use `Predictor.open`."""
        self.artifact = artifact
        self.engine = engine
        self._reopen: tuple[int | None, bool, tuple[str, ...]] | None = None
        """threads, batches and providers, if it was opened by `open`"""

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        threads: int | None = None,
        batches: bool = False,
        providers: Sequence[str] = ("cpu",),
    ) -> "Predictor":
        """Verify and open an artifact's folder.

        Args:
            folder: the artifact's folder.
            threads: threads per inference. By default one thread, or all that it was measured on if these were better (`packlight
                run` and `packlight measure` try both), and the container's CPU limit if neither is known to be.
            batches: whether you predict lists of texts rather than one text at a time, for which the better number can
                differ.
            providers: execution providers of ONNX Runtime, in order of preference.

        Raises:
            ArtifactError: if the folder is incomplete or was altered.
            EngineError: if a provider is not available.
            MissingExtraError: if a PyTorch artifact is opened without PyTorch.
        """
        artifact = Artifact.open(Path(folder))
        chosen = _better(artifact.manifest, batches=batches) if threads is None else threads
        predictor = cls(artifact, open_engine(artifact, threads=chosen, providers=providers))
        predictor._reopen = threads, batches, tuple(providers)
        return predictor

    def __call__(self, text: str, *, top_k: int = 1) -> Prediction:
        """Predict one text.

        Raises:
            DataError: if it is not a string.
        """
        return self.predict([text], top_k=top_k)[0]

    def predict(self, texts: str | Iterable[str], *, top_k: int = 1) -> list[Prediction]:
        """Predict several texts in batches, or one at a time if the artifact's predictions depend on the batch.

        Args:
            texts: strings in a list, a Series, an array or any other iterable. One string is one text.
            top_k: number of labels for each text.

        Raises:
            DataError: if a text is not a string. The message names the text and its type.
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


def _better(manifest: Manifest, *, batches: bool) -> int | None:
    """The better number of threads as it was measured, if this machine has as many; None if it was not measured."""
    if manifest.threads is None:
        return None
    better = manifest.threads.batches if batches else manifest.threads.requests
    return None if better is None else min(better, cpu_budget())


def _opened(folder: str, threads: int | None, batches: bool, providers: tuple[str, ...]) -> Predictor:  # noqa: FBT001
    """Restore a pickled predictor. Raises what `Predictor.open` raises."""
    return Predictor.open(folder, threads=threads, batches=batches, providers=providers)
