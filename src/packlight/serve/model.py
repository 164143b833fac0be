"""One artifact, opened on one thread and warm, that answers token ids with logits and logits with labels."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from packlight.errors import ArtifactError
from packlight.runtime.artifact import Artifact
from packlight.runtime.decision import decide, probabilities
from packlight.runtime.engines import Engine, Logits, open_engine
from packlight.runtime.engines.onnxruntime import OnnxEngine
from packlight.runtime.golden import has_golden, replay
from packlight.runtime.tokenization import TextEncoder
from packlight.serve.external import refuse_external_data
from packlight.serve.responses import Name, Predictions

Rows = list[list[int]]
WARM_TEXTS = ("warm up", "a second text that is somewhat longer than the first one, to meet another shape")
WARM_ROUNDS = 20


class SplitOnnx(OnnxEngine):
    """The ONNX engine with its two halves apart, so that texts are tokenized once, when they arrive."""

    def rows(self, texts: Sequence[str]) -> Rows:
        """Token ids of each text, not padded."""
        return self._encoder.ids(texts)

    def logits_of(self, rows: Rows) -> Logits:
        """Logits of tokenized texts: float32 of shape [texts, labels]."""
        tokens = self._encoder.pad(rows)
        feed = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
        logits: Logits = self._session.run(["logits"], feed)[0]
        return logits


class Model:
    """A served artifact."""

    def __init__(self, name: Name, artifact: Artifact) -> None:
        """Open a verified artifact on one thread and run it until it is warm.

        Raises:
            ArtifactError: when the runtime does not open it, or it gives not one score for each label.
            EngineError: when its engine is not available.
            MissingExtraError: when it is a torch artifact and torch is not installed.
        """
        self.name = name
        self.artifact = artifact
        self.labels = artifact.labels
        self.batch_invariant = artifact.manifest.batch_invariant
        self._engine = _open(artifact)
        self._split = self._engine if isinstance(self._engine, SplitOnnx) else None
        whole = self._split or not artifact.tokenizer_path.is_file()
        self._encoder = None if whole else TextEncoder(artifact.tokenizer_path, artifact.manifest.max_length)
        self._warm()

    @classmethod
    def open(cls, name: Name, folder: Path) -> "Model":
        """Verify and open an artifact's folder, and replay its golden texts where it has any.

        Raises:
            ReplayError: when it does not answer them as it did when it was made.
            PacklightError: as `Artifact.open` and the constructor do.
        """
        artifact = Artifact.open(folder)
        refuse_external_data(artifact)
        if not artifact.manifest.batch_invariant:
            warnings.warn(
                f"{name.model}: a text's int8 ranges depend on its neighbours in a batch, so that texts are run one at "
                "a time; a statically quantized artifact may share batches",
                stacklevel=2,
            )
        model = cls(name, artifact)
        if has_golden(artifact):
            replay(artifact, lambda texts: model.logits(texts, model.rows(texts)))
        return model

    def rows(self, texts: Sequence[str]) -> Rows:
        """Token ids of each text; of a model without a tokenizer, as many zeros as the text has words."""
        if self._split is not None:
            return self._split.rows(texts)
        if self._encoder is None:
            return [[0] * max(1, len(text.split())) for text in texts]
        return self._encoder.ids(texts)

    def logits(self, texts: Sequence[str], rows: Rows) -> Logits:
        """Logits of one micro-batch: float32 of shape [texts, labels]."""
        return self._split.logits_of(rows) if self._split is not None else self._engine.logits(texts)

    def answers(self, logits: Logits) -> Predictions:
        """What the offline predictor says of texts with these logits, [texts, labels], and all scores."""
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
                logits = self.logits([text], self.rows([text]))
                if logits.shape != (1, len(self.labels)):
                    raise ArtifactError(
                        f"{self.artifact.model_path}: gives {list(logits.shape)} scores for one text where config.json "
                        f"names {len(self.labels)} labels; make the artifact again"
                    )
                self.answers(logits)


def _open(artifact: Artifact) -> Engine:
    if artifact.manifest.engine == "onnxruntime":
        return SplitOnnx(artifact, threads=1)
    return open_engine(artifact, threads=1)
