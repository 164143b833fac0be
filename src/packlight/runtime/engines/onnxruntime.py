"""The ONNX Runtime engine: numpy, tokenizers and onnxruntime are all it needs."""

from collections.abc import Sequence
from pathlib import Path

from packlight.errors import EngineError
from packlight.runtime.artifact import Artifact
from packlight.runtime.engine import Logits
from packlight.runtime.ort_session import default_cache, open_session, provider_names
from packlight.runtime.processor import cpu_budget
from packlight.runtime.tokenization import TextEncoder


class OnnxEngine:
    """An ONNX artifact on ONNX Runtime."""

    name = "onnxruntime"

    def __init__(
        self,
        artifact: Artifact,
        *,
        threads: int | None = None,
        providers: Sequence[str] = ("cpu",),
        cache: Path | None = None,
    ) -> None:
        """Open a verified artifact.

        Args:
            artifact: one whose engine is onnxruntime.
            threads: for one inference; by default all that this process may use.
            providers: execution providers in order of preference, as `cpu`, `cuda`, … or by their full names.
            cache: folder for optimised graphs; by default the user's cache folder, `PACKLIGHT_CACHE` if set.

        Raises:
            EngineError: when a provider is not available or does not start.
            ArtifactError: when ONNX Runtime does not open the file.
        """
        self.labels = artifact.labels
        self.threads = threads or cpu_budget()
        self._encoder = TextEncoder(artifact.tokenizer_path, artifact.manifest.max_length)
        names = provider_names(providers)
        self._session = open_session(artifact, self.threads, names, cache or default_cache())
        if missing := sorted(set(names) - set(self._session.get_providers())):
            raise EngineError(
                f"{missing[0]} is part of this onnxruntime but did not start; its own message above says why "
                "(often a missing driver or library). `--provider cpu` works everywhere",
            )

    def logits(self, texts: Sequence[str]) -> Logits:
        """Answer one batch: float32 of shape [texts, labels]."""
        tokens = self._encoder(texts)
        feed = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
        answer: Logits = self._session.run(["logits"], feed)[0]
        return answer
