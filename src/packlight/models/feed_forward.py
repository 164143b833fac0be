"""The feed-forward block of an encoder layer."""

from torch import nn

from packlight.errors import RecipeError


def blocks_of(layer: nn.Module, width: int) -> tuple[nn.Linear, nn.Linear]:
    """The two linear layers of a feed-forward block: into the neurons, and out of them.

    Args:
        layer: of an encoder.
        width: the number of its neurons.

    Raises:
        RecipeError: when there are others, as in gated blocks.
    """
    linear = [
        module for name, module in layer.named_modules() if isinstance(module, nn.Linear) and "att" not in name.lower()
    ]
    match linear:
        case [up, down] if up.out_features == down.in_features == width:
            return up, down
    raise RecipeError(f"prune: {type(layer).__name__} has no feed-forward block with one layer up and one down")
