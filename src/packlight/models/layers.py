"""The encoder layers of a classifier: their number and width, and a copy with fewer."""

import copy
from collections.abc import Sequence

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from packlight.errors import RecipeError
from packlight.models import mean_pooling


def keep_layers(teacher: PreTrainedModel, layers: Sequence[int] | int) -> PreTrainedModel:
    """Build a student from some of the teacher's layers, with its embeddings and head.

    Args:
        teacher: a classifier. It is not changed.
        layers: indices from 0, or the number of layers to take, evenly spaced from the first to the last.

    Raises:
        RecipeError: if the teacher lacks one of them.
    """
    held = len(mean_pooling.encoder_layers(teacher))
    chosen = evenly_spaced_layers(layers, held) if isinstance(layers, int) else list(layers)
    if chosen and chosen[0] != 0 and getattr(teacher.config, "layer_types", None):
        raise RecipeError(
            f"layers {chosen} cannot be taken: the first layer of {teacher.config.model_type} must be kept"
        )
    if not chosen or min(chosen) < 0 or max(chosen) >= held or sorted(set(chosen)) != chosen:
        raise RecipeError(f"layers {chosen} cannot be taken: give increasing indices from 0 to {held - 1}")
    student = copy.deepcopy(teacher)
    path = mean_pooling.layers_path(student)
    modules = student.get_submodule(path)
    assert isinstance(modules, nn.ModuleList)  # layers_path finds module lists
    rest = list(modules)[held:]
    kept = nn.ModuleList([*(modules[index] for index in chosen), *rest])
    owner, _, attribute = path.rpartition(".")
    setattr(student.get_submodule(owner), attribute, kept)
    _set_depth(student, [*chosen, *range(held, held + len(rest))])
    for place, layer in enumerate(kept):
        # Decoders find a layer's cache by its index.
        for module in layer.modules():
            if "layer_idx" in vars(module):
                vars(module)["layer_idx"] = place
    return student


def first_layer_differs(model: PreTrainedModel) -> bool:
    """Whether the first layer is built differently from the second, as in ModernBERT.

    Raises:
        ModelError: if the layers are not known.
    """
    shapes = [
        {name: value.shape for name, value in layer.state_dict().items()}
        for layer in mean_pooling.encoder_layers(model)[:2]
    ]
    return len(shapes) > 1 and shapes[0] != shapes[1]


def _set_depth(model: PreTrainedModel, places: Sequence[int]) -> None:
    """Reduce the configuration to the layers with these indices."""
    config = model.config
    for name in LAYER_LISTS:
        if isinstance(each := getattr(config, name, None), list | tuple):
            setattr(config, name, [each[place] for place in places])
    setattr(config, "n_layers" if hasattr(config, "n_layers") else "num_hidden_layers", len(places))


def evenly_spaced_layers(count: int, held: int) -> list[int]:
    """`count` of `held` layers, evenly spaced from the first to the last; only the first if it is one.

    Raises:
        RecipeError: If the model has fewer layers.
    """
    if not 1 <= count <= held:
        raise RecipeError(f"{count} layers cannot be taken from a teacher with {held}")
    return [round(place) for place in np.linspace(0, held - 1, count)]


LAYER_LISTS = ("layer_types", "mlp_layer_types", "attention_window")
"""keys of a configuration for lists with an entry per layer"""

WIDTH_NAMES = ("intermediate_size", "hidden_dim")
"""keys of a configuration for the width of a feed-forward block"""


def feed_forward_width(model: PreTrainedModel) -> int:
    """The number of neurons in each feed-forward block."""
    return int(getattr(model.config, width_name(model)))


def width_name(model: PreTrainedModel) -> str:
    """The configuration's key for the width of the feed-forward blocks."""
    for name in WIDTH_NAMES:
        if hasattr(model.config, name):
            return name
    raise RecipeError(f"prune: the configuration of {model.config.model_type!r} has no {' or '.join(WIDTH_NAMES)}")
