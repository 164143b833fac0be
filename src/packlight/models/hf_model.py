"""PyTorch sequence classifiers: open from a folder, build from an encoder, save as a standard checkpoint."""

import json
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers import __version__ as version
from transformers.utils import logging

from packlight.errors import ModelError
from packlight.files import atomic_write
from packlight.models import attention_heads, mean_pooling
from packlight.models.checkpoint import INDEX, WEIGHTS, weight_files
from packlight.models.labels import adopted_labels
from packlight.models.weight_files import NonFiniteTensor, missing_weights, read_shapes
from packlight.models.weight_names import renaming

INT8_SCALE = ".weight_scale"
"""suffix of the names of int8 scales"""

NO_LIMIT = 1_000_000
"""tokenizers without a maximum length state 1e30"""
LONGEST_UNSTATED = 512
"""maximum number of tokens if neither model nor tokenizer states one"""

_OPEN: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}

_REFUSALS = (
    OSError,
    ValueError,
    KeyError,
    RuntimeError,
    SafetensorError,
    AssertionError,
    AttributeError,
    TypeError,
    ImportError,
    StrictDataclassError,
)
"""exceptions of transformers for a folder that is not a model: missing file, unknown architecture, wrong shapes,
damaged weights, contradictory or mistyped settings, missing library"""


def silence_transformers() -> None:
    """Silence the messages and progress bars of transformers."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def open_classifier(folder: Path, *, attention: str | None = None) -> PreTrainedModel:
    """Open a classifier's folder on the CPU in evaluation mode, with folded mean pooling and without padded heads.

    Args:
        folder: a folder in the Hub's layout, with `model.safetensors`.
        attention: one of transformers' attention implementations. Defaults to the best that the architecture has.

    Raises:
        ModelError: if the folder has no such model, or if weights are missing or not finite.
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
            key_mapping=renaming(_weight_names(folder)),
            **_OPEN,
        )
    except _REFUSALS as error:
        raise ModelError(f"{folder}: not a sequence classifier that transformers opens: {_reason(error)}") from error
    if any(name.endswith(INT8_SCALE) for name in loading["unexpected_keys"]):
        raise ModelError(f"{folder}: its weights are int8; give the float32 variant that it was made from")
    if missing := sorted(loading["missing_keys"]):
        raise ModelError(
            f"{folder}: {_missing(missing, loading)}; these would start with random weights. Save the whole fine-tuned classifier "
            "under the names that transformers gives its weights, with `model.save_pretrained`"
        )
    check_finite(model, folder)
    _fold(model, folder)
    model.eval()
    return model


def empty_classifier(folder: Path) -> PreTrainedModel:
    """The architecture in `config.json` without weights, folded as by `open_classifier`.

    Raises:
        ModelError: if transformers doesn't know the architecture.
    """
    config = read_config(folder)
    try:
        model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
    except _REFUSALS as error:
        raise ModelError(f"{folder}: its architecture is unknown to transformers: {error}") from error
    _fold(model, folder, filled=False)
    model.eval()
    return model


def read_config(folder: Path) -> PreTrainedConfig:
    """The content of `config.json`.

    Raises:
        ModelError: if transformers doesn't know the architecture.
    """
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(folder, **_OPEN)
    except _REFUSALS as error:
        raise ModelError(f"{folder}: its architecture is unknown to transformers: {error}") from error
    return config


def _fold(model: PreTrainedModel, folder: Path, *, filled: bool = True) -> None:
    """Convert a model from its standard form to the more efficient one, in place."""
    if mean_pooling.is_pooled(model):
        mean_pooling.fold(model)
    try:
        attention_heads.shrink_heads(model, filled=filled)
    except ModelError as error:
        raise ModelError(f"{folder}: {error}") from error


def build_classifier(encoder_folder: Path, labels: Sequence[str], *, seed: int) -> PreTrainedModel:
    """Put a new classification head on a pretrained encoder, mean-pooled where the architecture allows it.

    Raises:
        ModelError: if the folder has no encoder that transformers can open, or if its weights are missing or not
            finite.
    """
    silence_transformers()
    torch.manual_seed(seed)
    try:
        config = AutoConfig.from_pretrained(encoder_folder, **_OPEN)
        encoder, loading = AutoModel.from_pretrained(
            encoder_folder,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            key_mapping=renaming(_weight_names(encoder_folder), encoder=config.model_type),
            **_OPEN,
        )
        set_labels(config, labels)
        pooled = config.model_type in mean_pooling.FAMILIES
        if pooled and not mean_pooling.is_pooled(encoder):
            depth = mean_pooling.FAMILIES[config.model_type].depth
            setattr(config, depth, getattr(config, depth) + 1)
        model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
    except _REFUSALS as error:
        raise ModelError(f"{encoder_folder}: not an encoder that transformers opens: {_reason(error)}") from error
    if missing := sorted(name for name in loading["missing_keys"] if "pooler" not in name):
        raise ModelError(
            f"{encoder_folder}: {_missing(missing, loading)}; these would start with random weights. Save the encoder again "
            "under the names that transformers gives its weights, with `model.save_pretrained`"
        )
    check_finite(encoder, encoder_folder)
    getattr(model, model.base_model_prefix).load_state_dict(encoder.state_dict(), strict=False)
    if pooled:
        mean_pooling.fold(model)
        mean_pooling.start_head(model)
    attention_heads.shrink_heads(model)
    model.eval()
    return model


def check_finite(model: PreTrainedModel, where: object) -> None:
    """Check that each weight is a finite number.

    Raises:
        ModelError: if one is not. The message names the first such tensor.
    """
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            wrong = tensor[~torch.isfinite(tensor)]
            raise ModelError(
                f"{where}: {NonFiniteTensor(name, len(wrong), tensor.numel(), first_is_nan=bool(wrong[0].isnan()))}"
            )


def _reason(error: Exception) -> str:
    """Why transformers cannot open a folder, as a message that users can act on."""
    if "ignore_mismatched_sizes" in str(error):
        return "its weights have other shapes than its config.json describes; save both together with `model.save_pretrained`"
    if isinstance(error, KeyError):
        return f"its config.json has {error}, which transformers does not know"
    if "does not recognize this architecture" in str(error):
        return f"transformers {version} does not know the architecture in its config.json; a newer one may"
    return str(error) or type(error).__name__


def _weight_names(folder: Path) -> list[str]:
    """The names of all tensors in a folder's weights."""
    names = [file.name for file in folder.iterdir() if file.is_file()] if folder.is_dir() else []
    if WEIGHTS not in names and INDEX not in names:
        return []
    where = str(folder)
    files = weight_files(folder, names, where)
    return [name for file in files for name in read_shapes(folder / file, where, listed_in=INDEX)]


def _missing(missing: Sequence[str], loading: Mapping[str, Collection[str]]) -> str:
    """A description of a checkpoint's missing weights, and its unknown ones."""
    instead = sorted(loading["unexpected_keys"])
    has = f"; it has {instead[0]} and {len(instead) - 1} more that the architecture does not know" if instead else ""
    return f"{missing_weights(missing)}{has}"


def set_labels(config: Any, labels: Sequence[str]) -> None:
    """Write the labels to a transformers configuration."""
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    config.problem_type = "single_label_classification"


def labels_of(model: PreTrainedModel) -> tuple[str, ...]:
    """Labels in the order of the logits."""
    id2label: Any = model.config.id2label
    return tuple(str(id2label[index]) for index in range(len(id2label)))


def max_positions(model: PreTrainedModel) -> int:
    """The maximum number of tokens for the model's positions; a very large number if it has no limit."""
    positions = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    if not isinstance(positions, nn.Embedding):
        return sys.maxsize
    # RoBERTa and similar models count positions from the padding id.
    return positions.num_embeddings - (0 if positions.padding_idx is None else positions.padding_idx + 1)


def final_layer(model: PreTrainedModel) -> nn.Linear:
    """The linear layer whose outputs are the logits.

    Raises:
        ModelError: if the last linear layer above the encoder does not have one output per label.
    """
    below = set(model.base_model.modules())
    linear = [module for module in model.modules() if isinstance(module, nn.Linear) and module not in below]
    if not linear or linear[-1].out_features != model.config.num_labels:
        raise ModelError(f"{type(model).__name__}: its last linear layer does not give one logit per label")
    return linear[-1]


def add_labels(model: PreTrainedModel, labels: Sequence[str]) -> None:
    """Add labels to a classifier, in place: rows of zeros below its own.

    Args:
        model: a classifier with the first of these labels.
        labels: all labels.
    """
    final = final_layer(model)
    more = len(labels) - final.out_features
    with torch.no_grad():
        final.weight = nn.Parameter(torch.cat([final.weight, final.weight.new_zeros(more, final.in_features)]))
        if final.bias is not None:
            final.bias = nn.Parameter(torch.cat([final.bias, final.bias.new_zeros(more)]))
    final.out_features = len(labels)
    set_labels(model.config, labels)
    vars(model)["num_labels"] = len(labels)


def save_classifier(model: PreTrainedModel, folder: Path, *, tokenizer_from: Path, max_length: int) -> None:
    """Write config.json, model.safetensors and the tokenizer's files as a standard checkpoint."""
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
    """Copy a fast tokenizer's files, without redundant vocabulary files, and set the maximum length.

    Raises:
        ModelError: if there is no `tokenizer.json`.
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


def length_limit(model: PreTrainedModel, tokenizer: Path) -> int:
    """A model's maximum length in tokens: its number of positions, or less if its tokenizer states less.

    Args:
        model: a classifier.
        tokenizer: the folder of its tokenizer.
    """
    file = tokenizer / "tokenizer_config.json"
    stated = json.loads(file.read_text(encoding="utf-8")).get("model_max_length") if file.is_file() else None
    positions = max_positions(model)
    if positions == sys.maxsize:
        # Relative and rotary positions have no table. -1 means no limit, as in XLNet.
        named = getattr(model.config, "max_position_embeddings", None)
        positions = named if isinstance(named, int) and named > 0 else positions
    limit = min(positions, int(stated) if isinstance(stated, int | float) and stated > 0 else sys.maxsize)
    return limit if limit < NO_LIMIT else LONGEST_UNSTATED


def rename_labels(model: PreTrainedModel, data_labels: Sequence[str]) -> None:
    """Use the data's spelling of a classifier's labels, in place. See `adopted_labels`.

    Raises:
        ModelError: if the data has labels that the classifier lacks.
    """
    set_labels(model.config, adopted_labels(labels_of(model), data_labels))
