"""Models with fewer attention heads than a standard configuration can express.

In a standard configuration, the number of heads is a divisor of the hidden width, so it can't express four heads of
twelve, each as wide as before. But a head whose value rows and output columns are zero adds nothing:

    output = sum over heads of  attention(head) @ value(head) @ output columns(head)

In memory, query, key and value of each layer only have the rows of the remaining heads, and the output projection only
their columns. On disk, they are padded with zeros to the standard shape, so that `AutoModelForSequenceClassification`
opens the folder and gives the same predictions. `CONFIG_KEY` in the configuration has the number of remaining heads,
which come first in every layer.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from packlight.errors import ModelError
from packlight.models.mean_pooling import ArchitectureLayout, encoder_layers, family_of, layers_path

CONFIG_KEY = "packlight_heads"
COUNTS = ("num_attention_heads", "n_heads")
WIDTHS = ("all_head_size", "dim")
"""attributes of attention modules for the number of heads, and for their total width"""


def num_heads(model: PreTrainedModel) -> int:
    """The number of heads in each layer; 0 if the configuration doesn't state it.

    Raises:
        ModelError: if the number is not possible.
    """
    stock = int(getattr(model.config, "num_attention_heads", 0))
    said = getattr(model.config, CONFIG_KEY, None)
    if said is None:
        return stock
    if not isinstance(said, int) or not 1 <= said <= stock:
        raise ModelError(f"{CONFIG_KEY} in config.json is {said!r}; expected a number of heads from 1 to {stock}")
    return said


def head_dim(model: PreTrainedModel) -> int:
    """The number of channels of a head."""
    return int(model.config.hidden_size // model.config.num_attention_heads)


def known_family(model: PreTrainedModel) -> ArchitectureLayout:
    """Find the model's projections.

    Raises:
        ModelError: if that is not known.
    """
    family = family_of(model)
    if family is None:
        raise ModelError(f"the attention heads of {model.config.model_type!r} are not supported")
    return family


def outputs(model: PreTrainedModel) -> list[nn.Linear]:
    """The output projection of each layer's attention, whose input is [batch, tokens, heads x size].

    Raises:
        ModelError: if they are not known.
    """
    family = known_family(model)
    return [_linear(layer, family.output) for layer in encoder_layers(model)]


def keep_heads(model: PreTrainedModel, chosen: Sequence[Tensor]) -> None:
    """Keep only some heads of each layer, in place.

    Args:
        model: a model of a known family.
        chosen: for each layer, the indices of the heads to keep, the same number for all layers.

    Raises:
        ModelError: if the model's heads are not known.
    """
    family, width = known_family(model), head_dim(model)
    for layer, heads in zip(encoder_layers(model), chosen, strict=True):
        channels = (heads[:, None] * width + torch.arange(width)).flatten()
        for name in (family.query, family.key, family.value):
            into = _linear(layer, name)
            into.weight = nn.Parameter(into.weight.detach()[channels].clone())
            into.bias = nn.Parameter(into.bias.detach()[channels].clone())
            into.out_features = len(channels)
        out = _linear(layer, family.output)
        out.weight = nn.Parameter(out.weight.detach()[:, channels].clone())
        out.in_features = len(channels)
        attention = layer.get_submodule(family.query.rpartition(".")[0])
        for names, value in ((COUNTS, len(heads)), (WIDTHS, len(channels))):
            for attribute in names:
                if hasattr(attention, attribute):
                    setattr(attention, attribute, value)
    setattr(model.config, CONFIG_KEY, len(chosen[0]))


def shrink_heads(model: PreTrainedModel, *, filled: bool = True) -> None:
    """Remove the heads that pad a standard checkpoint, in place. Does nothing if there are none.

    Args:
        model: a transformers model with folded mean pooling.
        filled: whether weights are loaded, so that the padding must be zero.

    Raises:
        ModelError: if the configuration's number is not possible, or if a head to remove is not zero.
    """
    count = num_heads(model)
    if not _is_cut(model):
        return
    family, first = known_family(model), count * head_dim(model)
    for layer in encoder_layers(model) if filled else ():
        value, out = _linear(layer, family.value), _linear(layer, family.output)
        if value.weight[first:].any() or value.bias[first:].any() or out.weight[:, first:].any():
            raise ModelError(
                f"{CONFIG_KEY} in config.json is {count}, but the heads after these are not zero: the checkpoint was "
                f"trained further elsewhere; remove {CONFIG_KEY} from config.json to open it with all its heads"
            )
    keep_heads(model, [torch.arange(count)] * len(encoder_layers(model)))


def pad_heads(model: PreTrainedModel, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state in standard shapes, with zeros for removed heads.

    Args:
        model: the model of the state.
        state: all tensors by name, from `mean_pooling.hub_state_dict`.
    """
    stock = dict(state)
    if _is_cut(model):
        hidden = int(model.config.hidden_size)
        for name, axis in _axes(model):
            missing = hidden - stock[name].shape[axis]
            shape = [missing if place == axis else length for place, length in enumerate(stock[name].shape)]
            stock[name] = torch.cat([stock[name], stock[name].new_zeros(shape)], axis)
    return stock


def _is_cut(model: PreTrainedModel) -> bool:
    """Whether there are fewer heads than in the standard configuration."""
    return num_heads(model) < getattr(model.config, "num_attention_heads", 0)


def _axes(model: PreTrainedModel) -> Iterator[tuple[str, int]]:
    """Names of the tensors that have heads, and the axis of the heads."""
    family, path = known_family(model), layers_path(model)
    for index in range(len(encoder_layers(model))):
        for name in (family.query, family.key, family.value):
            yield f"{path}.{index}.{name}.weight", 0
            yield f"{path}.{index}.{name}.bias", 0
        yield f"{path}.{index}.{family.output}.weight", 1


def _linear(layer: nn.Module, name: str) -> nn.Linear:
    module = layer.get_submodule(name)
    assert isinstance(module, nn.Linear)  # in every family that is known
    return module
