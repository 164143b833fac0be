"""Sequence classifiers in torch: opened from a folder, built from an encoder, saved as a stock checkpoint."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedModel
from transformers.utils import logging

from packlight.errors import ModelError
from packlight.files import atomic_write
from packlight.models import attention_heads, label_mapping, mean_pooling
from packlight.models.checkpoint import WEIGHTS

INT8_SCALE = ".weight_scale"
"""how the names of int8 weights' scales end"""

_OPEN: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}

_REFUSALS = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)
"""how transformers says that a folder is not a model: no file, no such architecture, other shapes, damaged weights"""


def silence_transformers() -> None:
    """Let transformers print neither remarks nor progress bars."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def open_classifier(folder: Path, *, attention: str | None = None) -> PreTrainedModel:
    """Open a classifier's folder on the CPU in evaluation mode, mean pooling folded and padded heads cut out.

    Args:
        folder: in the Hub's layout, with `model.safetensors`.
        attention: an implementation that transformers knows; by default the best that the architecture has.

    Raises:
        ModelError: when the folder holds no such model, or weights are missing.
    """
    silence_transformers()
    model: PreTrainedModel
    try:
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            folder,
            use_safetensors=True,
            attn_implementation=attention,
            dtype=torch.float32,
            output_loading_info=True,
            **_OPEN,
        )
    except _REFUSALS as error:
        raise ModelError(f"{folder}: not a sequence classifier that transformers opens: {error}") from error
    if any(name.endswith(INT8_SCALE) for name in loading["unexpected_keys"]):
        raise ModelError(f"{folder}: its weights are int8; give the float32 variant that it was made from")
    if missing := sorted(loading["missing_keys"]):
        raise ModelError(f"{folder}: weights are missing ({', '.join(missing[:3])} …); is it a fine-tuned classifier?")
    _fold(model, folder)
    model.eval()
    return model


def empty_classifier(folder: Path) -> PreTrainedModel:
    """The architecture that `config.json` describes, weights not yet loaded, folded as `open_classifier` does.

    Raises:
        ModelError: when transformers does not know the architecture.
    """
    try:
        config = AutoConfig.from_pretrained(folder, **_OPEN)
        model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
    except _REFUSALS as error:
        raise ModelError(f"{folder}: no architecture that transformers knows: {error}") from error
    _fold(model, folder, filled=False)
    model.eval()
    return model


def _fold(model: PreTrainedModel, folder: Path, *, filled: bool = True) -> None:
    """Bring a model from its stock form to the one that computes less, in place."""
    if mean_pooling.is_pooled(model):
        mean_pooling.fold(model)
    try:
        attention_heads.shrink_heads(model, filled=filled)
    except ModelError as error:
        raise ModelError(f"{folder}: {error}") from error


def build_classifier(encoder_folder: Path, labels: Sequence[str], *, seed: int) -> PreTrainedModel:
    """Put a new classification head on a pretrained encoder, mean-pooled where the architecture allows it.

    Raises:
        ModelError: when the folder holds no encoder that transformers opens.
    """
    silence_transformers()
    torch.manual_seed(seed)
    try:
        config = AutoConfig.from_pretrained(encoder_folder, **_OPEN)
        encoder = AutoModel.from_pretrained(encoder_folder, use_safetensors=True, dtype=torch.float32, **_OPEN)
        set_labels(config, labels)
        pooled = config.model_type in mean_pooling.FAMILIES
        if pooled and not mean_pooling.is_pooled(encoder):
            depth = mean_pooling.FAMILIES[config.model_type].depth
            setattr(config, depth, getattr(config, depth) + 1)
        model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
    except _REFUSALS as error:
        raise ModelError(f"{encoder_folder}: not an encoder that transformers opens: {error}") from error
    getattr(model, model.base_model_prefix).load_state_dict(encoder.state_dict(), strict=False)
    if pooled:
        mean_pooling.fold(model)
        mean_pooling.start_head(model)
    attention_heads.shrink_heads(model)
    model.eval()
    return model


def set_labels(config: Any, labels: Sequence[str]) -> None:
    """Write the labels into a transformers configuration."""
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    config.problem_type = "single_label_classification"


def labels_of(model: PreTrainedModel) -> tuple[str, ...]:
    """Labels in the order of the logits."""
    id2label: Any = model.config.id2label
    return tuple(str(id2label[index]) for index in range(len(id2label)))


def max_positions(model: PreTrainedModel) -> int:
    """Tokens that the model's positions reach; a very large number where it does not count them."""
    positions = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    if not isinstance(positions, nn.Embedding):
        return sys.maxsize
    # RoBERTa and its kin count positions from the padding id on.
    return positions.num_embeddings - (0 if positions.padding_idx is None else positions.padding_idx + 1)


def final_layer(model: PreTrainedModel) -> nn.Linear:
    """The linear layer whose outputs are the logits.

    Raises:
        ModelError: when the last linear layer above the encoder does not have one output per label.
    """
    below = set(model.base_model.modules())
    linear = [module for module in model.modules() if isinstance(module, nn.Linear) and module not in below]
    if not linear or linear[-1].out_features != model.config.num_labels:
        raise ModelError(f"{type(model).__name__}: its last linear layer does not give one logit per label")
    return linear[-1]


def save_classifier(model: PreTrainedModel, folder: Path, *, tokenizer_from: Path, max_length: int) -> None:
    """Write config.json, model.safetensors and the tokenizer's files as a stock checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config.to_dict() | {"architectures": [type(model).__name__], "dtype": "float32"}
    config.pop("_name_or_path", None)
    atomic_write(folder / "config.json", json.dumps(config, indent=2, ensure_ascii=False, default=str) + "\n")
    save_file(
        attention_heads.pad_heads(model, mean_pooling.hub_state_dict(model)),
        folder / WEIGHTS,
        metadata={"format": "pt"},
    )
    copy_tokenizer(tokenizer_from, folder, max_length=max_length)


def copy_tokenizer(source: Path, folder: Path, *, max_length: int) -> None:
    """Copy a fast tokenizer's files and set the longest length; vocabulary files that it repeats are left out.

    Raises:
        ModelError: when there is no `tokenizer.json`.
    """
    file = source / "tokenizer.json"
    if not file.is_file():
        raise ModelError(f"{source}: no tokenizer.json; save the fast tokenizer with tokenizer.save_pretrained(...)")
    document = json.loads(file.read_text(encoding="utf-8"))
    document["padding"] = None
    document["truncation"] = None
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / "tokenizer.json", json.dumps(document, ensure_ascii=False, separators=(",", ":")))
    config_file = source / "tokenizer_config.json"
    settings = json.loads(config_file.read_text(encoding="utf-8")) if config_file.is_file() else {}
    settings.pop("auto_map", None)
    settings["model_max_length"] = max_length
    atomic_write(folder / "tokenizer_config.json", json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
    if (special := source / "special_tokens_map.json").is_file():
        shutil.copyfile(special, folder / special.name)


def rename_labels(model: PreTrainedModel, data_labels: Sequence[str]) -> None:
    """Give a classifier the data's spelling of the labels that both have, in place.

    Raises:
        ModelError: when the data has labels that the classifier lacks.
    """
    names = list(labels_of(model))
    for label, column in zip(data_labels, label_mapping(names, data_labels).columns, strict=True):
        names[column] = label
    set_labels(model.config, names)
