"""ONNX export: one graph with dynamic batch size and length, and attention as a single operator.

By itself, the exporter turns one attention block into some forty nodes, and ONNX Runtime's pattern fusion no longer
recognizes what the current exporter writes. So the operator is emitted directly: during the export, the model runs with
an attention implementation that emits `com.microsoft.MultiHeadAttention` with the padding mask as it is. That leaves no
mask arithmetic in the graph either. `steps.onnx.fusion` then packs the three projections into it and fuses layer norms
and GELU. Architectures that add something to the attention scores (MPNet's relative positions) are exported with their
own eager attention.
"""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface

from packlight.errors import UnsupportedError
from packlight.models.hf_model import open_classifier
from packlight.models.structure import NO_EXPORT
from packlight.steps.onnx.fusion import fuse as fuse_graph
from packlight.steps.onnx.strip_metadata import strip_metadata

ATTENTION = "packlight_onnx"
ONE_OPERATOR = ("bert", "roberta", "xlm-roberta", "electra", "distilbert", "camembert")
"""architectures whose attention is exactly softmax(QK/sqrt(d) + padding mask)V"""
OPSET = 18
INPUTS = ("input_ids", "attention_mask")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def export(source: Path, target: Path, *, opset: int = OPSET, fuse: bool = True) -> PreTrainedModel:
    """Export the classifier in `source` to the ONNX file `target`.

    Args:
        source: a folder that `open_classifier` opens.
        target: the file to write. Its inputs are `input_ids` and `attention_mask`, int64 [batch, sequence]; its output
            is `logits`, float32 [batch, labels].
        opset: ONNX opset version.
        fuse: fuse attention, layer normalization and GELU into ONNX Runtime's own operators.

    Returns:
        The parent model, for the parity check.

    Raises:
        ModelError: if the folder holds no classifier.
        UnsupportedError: if PyTorch cannot export its architecture.
    """
    parent = open_classifier(source)
    if reason := NO_EXPORT.get(parent.config.model_type):
        raise UnsupportedError(reason)
    one_operator = fuse and parent.config.model_type in ONE_OPERATOR
    _register_attention()
    model = open_classifier(source, attention=ATTENTION if one_operator else "eager")
    if fuse:
        _fold_token_type(model)
    target.parent.mkdir(parents=True, exist_ok=True)
    graph = _trace(model, opset)
    if fuse:
        graph = fuse_graph(graph, heads=parent.config.num_attention_heads, hidden=parent.config.hidden_size)
    strip_metadata(graph)
    onnx.checker.check_model(graph)
    onnx.save_model(graph, target)
    return parent


def _fold_token_type(model: PreTrainedModel) -> None:
    """Add the vector of token type 0, which every token of a single text has, to each position's vector, in place."""
    embeddings = getattr(model.base_model, "embeddings", None)
    types, positions = (getattr(embeddings, f"{name}_embeddings", None) for name in ("token_type", "position"))
    if isinstance(types, nn.Embedding) and isinstance(positions, nn.Embedding):
        with torch.no_grad():
            positions.weight += types.weight[0]
        assert embeddings is not None  # it has the two tables
        embeddings.token_type_embeddings = _Zero()


class _Zero(nn.Module):
    """An embedding that adds nothing."""

    def forward(self, ids: Tensor) -> Tensor:  # noqa: ARG002 - the place of an embedding
        return torch.zeros(())


def _trace(model: PreTrainedModel, opset: int) -> onnx.ModelProto:
    # The exporter specializes sizes 0 and 1, so the example avoids them.
    ids = torch.full((2, 7), 1 if model.config.pad_token_id != 1 else 2)
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with _quiet(), torch.no_grad(), _explained(model.config.model_type):
        program = torch.onnx.export(
            _Logits(model),
            (ids, mask),
            dynamo=True,
            opset_version=opset,
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_shapes=dict.fromkeys(INPUTS, free),
            optimize=True,
            verbose=False,
        )
    assert program is not None  # the dynamo exporter returns a program
    return _named_axes(program.model_proto)


class _Logits(nn.Module):
    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def _attention(
    module: nn.Module,  # noqa: ARG001 - the interface's signature
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention of [batch, heads, tokens, size] as a single operator. See AttentionInterface for the contract."""
    batch, heads, tokens, size = query.shape
    flat = [part.transpose(1, 2).reshape(batch, tokens, heads * size) for part in (query, key, value)]
    mixed = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        [*flat, None, attention_mask.to(torch.int32)],
        attrs={"num_heads": heads, "scale": float(scaling or size**-0.5)},
        dtype=query.dtype,
        shape=flat[0].shape,
        version=1,
    )
    return mixed.reshape(batch, tokens, heads, size), None


def _register_attention() -> None:
    AttentionInterface.register(ATTENTION, _attention)
    # Layers get the original padding mask, [batch, tokens].
    AttentionMaskInterface.register(ATTENTION, lambda *_, attention_mask=None, **__: attention_mask)


def _named_axes(graph: onnx.ModelProto) -> onnx.ModelProto:
    for value in (*graph.graph.input, *graph.graph.output):
        names = ("batch", "sequence") if value.name in INPUTS else ("batch",)
        for name, axis in zip(names, value.type.tensor_type.shape.dim, strict=False):
            axis.dim_param = name
    return graph


@contextmanager
def _explained(architecture: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the exporter raises exceptions of its own and of many libraries
        raise UnsupportedError(f"PyTorch does not export {architecture} to ONNX: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """The first line of the root cause, because the exporter's own message is a page of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    first = _COLOURS.sub("", str(error)).strip().partition("\n")[0]
    return first or type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the exporter's log and warnings. The parity check finds whatever matters."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
