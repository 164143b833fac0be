"""Check a checkpoint's weights by its files alone, so that one that cannot be used is rejected before PyTorch is imported.

`hf_model` checks every architecture again when it opens the model. Here are those that most checkpoints have.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from packlight.errors import ModelError
from packlight.models.adoption import HeadPlan
from packlight.models.checkpoint import CONFIG, INDEX, TOKENIZER_CONFIG, Checkpoint
from packlight.models.config_files import read_json
from packlight.models.weight_files import missing_weights, plain_shapes, read_shapes, unfinished

_LAYER = re.compile(r"(?:^|\.)layer\.(\d+)\.(.+)$")
_HEADS = (
    "classifier",
    "pre_classifier",
    "pooler",
    "cls",
    "lm_head",
    "head",
    "score",
    "logits_proj",
    "qa_outputs",
    "vocab_",
)
"""beginnings of names of weights that a new head replaces"""
_OLD = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
"""names in checkpoints that were converted from TensorFlow"""
_BERT = (
    *(f"attention.self.{part}" for part in ("query", "key", "value")),
    *("attention.output.dense", "attention.output.LayerNorm"),
    *("intermediate.dense", "output.dense", "output.LayerNorm"),
)
_DISTILBERT = (
    *(f"attention.{part}_lin" for part in "qkv"),
    *("attention.out_lin", "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm"),
)
_MPNET = (*(f"attention.attn.{part}" for part in "qkvo"), "attention.LayerNorm", *_BERT[-3:])
_DEBERTA = (*(f"attention.self.{part}_proj" for part in ("query", "key", "value")), *_BERT[3:])
_DENSE_HEAD = ("classifier.dense", "classifier.out_proj")
_PARTS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "bert": (_BERT, ("classifier",)),
    "roberta": (_BERT, _DENSE_HEAD),
    "xlm-roberta": (_BERT, _DENSE_HEAD),
    "camembert": (_BERT, _DENSE_HEAD),
    "electra": (_BERT, _DENSE_HEAD),
    "distilbert": (_DISTILBERT, ("pre_classifier", "classifier")),
    "mpnet": (_MPNET, _DENSE_HEAD),
    "deberta-v2": (_DEBERTA, ("classifier",)),
}
"""by architecture: the modules of each layer, and of a classification head, each with a weight and a bias"""
_OFFSET = ("roberta", "xlm-roberta", "camembert", "mpnet")
"""architectures that count positions from the padding token"""


def check_weights(checkpoint: Checkpoint, plan: HeadPlan) -> None:
    """Check that the weights are all there, and finite, as far as that shows without PyTorch.

    Args:
        checkpoint: the model to start from.
        plan: whether its own head is kept.

    Raises:
        ModelError: if they are not. The message names the first ones.
    """
    where = checkpoint.reference
    if missing := sorted(_missing(checkpoint, plan)):
        raise ModelError(
            f"{where}: {missing_weights(missing)}; these would start with random weights. Save the whole model under the names "
            "that transformers gives its weights, with `model.save_pretrained`"
        )
    for name in checkpoint.weights:
        for problem in unfinished(checkpoint.path / name):
            if plan.own or not problem.name.startswith(_HEADS):
                raise ModelError(f"{where}: {problem}")


def stated_limit(checkpoint: Checkpoint) -> int | None:
    """The maximum length in tokens that the model's files state; None if they state none.

    `hf_model.length_limit` is the same for an opened model.
    """
    config = read_json(checkpoint.path / CONFIG, checkpoint.reference)
    file = checkpoint.path / TOKENIZER_CONFIG
    stated = [read_json(file, checkpoint.reference).get("model_max_length")] if file.is_file() else []
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int) and checkpoint.model_type in _OFFSET:
        positions -= config.get("pad_token_id", 1) + 1
    limits = [int(each) for each in (positions, *stated) if isinstance(each, int | float) and each > 0]
    return min(limits, default=None)


def _missing(checkpoint: Checkpoint, plan: HeadPlan) -> Iterator[str]:
    parts = _PARTS.get(checkpoint.model_type)
    if parts is None:
        return
    where = checkpoint.reference
    names = {_current(name) for name in plain_shapes(_shapes(checkpoint))}
    layers, head = parts
    found = {(int(match[1]), match[2]) for name in names if (match := _LAYER.search(name))}
    config: Mapping[str, Any] = read_json(checkpoint.path / CONFIG, where)
    depth = config.get("num_hidden_layers", config.get("n_layers"))
    for number in range(depth if isinstance(depth, int) else 0):
        for module in layers:
            for kind in ("weight", "bias"):
                if (number, f"{module}.{kind}") not in found:
                    yield f"layer.{number}.{module}.{kind}"
    if not any(name.endswith("embeddings.word_embeddings.weight") for name in names):
        yield "embeddings.word_embeddings.weight"
    if plan.own:
        yield from (
            f"{module}.{kind}" for module in head for kind in ("weight", "bias") if f"{module}.{kind}" not in names
        )


def _shapes(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    return {
        name: shape
        for file in checkpoint.weights
        for name, shape in read_shapes(checkpoint.path / file, checkpoint.reference, listed_in=INDEX).items()
    }


def _current(name: str) -> str:
    for old, new in _OLD.items():
        name = name.replace(old, new)
    return name
