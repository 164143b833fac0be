"""Count the work of a PyTorch classifier from its configuration and the shapes in its safetensors header.

A linear layer of the encoder runs on every token, one of the head on one vector for each text. Mean pooling that is
stored as a last layer runs as one weighted sum instead (`packlight.models.mean_pooling`). Attention heads that pad a
float32 checkpoint with zeros don't run (`packlight.models.attention_heads`).
"""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packlight.measure.roofline.macs import Work

FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "mpnet")
"""architectures whose layers consist of plain linear layers and full attention, without shared weights"""
POOLING = "packlight_pooling"
HEADS = "packlight_heads"
LAYER = re.compile(r"\.layer\.(\d+)\.")
QUERY = re.compile(r"\.(query|q_lin|q)\.weight$")
PROJECTION = re.compile(r"\.(query|key|value|[qkv]_lin)\.(weight|bias)$")
JOIN = re.compile(r"\.(attention\.output\.dense|out_lin)\.weight$")
"""projections from the heads back to the hidden width"""
TABLE = re.compile(r"\.embeddings\.\w+\.weight$")
PER_TOKEN = re.compile(r"\.embeddings_project\.weight$")
"""ELECTRA's projection of its embeddings to the hidden width"""
MATRIX = 2


@dataclass(frozen=True)
class Tensor:
    """A tensor in the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    """bytes"""

    @property
    def layer(self) -> int | None:
        """The encoder layer that it belongs to, from 0."""
        found = LAYER.search(self.name)
        return int(found[1]) if found else None


def count_tensors(config_file: Path, weights: Path, lengths: Sequence[int]) -> Work | None:
    """The mean work for one text of each length; None if the architecture is not one of `FAMILIES`.

    Args:
        config_file: the model's `config.json`.
        weights: its safetensors file, float32 or packlight's int8.
        lengths: number of tokens of each text.
    """
    config = json.loads(config_file.read_text(encoding="utf-8"))
    if config.get("model_type") not in FAMILIES:
        return None
    tensors = [_without_padding(tensor, config) for tensor in header(weights) if not _is_written_out(tensor, config)]
    counts = Counter(lengths)
    each = [[equal * value for value in _count(tensors, config, length)] for length, equal in counts.items()]
    mean = [sum(values) / len(lengths) for values in zip(*each, strict=True)]
    return Work(fp32_macs=mean[0], int8_macs=mean[1], bytes=mean[2])


def header(file: Path) -> list[Tensor]:
    """The names, types and shapes in a safetensors file, whose header is eight bytes of length, then JSON."""
    with file.open("rb") as stream:
        listed = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    listed.pop("__metadata__", None)
    return [
        Tensor(name, entry["dtype"], tuple(entry["shape"]), entry["data_offsets"][1] - entry["data_offsets"][0])
        for name, entry in listed.items()
    ]


def _count(tensors: Sequence[Tensor], config: Mapping[str, Any], tokens: int) -> tuple[int, int, int]:
    """The float32 and int8 multiply-accumulates and the bytes for one text."""
    fp32, int8, read = _pooling_macs(config, tokens), 0, 0
    for tensor in tensors:
        if TABLE.search(tensor.name) and len(tensor.shape) == MATRIX:
            read += tokens * tensor.size // tensor.shape[0]
            continue
        read += tensor.size
        if not _is_linear(tensor):
            continue
        times = tokens if tensor.layer is not None or PER_TOKEN.search(tensor.name) else 1
        macs = times * math.prod(tensor.shape)
        fp32, int8 = (fp32, int8 + macs) if tensor.dtype == "I8" else (fp32 + macs, int8)
        if QUERY.search(tensor.name):
            # Scores and weighted sums: each channel of each pair of tokens.
            fp32 += 2 * tokens * tokens * tensor.shape[0]
    return fp32, int8, read


def _is_linear(tensor: Tensor) -> bool:
    return (
        len(tensor.shape) == MATRIX
        and tensor.name.endswith(".weight")
        and not tensor.name.endswith("relative_attention_bias.weight")
    )


def _is_written_out(tensor: Tensor, config: Mapping[str, Any]) -> bool:
    """Whether a tensor belongs to the last layer, which pooling replaces."""
    return config.get(POOLING) == "mean" and tensor.layer == _depth(config) - 1


def _without_padding(tensor: Tensor, config: Mapping[str, Any]) -> Tensor:
    """A tensor without the zero heads that pad it to the standard shape. int8 files have none."""
    count, hidden = config.get(HEADS), _hidden(config)
    axis = 0 if PROJECTION.search(tensor.name) else 1 if JOIN.search(tensor.name) else None
    if count is None or axis is None or tensor.shape[axis] != hidden:
        return tensor
    left = hidden // int(config.get("num_attention_heads") or config["n_heads"]) * int(count)
    shape = tuple(left if place == axis else length for place, length in enumerate(tensor.shape))
    return replace(tensor, shape=shape, size=tensor.size * left // hidden)


def _pooling_macs(config: Mapping[str, Any], tokens: int) -> int:
    """Multiply-accumulates of the mean, computed as a product of the mask and the hidden states."""
    return tokens * _hidden(config) if config.get(POOLING) == "mean" else 0


def _hidden(config: Mapping[str, Any]) -> int:
    return int(config.get("hidden_size") or config["dim"])


def _depth(config: Mapping[str, Any]) -> int:
    return int(config.get("num_hidden_layers") or config["n_layers"])
