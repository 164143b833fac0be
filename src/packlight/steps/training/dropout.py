"""The dropout of an encoder."""

from torch import nn


def set_dropout(model: nn.Module, share: float) -> None:
    """Change the dropout of all layers, in place. What the configuration says stays.

    Args:
        model: any transformers model. Some layers keep their dropout in an `nn.Dropout`, others as a number.
        share: of the activations to set to zero during training, from 0 to below 1.
    """
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        for name, value in list(vars(module).items()):
            if "dropout" in name and isinstance(value, float):
                setattr(module, name, share)
