"""The torch engines: the model itself, and transformers' own pipeline as people first run it."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, Pipeline, pipeline

from packlight.artifact import Artifact
from packlight.classifier.int8 import open_int8
from packlight.classifier.stock import labels_of, longest_text, open_classifier, quiet
from packlight.engines.base import Logits
from packlight.environment import cpu_budget
from packlight.tokenization import TextEncoder


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


class PipelineEngine:
    """Any classifier's folder in `transformers.pipeline("text-classification")`, with its defaults."""

    name = "pipeline"

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        """Open a folder in the Hub's layout."""
        self.threads = threads or cpu_budget()
        torch.set_num_threads(self.threads)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        quiet()
        model = open_classifier(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer.model_max_length = min(tokenizer.model_max_length, longest_text(model))
        self._pipeline: Pipeline = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
        self.labels = labels_of(model)
        self._ids = {label: index for index, label in enumerate(self.labels)}

    def logits(self, texts: Sequence[str]) -> Logits:
        """Answer one batch: float32 of shape [texts, labels]."""
        answers = self._pipeline(
            list(texts), batch_size=len(texts), top_k=None, function_to_apply="none", truncation=True
        )
        out = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        for row, scores in enumerate(answers):
            for entry in scores:
                out[row, self._ids[entry["label"]]] = entry["score"]
        return out
