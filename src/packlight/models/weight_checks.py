"""Check a checkpoint's weights by its files alone, so that one that cannot be used is rejected before PyTorch is imported.

The weights of the architectures that most checkpoints have are known by name. In others, gaps show between layers.
`hf_model` checks every architecture again when it opens the model.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from packlight.errors import ModelError
from packlight.formatting import counted
from packlight.models.adoption import HeadPlan
from packlight.models.checkpoint import CONFIG, INDEX, TOKENIZER_CONFIG, Checkpoint
from packlight.models.config_files import read_json
from packlight.models.families import FAMILIES
from packlight.models.labels import some_labels
from packlight.models.layer_gaps import depth_of, layer_gaps, number_of_layers
from packlight.models.weight_files import Shapes, missing_weights, non_finite_tensors, read_shapes, whole_numbers
from packlight.models.weight_names import base_of, known_base, plain, prefixes

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
_KINDS = ("weight", "bias")
_TABLES = {
    "embeddings.word_embeddings.weight": "vocab_size",
    "embeddings.position_embeddings.weight": "max_position_embeddings",
}
"""tables of embeddings, and the key of the configuration for their number of rows"""
_HEAD_TOPS = ("classifier", "score", "logits_proj", "sequence_summary", "classification_head")
"""modules that classify texts, in any architecture but the next"""
_HEAD_INSIDE = "perceiver"
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
    names = plain(_shapes(checkpoint))
    if misplaced := _misplaced(checkpoint, names):
        raise ModelError(f"{where}: {misplaced}")
    names = {name.removeprefix(checkpoint.inside): shape for name, shape in names.items()}
    if contradiction := _contradiction(checkpoint, names):
        raise ModelError(
            f"{where}: {contradiction}; save model and configuration together with `model.save_pretrained`"
        )
    if missing := sorted(_missing(checkpoint, plan, names)):
        raise ModelError(
            f"{where}: {missing_weights(missing)}; these would start with random weights. Save the whole model under the names "
            "that transformers gives its weights, with `model.save_pretrained`"
        )
    for name in checkpoint.weights:
        if (kind := whole_numbers(checkpoint.path / name)) is not None:
            raise ModelError(
                f"{where}: its weights are quantized already ({kind}); give the float checkpoint that it was made from"
            )
        for problem in non_finite_tensors(checkpoint.path / name, checkpoint.naming):
            if plan.own or not (problem.name.startswith(_HEADS) or problem.name in checkpoint.foreign):
                raise ModelError(f"{where}: {problem}")


def check_whole(checkpoint: Checkpoint) -> None:
    """Check a model that is used with its own head, or as an encoder, without data to compare its labels with.

    Raises:
        ModelError: if its head is another kind or unknown, or for the reasons of `check_weights`.
    """
    checkpoint.check_task()
    labels = checkpoint.labels or ()
    check_weights(checkpoint, HeadPlan(labels, len(labels)))


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


def _misplaced(checkpoint: Checkpoint, shapes: Shapes) -> str | None:
    """What is wrong if the model's weights are not where transformers expects them; None if they are."""
    family, under = FAMILIES.get(checkpoint.model_type), prefixes(shapes)
    if family is None:
        base = base_of(shapes)
        under = () if known_base(base, checkpoint.model_type) else (f"{base}.",)
    elif checkpoint.inside or not set(under) - {"", f"{family.base}."}:
        under = ()
    if not under:
        return None
    shown = " and ".join(f"`{each}`" if each else "no prefix" for each in sorted(under))
    beside = sorted(name for name in shapes if not name.startswith(under))
    others = f", and beside them {counted(len(beside), 'weight')} ({some_labels(beside, 3)})" if beside else ""
    return (
        f"it has weights under {shown}{others}, so packlight can't tell which are the model's; save the model alone, under the names "
        "that transformers gives its weights, with `save_pretrained` of the model inside"
    )


def _contradiction(checkpoint: Checkpoint, shapes: Shapes) -> str | None:
    """What config.json says otherwise than the weights; None if nothing."""
    config: Mapping[str, Any] = read_json(checkpoint.path / CONFIG, checkpoint.reference)
    for key, value in config.items():
        share = isinstance(value, int | float) and key.endswith(("dropout", "_prob"))
        if share and not 0 <= value <= 1:
            return f"its {CONFIG} has {key} {value}, which is not from 0 to 1"
    stated, held = depth_of(config), number_of_layers(shapes)
    if 0 < stated < held:
        return f"its weights have {held} layers, but its {CONFIG} says {stated}"
    if checkpoint.model_type not in FAMILIES:
        return None
    width = config.get("embedding_size", config.get("hidden_size", config.get("dim")))
    for end, key in _TABLES.items():
        name, shape = next(((name, shape) for name, shape in shapes.items() if name.endswith(end)), ("", ()))
        wanted = (config.get(key), width)
        if name and None not in wanted and shape != wanted:
            return f"{name} is {' x '.join(map(str, shape))}, but its {CONFIG} says {' x '.join(map(str, wanted))}"
    return None


def _missing(checkpoint: Checkpoint, plan: HeadPlan, shapes: Shapes) -> Iterator[str]:
    config: Mapping[str, Any] = read_json(checkpoint.path / CONFIG, checkpoint.reference)
    family = FAMILIES.get(checkpoint.model_type)
    if family is None:
        yield from layer_gaps(shapes, config)
        headless = not any(name.partition(".")[0] in _HEAD_TOPS for name in shapes)
        if plan.own and headless and checkpoint.model_type != _HEAD_INSIDE:
            yield "the classification head"
        return
    names = {_current(name) for name in shapes}
    known = f"{family.base}."
    base = known if any(name.startswith(known) for name in names) else ""
    depth = config.get("num_hidden_layers", config.get("n_layers"))
    needed = [
        f"{family.layers}.{number}.{module}"
        for number in range(depth if isinstance(depth, int) else 0)
        for module in family.layer
    ]
    yield from (
        f"{base}{module}.{kind}" for module in needed for kind in _KINDS if f"{base}{module}.{kind}" not in names
    )
    tables = [*family.embeddings, "LayerNorm"]
    yield from (name for table in tables if (name := f"{base}embeddings.{table}.weight") not in names)
    if plan.own:
        yield from (f"{module}.{kind}" for module in family.head for kind in _KINDS if f"{module}.{kind}" not in names)


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
