"""`PerformanceBenchmark`: measure size, latency and accuracy of one model in one call, in this process.

To compare several variants, use `packlight run` or `packlight measure`, which measure side by side.
"""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from packlight.data import read_rows
from packlight.errors import ModelError
from packlight.measure.opening import open_model
from packlight.measure.timing import typical
from packlight.models import label_mapping
from packlight.runtime.ort_session import onnxruntime

TASK = "text-classification"
TIMED_TEXTS = 60
ROUNDS = 5
WARM_TEXTS = 10
BATCH = 32


class PerformanceBenchmark:
    """Measures one classifier: `PerformanceBenchmark(model).benchmark(test_dataset)`."""

    def __init__(
        self,
        model_name_or_path: str | Path | PreTrainedModel | onnxruntime.InferenceSession,
        task: str = TASK,
        *,
        tokenizer: Any = None,
        labels: Sequence[str] | None = None,
        threads: int | None = None,
    ) -> None:
        """Open a model.

        Args:
            model_name_or_path: a Hub id, the folder of a classifier or of an artifact, an `.onnx` file, or an object:
                a transformers model (one quantized by `torch.quantization` too) or an ONNX Runtime session.
            task: must be text-classification.
            tokenizer: a transformers tokenizer, a folder or a Hub id, to replace the model's own. Required for an
                object, and for an `.onnx` file without a `tokenizer.json` next to it. Not allowed for an artifact.
            labels: names of the logits, in order. Defaults to the model's own. For an `.onnx` file or a session they
                are read from `config.json`, next to the file or in the tokenizer's folder.
            threads: Threads per inference. Defaults to the container's CPU limit; for a model object, to PyTorch's
                setting. A session has its own setting.

        Raises:
            ModelError: if the model is not a classifier, or if its tokenizer or labels are not known.
        """
        if task != TASK:
            raise ModelError(f"task {task!r}: packlight measures {TASK} models only")
        opened = open_model(model_name_or_path, tokenizer=tokenizer, labels=labels, threads=threads)
        self._engine, self._bytes, self._one_by_one = opened.engine, opened.size_bytes, opened.one_by_one

    def benchmark(self, dataset: Iterable[Any]) -> dict[str, float]:
        """Measure on labelled texts.

        Args:
            dataset: rows with `text` and `intent` or `label`: a list, or a `datasets.Dataset`.

        Returns:
            `model_size` in MB of 10^6 bytes on disk (for a model object, the weights only), `avg_latency` in
            milliseconds per text, one at a time, tokenization included (the mean over texts of each text's median over
            five rounds), and `accuracy` from 0 to 1.

        Raises:
            DataError: if a row has no text or no label.
            ModelError: if the model doesn't have a label of the data.
        """
        split = read_rows(dataset)
        names = sorted(set(split.labels))
        columns = dict(zip(names, label_mapping(self._engine.labels, names).columns, strict=True))
        truth = [columns[label] for label in split.labels]
        return {
            "model_size": self._bytes / 1e6,
            "avg_latency": self._latency_ms(split.texts),
            "accuracy": float(np.mean(np.array(self._answers(split.texts)) == truth)),
        }

    def _latency_ms(self, texts: Sequence[str]) -> float:
        chosen = texts[:: max(1, len(texts) // TIMED_TEXTS)][:TIMED_TEXTS]
        for text in chosen[:WARM_TEXTS]:
            self._engine.predict([text])
        return typical([[self._seconds(text) * 1e3 for text in chosen] for _ in range(ROUNDS)])

    def _seconds(self, text: str) -> float:
        start = time.perf_counter()
        self._engine.predict([text])
        return time.perf_counter() - start

    def _answers(self, texts: Sequence[str]) -> list[int]:
        """One text at a time if predictions depend on the batch."""
        size = 1 if self._one_by_one else BATCH
        chunks = (texts[start : start + size] for start in range(0, len(texts), size))
        return [int(best) for chunk in chunks for best in self._engine.predict(chunk).argmax(axis=1)]
