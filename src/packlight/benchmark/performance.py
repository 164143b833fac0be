"""`PerformanceBenchmark`: size, latency and accuracy of one model in one call, in this process.

For a comparison of several variants use `packlight run` or `packlight measure`, which measure side by side.
"""

import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, PreTrainedModel

from packlight.artifact import Artifact
from packlight.checkpoint import label_mapping, resolve
from packlight.classifier.int8 import is_int8, save_int8
from packlight.classifier.stock import labels_of, longest_text
from packlight.dataset import read_rows
from packlight.engines import Engine, Logits, open_engine
from packlight.engines.torch import PipelineEngine
from packlight.errors import ModelError

TASK = "text-classification"
TIMED_TEXTS = 100
WARM_TEXTS = 10
BATCH = 32


class PerformanceBenchmark:
    """Measures one classifier: `PerformanceBenchmark(model).benchmark(test_dataset)`."""

    def __init__(
        self,
        model: str | Path | PreTrainedModel,
        task: str = TASK,
        *,
        tokenizer: Any = None,
        threads: int | None = None,
    ) -> None:
        """Open a model.

        Args:
            model: an artifact's folder, a classifier's folder, a Hub id, or a model object (a quantized one too).
            task: only text-classification.
            tokenizer: for a model object: a tokenizer object, a folder or a Hub id.
            threads: for one inference; by default all that this process may use, or for a model object as many as
                torch has.

        Raises:
            ModelError: when the model is no classifier, or a model object comes without a tokenizer.
        """
        if task != TASK:
            raise ModelError(f"task {task!r}: packlight measures {TASK} models only")
        self._engine: Engine
        if not isinstance(model, str | Path):
            self._engine = _ModelEngine(model, _tokenizer(tokenizer), threads)
            self._bytes, self._one_by_one = _bytes_of(model), is_int8(model)
        elif (Path(model) / "packlight.json").is_file():
            artifact = Artifact.open(Path(model))
            self._engine = open_engine(artifact, threads=threads)
            self._bytes, self._one_by_one = artifact.size_bytes, not artifact.manifest.batch_invariant
        else:
            checkpoint = resolve(model)
            if not checkpoint.is_classifier:
                raise ModelError(f"{model}: is an encoder without labels; fine-tune it first (`packlight finetune`)")
            self._engine = PipelineEngine(checkpoint.path, threads=threads)
            self._bytes = sum((checkpoint.path / name).stat().st_size for name in checkpoint.files)
            self._one_by_one = False

    def benchmark(self, dataset: Iterable[Any]) -> dict[str, float]:
        """Measure on labelled texts.

        Args:
            dataset: rows with `text` and `intent` or `label`: a list, or a `datasets.Dataset`.

        Returns:
            `model_size` in MB of 10^6 bytes on disk (a model object: its weights alone), `avg_latency` in
            milliseconds a text, one at a time, tokenization included, and `accuracy` from 0 to 1.

        Raises:
            DataError: when a row has no text or no label.
            ModelError: when a label is not among the model's.
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
            self._engine.logits([text])
        start = time.perf_counter()
        for text in chosen:
            self._engine.logits([text])
        return (time.perf_counter() - start) / len(chosen) * 1e3

    def _answers(self, texts: Sequence[str]) -> list[int]:
        """One at a time where the answers would depend on the batch."""
        size = 1 if self._one_by_one else BATCH
        chunks = (texts[start : start + size] for start in range(0, len(texts), size))
        return [int(best) for chunk in chunks for best in self._engine.logits(chunk).argmax(axis=1)]


class _ModelEngine:
    """A model object with its tokenizer object."""

    name = "torch"

    def __init__(self, model: PreTrainedModel, tokenizer: Any, threads: int | None) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._longest = min(tokenizer.model_max_length, longest_text(model))
        self.labels = labels_of(model)
        if threads:
            torch.set_num_threads(threads)
        self.threads = torch.get_num_threads()

    def logits(self, texts: Sequence[str]) -> Logits:
        batch = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        )
        # Token types are zero for single texts, and some architectures take none.
        batch = {name: batch[name].to(self._model.device) for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            answer: Logits = self._model(**batch).logits.float().cpu().numpy()
        return answer


def _tokenizer(given: Any) -> Any:
    if given is None:
        raise ModelError("a model object needs its tokenizer: PerformanceBenchmark(model, tokenizer=tokenizer)")
    if not isinstance(given, str | Path):
        return given
    path = given if Path(given).is_dir() else resolve(given).path
    return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)


def _bytes_of(model: PreTrainedModel) -> int:
    """What the model's weights take on disk: written once, and looked at."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "model.safetensors"
        if is_int8(model):
            save_int8(model, file)
        else:
            # Tied weights share memory, which the format refuses; a file holds them once.
            distinct = {tensor.data_ptr(): (name, tensor) for name, tensor in model.state_dict().items()}
            save_file({name: tensor.contiguous() for name, tensor in distinct.values()}, file)
        return file.stat().st_size
