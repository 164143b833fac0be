"""Run any ONNX classifier with a tokenizer object, such as a graph that another tool exported."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from packlight.errors import ModelError
from packlight.runtime.artifact import read_labels
from packlight.runtime.engine import Engine, Logits
from packlight.runtime.engines import engine_info
from packlight.runtime.ort_session import onnxruntime, open_on_cpu
from packlight.runtime.processor import cpu_budget, threads_for

FEEDS = ("input_ids", "attention_mask", "token_type_ids")
"""known inputs, by their names in exports of transformers, Optimum and packlight"""
TYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
EXTERNAL = (".data", "_data")
"""suffixes that PyTorch and Optimum add to a graph's name for its external weights"""
ERRORS_ONLY = 3


class GraphEngine(Engine[str]):
    """An ONNX Runtime session that maps token ids to one logit per label."""

    info = engine_info("onnxruntime")

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: Any, labels: Sequence[str]) -> None:
        """Check that the graph's inputs match a tokenizer's outputs.

        Args:
            session: a session that takes token ids, and optionally a mask and token types.
            tokenizer: the transformers tokenizer that the model was trained with.
            labels: names of the logits, in order.

        Raises:
            ModelError: if the graph has other inputs.
        """
        self._session, self._tokenizer = session, tokenizer
        self._inputs = {each.name: TYPES.get(each.type) for each in session.get_inputs()}
        if unknown := sorted(name for name, kind in self._inputs.items() if name not in FEEDS or kind is None):
            raise ModelError(
                f"the ONNX graph needs the input {unknown[0]!r}, but a text provides only {', '.join(FEEDS)} as integers; "
                "export a text classifier"
            )
        names = [each.name for each in session.get_outputs()]
        self._output = "logits" if "logits" in names else names[0]
        self._fixed = _fixed_length(session)
        self.labels = tuple(labels)
        self.threads = session.get_session_options().intra_op_num_threads or cpu_budget()

    def encode(self, texts: Sequence[str]) -> list[str]:
        """The texts unchanged. Each is tokenized when it runs."""
        return list(texts)

    def logits(self, encoded: Sequence[str]) -> Logits:
        """Run texts one at a time, because an exported graph may not allow batches, or depend on them.

        Returns:
            float32 of shape [texts, labels].

        Raises:
            ModelError: if the graph does not run, or does not return one logit per label.
        """
        return np.concatenate([self._one(text) for text in encoded])

    def _one(self, text: str) -> Logits:
        length = self._fixed or min(self._tokenizer.model_max_length, np.iinfo(np.int32).max)
        tokens = self._tokenizer(
            [text],
            truncation=True,
            max_length=length,
            padding="max_length" if self._fixed else False,
            return_token_type_ids=True,
            return_tensors="np",
        )
        feed = {name: tokens[name].astype(kind) for name, kind in self._inputs.items()}
        try:
            logits = self._session.run([self._output], feed)[0]
        except Exception as error:  # the library raises its own types, all of them plain Exceptions
            raise ModelError(f"the ONNX graph does not run on {len(tokens['input_ids'][0])} tokens: {error}") from error
        if logits.shape != (1, len(self.labels)):
            raise ModelError(
                f"the ONNX graph returns {self._output} of shape {list(logits.shape)}, but there are "
                f"{len(self.labels)} labels; it must return [texts, labels]"
            )
        answer: Logits = logits.astype(np.float32)
        return answer


def open_graph(file: Path, *, threads: int | None = None) -> onnxruntime.InferenceSession:
    """Open an `.onnx` file on the CPU.

    Args:
        file: the graph, next to its external data if it has any.
        threads: threads per inference. Defaults to the container's CPU limit.

    Raises:
        ModelError: if there is no such file, or if ONNX Runtime cannot open it.
    """
    if not file.is_file():
        raise ModelError(f"{file}: no such file; give an ONNX file, a model folder or a Hub id")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads_for(threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    try:
        return open_on_cpu(file, options)
    except Exception as error:  # as above
        raise ModelError(f"{file}: ONNX Runtime cannot open it: {error}") from error


def beside(file: Path, name: str) -> Path | None:
    """A file next to a graph, or one folder up if the graph is in `onnx/`; None if there is none."""
    folders = [file.parent, *([file.parent.parent] if file.parent.name == "onnx" else [])]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def labels_beside(config: Path) -> tuple[str, ...] | None:
    """The labels in a `config.json`; None if it has none, like an encoder's.

    Raises:
        ModelError: if it is damaged.
    """
    try:
        named = "id2label" in json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{config}: is damaged ({error}); save the model again, or give labels=[…]") from error
    return read_labels(config) if named else None


def file_of(session: onnxruntime.InferenceSession) -> Path | None:
    """The file that a session was opened from; None if it was opened from memory."""
    path = session._model_path  # noqa: SLF001 - nothing public tells what a session was opened from
    return None if path is None else Path(path)


def bytes_of(session: onnxruntime.InferenceSession) -> int:
    """Size in bytes of the graph that a session was opened from, external data included.

    Raises:
        ModelError: if the file no longer exists.
    """
    file = file_of(session)
    if file is None:
        return len(session._model_bytes)  # noqa: SLF001 - as above
    if not file.is_file():
        raise ModelError(f"{file}: the file that the session was created from is gone; create the session again")
    return sum(part.stat().st_size for suffix in ("", *EXTERNAL) if (part := Path(f"{file}{suffix}")).is_file())


def _fixed_length(session: onnxruntime.InferenceSession) -> int | None:
    """The number of tokens that a graph requires, if it is fixed."""
    shape: list[int | str | None] = next((each.shape for each in session.get_inputs() if each.name == "input_ids"), [])
    return next((each for each in shape[1:] if isinstance(each, int)), None)
