"""The feed-forward block of an encoder layer: one linear layer into the neurons, and one out of them."""

import torch
from torch import Tensor, nn

from packlight.errors import RecipeError

GATED = 2
"""rows for each neuron in a gated block: one for its value and one for its gate (Shazeer 2020, GLU Variants Improve
Transformer), as in ModernBERT"""


def blocks_of(layer: nn.Module, width: int) -> tuple[nn.Linear, nn.Linear]:
    """The two linear layers of a feed-forward block: into the neurons, and out of them.

    Args:
        layer: of an encoder.
        width: the number of its neurons.

    Raises:
        RecipeError: when there are others.
    """
    linear = [
        module for name, module in layer.named_modules() if isinstance(module, nn.Linear) and "att" not in name.lower()
    ]
    match linear:
        case [up, down] if down.in_features == width and up.out_features in (width, GATED * width):
            return up, down
    raise RecipeError(f"prune: {type(layer).__name__} has no feed-forward block with one layer up and one down")


def keep_neurons(layer: nn.Module, width: int, neurons: Tensor) -> None:
    """Take all but some neurons out of a layer's feed-forward block, in place.

    Args:
        layer: of an encoder.
        width: the number of its neurons.
        neurons: their rising numbers, int64 [kept].
    """
    up, down = blocks_of(layer, width)
    # A gated block has all values first and all gates after them.
    rows = torch.cat([neurons + start for start in range(0, up.out_features, width)])
    up.weight = nn.Parameter(up.weight.detach()[rows].clone())
    if up.bias is not None:
        up.bias = nn.Parameter(up.bias.detach()[rows].clone())
    down.weight = nn.Parameter(down.weight.detach()[:, neurons].clone())
    up.out_features, down.in_features = len(rows), len(neurons)
