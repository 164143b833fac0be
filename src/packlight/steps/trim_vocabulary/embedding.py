"""The rows of a model's embedding that belong to a trimmed tokenizer."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from packlight.errors import ModelError

_ID = "_token_id"
"""suffix of the configuration's keys that hold token ids"""


def fixed_ids(model: PreTrainedModel) -> set[int]:
    """Ids in the model's configuration, and those that its positions are counted from."""
    named = {number for value in _named_ids(model.config).values() for number in _each(value)}
    return named | set(range(ids_up_to(model)))


def ids_up_to(model: PreTrainedModel) -> int:
    """Number of leading ids that must not change: RoBERTa and others count positions from the padding id."""
    positions = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    padding = getattr(positions, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


def cut_embedding(model: PreTrainedModel, old_ids: Sequence[int]) -> None:
    """Reduce the input embedding to some rows, in place, and renumber the ids in the configuration.

    Args:
        model: a classifier. Its other weights don't change.
        old_ids: for each row of the new table, its row in the old one.

    Raises:
        ModelError: if a token has no row, or if the padding id that positions are counted from would change.
    """
    whole = model.get_input_embeddings()
    assert isinstance(whole, nn.Embedding)  # transformers' own contract
    if max(old_ids) >= whole.num_embeddings:
        raise ModelError(
            f"the tokenizer has a token with the id {max(old_ids)}, but the model has {whole.num_embeddings:,} "
            "embeddings; give it the tokenizer that it was trained with"
        )
    first = ids_up_to(model)
    if list(old_ids[:first]) != list(range(first)):
        raise ModelError(
            f"{model.config.model_type}: counts positions from the padding id {first - 1}, below which the tokenizer "
            "has ids without tokens; it cannot be trimmed"
        )
    new_ids = {old: new for new, old in enumerate(old_ids)}
    rows = whole.weight.detach()[torch.tensor(old_ids)].clone()
    padding = None if whole.padding_idx is None else new_ids.get(whole.padding_idx)
    model.set_input_embeddings(nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=padding))
    for name, value in _named_ids(model.config).items():
        found = [new_ids[number] for number in _each(value) if number in new_ids]
        setattr(model.config, name, found if isinstance(value, list) else next(iter(found), None))
    model.config.vocab_size = len(old_ids)


def _named_ids(config: Any) -> dict[str, int | list[int]]:
    return {name: value for name, value in config.to_dict().items() if name.endswith(_ID) and value is not None}


def _each(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value]
