"""What the engines of transformers share: texts become token ids, and the model runs on padded batches of them."""

from collections.abc import Mapping, Sequence

from packlight.runtime.artifact import Artifact
from packlight.runtime.engine import Engine, Logits
from packlight.runtime.processor import threads_for
from packlight.runtime.tokenization import Ids, encoder_of


class TokenEngine(Engine[list[int]]):
    """An engine that runs a transformer on token ids. A subclass opens the model and implements `run`."""

    def __init__(self, artifact: Artifact, *, threads: int | None = None) -> None:
        """Open the tokenizer of a verified artifact.

        Args:
            artifact: the artifact.
            threads: threads per batch. Defaults to the container's CPU limit.

        Raises:
            ArtifactError: if the tokenizer is missing or damaged.
            PacklightError: if the number of threads is out of range.
        """
        self.labels = artifact.labels
        self.threads = threads_for(threads)
        self._encoder = encoder_of(artifact)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""
        return self._encoder.ids(texts)

    def truncated(self, texts: Sequence[str], encoded: Sequence[list[int]]) -> list[bool]:
        """For each text, whether it is longer than the model's maximum."""
        return self._encoder.truncated(texts, encoded)

    def logits(self, encoded: Sequence[list[int]]) -> Logits:
        """Run one batch of token ids: float32 of shape [texts, labels]."""
        return self._encoder.logits(encoded, self.run)

    def run(self, feed: Mapping[str, Ids]) -> Logits:
        """Run the model on its inputs by name, each of shape [rows, tokens]: float32 of shape [rows, labels]."""
        raise NotImplementedError
