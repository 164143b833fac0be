"""The torch engine: float32, or dynamic int8."""

from collections.abc import Sequence

import torch

from packlight.models.hf_model import open_classifier
from packlight.models.torch_int8 import open_int8
from packlight.runtime.artifact import Artifact
from packlight.runtime.engine import Logits
from packlight.runtime.processor import cpu_budget
from packlight.runtime.tokenization import TextEncoder


class TorchEngine:
    """A torch artifact, float32 or dynamic int8, with the fast tokenizer alone before it."""

    name = "torch"

    def __init__(self, artifact: Artifact, *, threads: int | None = None) -> None:
        """Open a verified artifact; threads are torch's, for the whole process."""
        self.threads = threads or cpu_budget()
        torch.set_num_threads(self.threads)
        self._encoder = TextEncoder(artifact.tokenizer_path, artifact.manifest.max_length)
        if artifact.manifest.precision == "int8":
            self._model = open_int8(artifact.path, artifact.model_path)
        else:
            self._model = open_classifier(artifact.path)
        self.labels = artifact.labels

    def logits(self, texts: Sequence[str]) -> Logits:
        """Answer one batch: float32 of shape [texts, labels]."""
        tokens = self._encoder(texts)
        with torch.inference_mode():
            answer = self._model(
                input_ids=torch.from_numpy(tokens.input_ids),
                attention_mask=torch.from_numpy(tokens.attention_mask),
            )
        logits: Logits = answer.logits.float().numpy()
        return logits
