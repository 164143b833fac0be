"""An artifact, opened and warmed up: from texts to encoded texts, to logits, to labels."""

import warnings
from collections.abc import Sequence, Sized
from pathlib import Path
from typing import Any

from packlight.errors import ArtifactError
from packlight.files import sha256_of
from packlight.runtime.artifact import MANIFEST, Artifact
from packlight.runtime.decision import decide, probabilities
from packlight.runtime.engine import Logits
from packlight.runtime.engines import open_engine
from packlight.runtime.golden import has_golden, replay
from packlight.serve.external import refuse_external_data
from packlight.serve.responses import Name, Predictions

Encoded = Sequence[Sized]
"""texts as the model's engine encodes them; lengths count tokens if the engine has any"""
WARM_TEXTS = ("warm up", "a second, slightly longer warm-up text, for another shape")
WARM_ROUNDS = 20


class Model:
    """A served artifact."""

    def __init__(self, name: Name, artifact: Artifact, *, threads: int = 1) -> None:
        """Open a verified artifact and warm it up.

        Raises:
            ArtifactError: if the runtime cannot open it, or if it doesn't return one score per label.
            EngineError: if its engine is not available.
            MissingExtraError: if it is a PyTorch artifact and PyTorch is not installed.
        """
        self.name = name
        self.artifact = artifact
        self.labels = artifact.labels
        self.sha256 = sha256_of(artifact.path / MANIFEST)
        """hash of the manifest, which has the hash of every file"""
        self.batch_invariant = artifact.manifest.batch_invariant
        self._engine = open_engine(artifact, threads=threads)
        self.pads = self._engine.info.pads
        self._warm()

    @classmethod
    def open(cls, name: Name, folder: Path, *, threads: int = 1) -> "Model":
        """Verify and open an artifact's folder, and replay its golden texts if it has any.

        Raises:
            ReplayError: if its logits differ from the recorded ones.
            PacklightError: as from `Artifact.open` and the constructor.
        """
        artifact = Artifact.open(folder)
        refuse_external_data(artifact)
        if not artifact.manifest.batch_invariant:
            warnings.warn(
                f"{name.model}: its dynamic int8 predictions depend on the batch, so texts run one at a time; a statically "
                "quantized artifact can run in batches",
                stacklevel=2,
            )
        model = cls(name, artifact, threads=threads)
        if has_golden(artifact):
            replay(artifact, model._engine)
        return model

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Each text as the engine encodes it."""
        return self._engine.encode(texts)

    def truncated(self, texts: Sequence[str], encoded: Encoded) -> list[bool]:
        """For each text, whether it is longer than the model's maximum."""
        return self._engine.truncated(texts, encoded)

    def logits(self, encoded: Sequence[Any]) -> Logits:
        """Logits of a micro-batch: float32 of shape [texts, labels]."""
        return self._engine.logits(encoded)

    def answers(self, logits: Logits) -> Predictions:
        """The predictions for texts with these logits, [texts, labels], as from a `Predictor`, and all scores."""
        scores = probabilities(logits, self.artifact.activation)
        verdicts = [decide(row, self.labels, self.artifact.manifest) for row in scores]
        return Predictions(
            labels=self.labels,
            chosen=[each.label for each in verdicts],
            confidence=[each.score for each in verdicts],
            out_of_scope=[each.out_of_scope for each in verdicts],
            scores=scores,
        )

    def _warm(self) -> None:
        for _ in range(WARM_ROUNDS):
            for text in WARM_TEXTS:
                logits = self._engine.predict([text])
                if logits.shape != (1, len(self.labels)):
                    raise ArtifactError(
                        f"{self.artifact.model_path}: gives {list(logits.shape)} scores for one text where config.json "
                        f"names {len(self.labels)} labels; build the artifact again"
                    )
                self.answers(logits)
