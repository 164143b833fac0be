"""Open a classifier in any form as an engine, for `PerformanceBenchmark`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel

from packlight.errors import ModelError
from packlight.measure.graph_engine import GraphEngine, beside, bytes_of, file_of, labels_beside, open_graph
from packlight.models import resolve
from packlight.models.hf_model import labels_of, max_positions, open_classifier
from packlight.models.weight_checks import check_whole
from packlight.runtime.artifact import MANIFEST, Artifact
from packlight.runtime.engine import Engine, Logits
from packlight.runtime.engines import BASELINE, engine_info, open_engine, open_folder
from packlight.runtime.ort_session import onnxruntime

CALL = "PerformanceBenchmark(model, tokenizer=tokenizer)"
CONFIG, TOKENIZER = "config.json", "tokenizer.json"


@dataclass(frozen=True)
class Opened:
    """An opened model."""

    engine: Engine[Any]
    size_bytes: int
    """size on disk; for a model object, the weights only"""
    one_by_one: bool
    """whether its predictions may depend on the batch"""


def open_model(
    model: str | Path | PreTrainedModel | onnxruntime.InferenceSession,
    *,
    tokenizer: Any = None,
    labels: Sequence[str] | None = None,
    threads: int | None = None,
) -> Opened:
    """Open a model. The arguments are those of `PerformanceBenchmark`.

    Raises:
        ModelError: if it is not a classifier, or if its tokenizer or labels are not known.
    """
    if isinstance(model, onnxruntime.InferenceSession):
        if threads is not None:
            raise ModelError("the threads of a session are set when it is created: SessionOptions.intra_op_num_threads")
        return _session(model, tokenizer, labels)
    if not isinstance(model, str | Path):
        return _object(model, tokenizer, labels, threads)
    if Path(model).suffix == ".onnx":
        return _session(open_graph(Path(model), threads=threads), tokenizer, labels)
    if labels is not None:
        raise ModelError(f"{model}: has its labels in {CONFIG}; labels= is for a model object or an ONNX graph")
    if tokenizer is not None:
        return _folder(model, tokenizer, threads)
    if (Path(model) / MANIFEST).is_file():
        artifact = Artifact.open(Path(model))
        engine = open_engine(artifact, threads=threads)
        return Opened(engine, artifact.size_bytes, not artifact.manifest.batch_invariant)
    checkpoint = resolve(model)
    check_whole(checkpoint)
    if not checkpoint.is_classifier:
        raise ModelError(f"{model}: an encoder without labels; fine-tune it first (`packlight finetune`)")
    size = sum((checkpoint.path / name).stat().st_size for name in checkpoint.files)
    return Opened(open_folder(checkpoint.path, engine=BASELINE, threads=threads), size, one_by_one=False)


def _folder(model: str | Path, tokenizer: Any, threads: int | None) -> Opened:
    """A classifier's folder or Hub id with a given tokenizer instead of its own, if it has one."""
    if (Path(model) / MANIFEST).is_file():
        raise ModelError(f"{model}: an artifact has its own tokenizer; omit tokenizer=, or give the model's folder")
    path = Path(model).expanduser()
    path = path if path.is_dir() else resolve(model).path
    opened = _object(open_classifier(path), tokenizer, None, threads)
    files = [file for file in path.iterdir() if file.name == CONFIG or file.suffix == ".safetensors"]
    return replace(opened, size_bytes=sum(file.stat().st_size for file in files))


def _session(session: onnxruntime.InferenceSession, tokenizer: Any, labels: Sequence[str] | None) -> Opened:
    file = file_of(session)
    own = beside(file, TOKENIZER) if file else None
    opened = _tokenizer(tokenizer if tokenizer is not None else own.parent if own else None, file or "an ONNX session")
    named = labels if labels is not None else _labels_of_graph(file, opened)
    return Opened(GraphEngine(session, opened, named), bytes_of(session), one_by_one=True)


def _labels_of_graph(file: Path | None, tokenizer: Any) -> tuple[str, ...]:
    """The labels in a file next to a graph or its tokenizer.

    Raises:
        ModelError: if there are none.
    """
    candidates = (
        beside(file, CONFIG) if file else None,
        Path(getattr(tokenizer, "name_or_path", None) or "") / CONFIG,
    )
    for config in candidates:
        if config is not None and config.is_file() and (found := labels_beside(config)) is not None:
            return found
    raise ModelError(
        f"{file or 'an ONNX session'}: the meaning of its logits is unknown, because there is no {CONFIG} with id2label beside it "
        "or its tokenizer; copy the model's there, or pass labels=[…] in the order of the logits"
    )


def _object(model: PreTrainedModel, tokenizer: Any, labels: Sequence[str] | None, threads: int | None) -> Opened:
    if not isinstance(model, PreTrainedModel):
        raise ModelError(
            f"a {type(model).__name__} cannot be measured; give a Hub id, a folder, an .onnx file, a transformers model "
            "or an onnxruntime.InferenceSession"
        )
    engine = _ObjectEngine(model, _tokenizer(tokenizer, "a model object"), labels, threads)
    return Opened(engine, sum(_sizes(model.state_dict())), one_by_one=_is_quantized(model))


class _ObjectEngine(Engine[str]):
    """A transformers model with its tokenizer."""

    info = engine_info("torch")

    def __init__(
        self, model: PreTrainedModel, tokenizer: Any, labels: Sequence[str] | None, threads: int | None
    ) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._longest = min(tokenizer.model_max_length, max_positions(model))
        self.labels = labels_of(model) if labels is None else tuple(labels)
        if len(self.labels) != model.config.num_labels:
            raise ModelError(f"labels= names {len(self.labels)} labels, and the model has {model.config.num_labels}")
        if threads:
            torch.set_num_threads(threads)
        self.threads = torch.get_num_threads()

    def encode(self, texts: Sequence[str]) -> list[str]:
        """The texts unchanged. A batch is tokenized when it runs."""
        return list(texts)

    def logits(self, encoded: Sequence[str]) -> Logits:
        """Run one batch of texts: float32 of shape [texts, labels]."""
        batch = self._tokenizer(
            list(encoded), padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        )
        # Token types are zero for single texts, and some architectures don't accept them.
        batch = {name: batch[name].to(self._model.device) for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            answer: Logits = self._model(**batch).logits.float().cpu().numpy()
        return answer


def _tokenizer(given: Any, of: str | Path) -> Any:
    """A tokenizer object.

    Raises:
        ModelError: if there is none, or if it is not a transformers tokenizer.
    """
    if given is None:
        raise ModelError(f"{of} needs its tokenizer: {CALL}")
    if isinstance(given, str | Path):
        path = given if Path(given).is_dir() else resolve(given).path
        return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    if not (callable(given) and hasattr(given, "model_max_length")):
        raise ModelError(
            f"{of} needs a transformers tokenizer, but this is {type(given).__name__}: AutoTokenizer.from_pretrained(…)"
        )
    return given


def _is_quantized(model: torch.nn.Module) -> bool:
    """Whether a layer has quantized weights, whose activations may be scaled by the whole batch."""
    return any("quantized" in type(module).__module__ for module in model.modules())


def _sizes(state: dict[str, Any]) -> Iterator[int]:
    """Size in bytes of each distinct tensor of a state. Quantized layers pack theirs in tuples."""
    seen = set()
    for tensor in _tensors(state.values()):
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            yield tensor.untyped_storage().nbytes() if tensor.is_quantized else tensor.nbytes
            if tensor.is_quantized and tensor.qscheme() in (torch.per_channel_affine, torch.per_channel_symmetric):
                yield tensor.q_per_channel_scales().nbytes + tensor.q_per_channel_zero_points().nbytes


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple):
            yield from _tensors(value)
