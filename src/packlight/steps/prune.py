"""Structured pruning: whole layers, feed-forward neurons and attention heads are taken out: what is left is smaller.

A neuron's importance is the change of the loss to be expected when it is silenced, to first order: the square of the
sum of activation times gradient over a text's tokens, averaged over training texts (Molchanov et al. 2019, Importance
Estimation for Neural Network Pruning, equation 8, taken for whole neurons). A head's is the absolute value of the same
sum over its channels (Michel, Levy & Neubig 2019, Are Sixteen Heads Really Better than One?, equation 2). Every layer
keeps the same number, because configurations know one for all; which ones differs. The pruned model forgets much and
is healed by distillation afterwards (Hou et al. 2020, DynaBERT, section 2).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from packlight.classifier import heads
from packlight.classifier.pooling import encoder_layers
from packlight.errors import ModelError, RecipeError
from packlight.recipe import Prune
from packlight.steps.contributions import contributions
from packlight.steps.distill import take_layers
from packlight.tokenization import TextEncoder

WIDTH_NAMES = ("intermediate_size", "hidden_dim")
"""what configurations call the width of a feed-forward block"""


def prune(
    model: PreTrainedModel, encoder: TextEncoder, texts: Sequence[str], labels: Sequence[int], options: Prune
) -> PreTrainedModel:
    """A smaller model made of the most important parts; the given one is left as it is.

    Args:
        model: a classifier.
        encoder: its tokenizer.
        texts: training texts that importance is measured on.
        labels: their label ids.
        options: the step's options.

    Raises:
        RecipeError: when more is to be kept than there is, or nothing would be removed.
    """
    held = len(encoder_layers(model))
    smaller = take_layers(model, held if options.layers is None else options.layers)
    width = feed_forward_width(smaller)
    kept, kept_heads = options.feed_forward, options.heads
    if kept is not None and kept > width:
        raise RecipeError(f"{options.name}: {kept} feed-forward neurons cannot be kept of {width}")
    several = head_count(smaller, options)
    if len(encoder_layers(smaller)) == held and kept in (None, width) and kept_heads in (None, several):
        raise RecipeError(
            f"{options.name}: nothing to remove: give fewer layers than {held}, or feed_forward below {width}, "
            f"or heads below {several}"
        )
    # All is weighed before anything is taken out.
    neurons = None if kept in (None, width) else neuron_importance(smaller, encoder, texts, labels)
    scores = None if kept_heads in (None, several) else head_importance(smaller, encoder, texts, labels)
    if neurons is not None and kept is not None:
        for layer, importance in zip(encoder_layers(smaller), neurons, strict=True):
            _keep(layer, width, _best(importance, kept))
        setattr(smaller.config, _width_name(smaller), kept)
    if scores is not None and kept_heads is not None:
        heads.keep(smaller, [_best(importance, kept_heads) for importance in scores])
    smaller.eval()
    return smaller


def neuron_importance(
    model: PreTrainedModel, encoder: TextEncoder, texts: Sequence[str], labels: Sequence[int]
) -> list[Tensor]:
    """The importance of each feed-forward neuron, [neurons] for each layer, text by text and without dropout."""
    width = feed_forward_width(model)
    downs = [_blocks(layer, width)[1] for layer in encoder_layers(model)]
    totals = [torch.zeros(width) for _ in downs]
    for text in contributions(model, downs, encoder, texts, labels, title="weighing neurons"):
        for total, contribution in zip(totals, text, strict=True):
            total.add_(contribution.square())
    return totals


def head_importance(
    model: PreTrainedModel, encoder: TextEncoder, texts: Sequence[str], labels: Sequence[int]
) -> list[Tensor]:
    """The importance of each attention head, [heads] for each layer, text by text and without dropout.

    Raises:
        ModelError: when it is not known where the model keeps its heads.
    """
    readers, size = heads.outputs(model), heads.size(model)
    totals = [torch.zeros(heads.held(model)) for _ in readers]
    for text in contributions(model, readers, encoder, texts, labels, title="weighing heads"):
        for total, contribution in zip(totals, text, strict=True):
            total.add_(contribution.reshape(-1, size).sum(dim=1).abs())
    return totals


def head_count(model: PreTrainedModel, options: Prune) -> int:
    """Heads of each layer, of which as many as the options want can be kept.

    Raises:
        RecipeError: when there are not so many, or it is not known where they are.
    """
    several = heads.held(model)
    if options.heads is not None:
        try:
            heads.known_family(model)
        except ModelError as error:
            raise RecipeError(f"{options.name}: {error}, so that none can be taken out; leave heads away") from error
        if options.heads > several:
            raise RecipeError(f"{options.name}: {options.heads} attention heads cannot be kept of {several}")
    return several


def feed_forward_width(model: PreTrainedModel) -> int:
    """Neurons of each feed-forward block."""
    return int(getattr(model.config, _width_name(model)))


def _width_name(model: PreTrainedModel) -> str:
    for name in WIDTH_NAMES:
        if hasattr(model.config, name):
            return name
    raise RecipeError(f"prune: the configuration of {model.config.model_type!r} has no {' or '.join(WIDTH_NAMES)}")


def _blocks(layer: nn.Module, width: int) -> tuple[nn.Linear, nn.Linear]:
    """The two linear layers of a feed-forward block: into the neurons, and out of them."""
    linear = [
        module for name, module in layer.named_modules() if isinstance(module, nn.Linear) and "att" not in name.lower()
    ]
    match linear:
        case [up, down] if up.out_features == down.in_features == width:
            return up, down
    raise RecipeError(f"prune: {type(layer).__name__} has no feed-forward block of one layer up and one down")


def _best(importance: Tensor, count: int) -> Tensor:
    """The numbers of the most important, rising."""
    return importance.topk(count).indices.sort().values


def _keep(layer: nn.Module, width: int, neurons: Tensor) -> None:
    up, down = _blocks(layer, width)
    up.weight = nn.Parameter(up.weight.detach()[neurons].clone())
    up.bias = nn.Parameter(up.bias.detach()[neurons].clone())
    down.weight = nn.Parameter(down.weight.detach()[:, neurons].clone())
    up.out_features = down.in_features = len(neurons)
