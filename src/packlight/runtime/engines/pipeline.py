"""The baseline engine: `transformers.pipeline` with its defaults."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from packlight.runtime.artifact import SAFETENSORS
from packlight.runtime.engine import Engine, EngineInfo, Logits
from packlight.runtime.processor import threads_for


class PipelineEngine(Engine[str]):
    """Any classifier's folder in `transformers.pipeline("text-classification")`, with its defaults."""

    info = EngineInfo(
        name="pipeline",
        label="transformers pipeline",
        colour="#7F7F7F",
        form="torch",
        model_files={"fp32": SAFETENSORS},
        modules=("torch", "transformers"),
        opens=("torch", "torch-compiled"),
        opens_checkpoints=True,
        macs_from="safetensors",
        hub_tags=("pytorch",),
    )

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        """Open a folder in the Hub's layout."""
        import torch
        from transformers import AutoTokenizer, pipeline

        from packlight.models.hf_model import labels_of, max_positions, open_classifier, silence_transformers

        self.threads = threads_for(threads)
        torch.set_num_threads(self.threads)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        silence_transformers()
        model = open_classifier(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer.model_max_length = min(tokenizer.model_max_length, max_positions(model))
        self._pipeline = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
        self.labels = labels_of(model)
        self._ids = {label: index for index, label in enumerate(self.labels)}

    def encode(self, texts: Sequence[str]) -> list[str]:
        """The texts unchanged, because the pipeline has its own tokenizer."""
        return list(texts)

    def logits(self, encoded: Sequence[str]) -> Logits:
        """Run one batch of texts: float32 of shape [texts, labels]."""
        answers: Any = self._pipeline(
            list(encoded), batch_size=len(encoded), top_k=None, function_to_apply="none", truncation=True
        )
        out = np.empty((len(encoded), len(self.labels)), dtype=np.float32)
        for row, scores in enumerate(answers):
            for entry in scores:
                out[row, self._ids[entry["label"]]] = entry["score"]
        return out
