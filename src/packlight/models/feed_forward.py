"""The feed-forward block of an encoder layer: a linear layer into the neurons, and one out of them."""

import torch
from torch import Tensor, nn

from packlight.errors import RecipeError

GATED = 2
"""rows for each neuron in a gated block: one for its value and one for its gate (Shazeer 2020, GLU Variants Improve
Transformer), as in ModernBERT"""


def blocks_of(layer: nn.Module, width: int) -> tuple[nn.Linear, nn.Linear]:
    """The two linear layers of a feed-forward block: into the neurons, and out of them.

    Args:
        layer: a layer of an encoder.
        width: the number of its neurons.

    Raises:
        RecipeError: if the block is built differently.
    """
    linear = [
        module for name, module in layer.named_modules() if isinstance(module, nn.Linear) and "att" not in name.lower()
    ]
    match linear:
        case [up, down] if down.in_features == width and up.out_features in (width, GATED * width):
            return up, down
    raise RecipeError(f"prune: {type(layer).__name__} has no feed-forward block with one layer up and one down")


def keep_neurons(layer: nn.Module, width: int, neurons: Tensor) -> None:
    """Keep only some neurons of a layer's feed-forward block, in place.

    Args:
        layer: a layer of an encoder.
        width: the number of its neurons.
        neurons: ascending indices of the neurons to keep, int64 [kept].
    """
    up, down = blocks_of(layer, width)
    # A gated block has all values first, followed by all gates.
    rows = torch.cat([neurons + start for start in range(0, up.out_features, width)])
    up.weight = nn.Parameter(up.weight.detach()[rows].clone())
    if up.bias is not None:
        up.bias = nn.Parameter(up.bias.detach()[rows].clone())
    down.weight = nn.Parameter(down.weight.detach()[:, neurons].clone())
    up.out_features, down.in_features = len(rows), len(neurons)
