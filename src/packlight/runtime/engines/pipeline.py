"""The baseline engine: `transformers.pipeline` with its defaults."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, Pipeline, pipeline

from packlight.models.hf_model import labels_of, max_positions, open_classifier, silence_transformers
from packlight.runtime.engine import Logits
from packlight.runtime.processor import cpu_budget


class PipelineEngine:
    """Any classifier's folder in `transformers.pipeline("text-classification")`, with its defaults."""

    name = "pipeline"

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        """Open a folder in the Hub's layout."""
        self.threads = threads or cpu_budget()
        torch.set_num_threads(self.threads)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        silence_transformers()
        model = open_classifier(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer.model_max_length = min(tokenizer.model_max_length, max_positions(model))
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
