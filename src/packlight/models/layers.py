"""The encoder layers of a classifier: how many there are, how wide they are, and a copy with fewer."""

import copy
from collections.abc import Sequence

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from packlight.errors import RecipeError
from packlight.models import mean_pooling


def keep_layers(teacher: PreTrainedModel, layers: Sequence[int] | int) -> PreTrainedModel:
    """A student made of some of the teacher's layers, with its embeddings and head.

    Args:
        teacher: left as it is.
        layers: indices from 0, or how many to take, evenly spaced from the first to the last.

    Raises:
        RecipeError: when the teacher lacks one of them.
    """
    held = len(mean_pooling.encoder_layers(teacher))
    chosen = evenly_spaced_layers(layers, held) if isinstance(layers, int) else list(layers)
    if not chosen or min(chosen) < 0 or max(chosen) >= held or sorted(set(chosen)) != chosen:
        raise RecipeError(f"layers {chosen} cannot be taken: give rising numbers from 0 to {held - 1}")
    student = copy.deepcopy(teacher)
    path = mean_pooling.layers_path(student)
    modules = student.get_submodule(path)
    assert isinstance(modules, nn.ModuleList)  # layers_path finds module lists
    rest = list(modules)[held:]
    kept = nn.ModuleList([*(modules[index] for index in chosen), *rest])
    owner, _, attribute = path.rpartition(".")
    setattr(student.get_submodule(owner), attribute, kept)
    depth = "n_layers" if hasattr(student.config, "n_layers") else "num_hidden_layers"
    setattr(student.config, depth, len(kept))
    return student


def evenly_spaced_layers(count: int, held: int) -> list[int]:
    """`count` of `held` layers, evenly spaced, the first and the last among them; the first where it is one.

    Raises:
        RecipeError: when there are not so many.
    """
    if not 1 <= count <= held:
        raise RecipeError(f"{count} layers cannot be taken of a teacher with {held}")
    return [round(place) for place in np.linspace(0, held - 1, count)]


WIDTH_NAMES = ("intermediate_size", "hidden_dim")
"""what configurations call the width of a feed-forward block"""


def feed_forward_width(model: PreTrainedModel) -> int:
    """Neurons of each feed-forward block."""
    return int(getattr(model.config, width_name(model)))


def width_name(model: PreTrainedModel) -> str:
    """The configuration's name for the width of the feed-forward blocks."""
    for name in WIDTH_NAMES:
        if hasattr(model.config, name):
            return name
    raise RecipeError(f"prune: the configuration of {model.config.model_type!r} has no {' or '.join(WIDTH_NAMES)}")
