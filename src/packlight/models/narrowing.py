"""A classifier with narrower hidden states, in the directions that matter.

The hidden states of all layers, [tokens, hidden], are multiplied by one matrix of orthonormal columns, [hidden, width], which is
folded into the weights (Ashkboos et al. 2024, SliceGPT, section 3). SliceGPT needs RMSNorm, which a rotation leaves as it is. In
an encoder whose layers end in LayerNorm, two steps make up for that:

    the mean       LayerNorm subtracts the mean of the channels. If the columns are such that every narrow state has a mean of
                   zero, nothing is lost by that (`directions`).
    the gains      A gain for each channel has no form after a rotation. In pretrained encoders, they are nearly equal, and their
                   mean takes their place.

What is left of the error, training restores.
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from packlight.models import attention_heads
from packlight.models.mean_pooling import ArchitectureLayout, MeanPooling, encoder_layers, is_pooled, layers_path

NARROWED = ("bert", "roberta", "xlm-roberta", "camembert", "distilbert")
"""architectures by `model_type`: those with LayerNorm behind each block, and with embeddings as wide as the hidden states"""


def hidden_norms(model: PreTrainedModel) -> list[nn.LayerNorm]:
    """All LayerNorms, each of whose output [batch, tokens, hidden] is a hidden state."""
    family = attention_heads.known_family(model)
    modules = [model.base_model.get_submodule("embeddings.LayerNorm")]
    modules += [layer.get_submodule(name) for layer in encoder_layers(model) for name in family.norms]
    return [module for module in modules if isinstance(module, nn.LayerNorm)]


def directions(moments: Tensor, width: int) -> tuple[Tensor, float]:
    """The directions that hold most of the hidden states.

    Args:
        moments: the sum of state x state^T over hidden states, float64 [hidden, hidden].
        width: channels to keep.

    Returns:
        Orthonormal columns [hidden, width] of rank `width - 1`, whose products with any state sum to zero, and the share of
        the states' squared length that they hold.
    """
    values, vectors = torch.linalg.eigh(moments)
    best = vectors[:, 1 - width :]
    # An orthonormal basis of all vectors of length `width` that sum to zero.
    spread = torch.eye(width, dtype=moments.dtype) - 1 / width
    without_mean = torch.linalg.eigh(spread).eigenvectors[:, 1:]
    return best @ without_mean.T, float(values[1 - width :].sum() / values.sum())


@torch.no_grad()
def narrow(model: PreTrainedModel, basis: Tensor, held: float) -> None:
    """Make the hidden states narrower, in place. Attention heads are removed before.

    Args:
        model: a model of one of the architectures above, with as many attention heads as fit into the new width.
        basis: what `directions` gives: [hidden, width].
        held: the share of the states' squared length.
    """
    family, basis = attention_heads.known_family(model), basis.float()
    longer = (held * len(basis) / basis.shape[1]) ** 0.5
    """LayerNorm gives every state the length sqrt(channels) before its gains. A part of a state is `longer` in relation to that."""
    _narrow_embeddings(model, basis, longer)
    for layer in encoder_layers(model):
        for name in (family.query, family.key, family.value, family.feed_forward[0]):
            _narrow_input(layer.get_submodule(name), basis)
        for name in (family.output, family.feed_forward[1]):
            _narrow_output(layer.get_submodule(name), basis)
        for name in family.norms:
            _narrow_norm(layer.get_submodule(name), basis, longer)
    for module in model.get_submodule(layers_path(model)).children():
        if isinstance(module, MeanPooling):
            module.narrow(basis.shape[1])
    _narrow_head(model, family, basis, longer)
    model.config.hidden_size = basis.shape[1]
    model.config.num_attention_heads = attention_heads.num_heads(model)
    if hasattr(model.config, attention_heads.CONFIG_KEY):
        delattr(model.config, attention_heads.CONFIG_KEY)


def _narrow_embeddings(model: PreTrainedModel, basis: Tensor, longer: float) -> None:
    for module in model.base_model.get_submodule("embeddings").children():
        if isinstance(module, nn.Embedding):
            centred = module.weight - module.weight.mean(dim=1, keepdim=True)
            module.weight = nn.Parameter(centred @ basis)
            module.embedding_dim = basis.shape[1]
        elif isinstance(module, nn.LayerNorm):
            _narrow_norm(module, basis, longer)


def _narrow_input(linear: nn.Module, basis: Tensor) -> None:
    assert isinstance(linear, nn.Linear)  # in every family above
    linear.weight = nn.Parameter(linear.weight @ basis)
    linear.in_features = basis.shape[1]


def _narrow_output(linear: nn.Module, basis: Tensor) -> None:
    """Narrow what a block adds to the hidden state. The LayerNorm behind it subtracts the mean, so that it can go before."""
    assert isinstance(linear, nn.Linear)  # in every family above
    linear.weight = nn.Parameter(basis.T @ (linear.weight - linear.weight.mean(dim=0, keepdim=True)))
    linear.bias = nn.Parameter((linear.bias - linear.bias.mean()) @ basis)
    linear.out_features = basis.shape[1]


def _narrow_norm(norm: nn.Module, basis: Tensor, longer: float) -> None:
    assert isinstance(norm, nn.LayerNorm)  # in every family above
    width = basis.shape[1]
    norm.weight = nn.Parameter(torch.full((width,), norm.weight.mean().item() * longer))
    norm.bias = nn.Parameter(norm.bias @ basis)
    norm.normalized_shape = (width,)


def _narrow_head(model: PreTrainedModel, family: ArchitectureLayout, basis: Tensor, longer: float) -> None:
    """Narrow the head's dense layer on both sides, and the input of its final layer.

    The shift of a pooled head's dense layer is what its activation passes on of every channel, so it is not rotated.
    """
    dense, final = model.get_submodule(family.head_dense), model.get_submodule(family.head_final)
    assert isinstance(dense, nn.Linear)  # in every family above
    assert isinstance(final, nn.Linear)  # in every family above
    pooled = is_pooled(model)
    shift = family.head_shift if pooled else 0.0
    dense.weight = nn.Parameter((longer if pooled else 1.0) * basis.T @ dense.weight @ basis)
    dense.bias = nn.Parameter((dense.bias - shift) @ basis + shift)
    narrower = final.weight @ basis
    final.bias = nn.Parameter(final.bias + shift * (final.weight.sum(dim=1) - narrower.sum(dim=1)))
    final.weight = nn.Parameter(narrower)
    dense.in_features = dense.out_features = final.in_features = basis.shape[1]
