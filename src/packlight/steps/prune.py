"""Structured pruning: whole layers and whole feed-forward neurons are taken out, so that what is left is smaller.

A neuron's importance is the change of the loss to be expected when it is silenced, to first order: the square of the
sum of activation times gradient over a text's tokens, averaged over training texts (Molchanov et al. 2019, Importance
Estimation for Neural Network Pruning, equation 8, taken for whole neurons). Every layer keeps the same number, because
stock configurations know one width for all; which ones differs. The pruned model forgets much and is healed by
distillation afterwards (Hou et al. 2020, DynaBERT, section 2).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from packlight.classifier.pooling import encoder_layers
from packlight.errors import RecipeError
from packlight.progress import bar
from packlight.recipe import Prune
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
    kept = options.feed_forward
    if kept is not None and kept > width:
        raise RecipeError(f"{options.name}: {kept} feed-forward neurons cannot be kept of {width}")
    if len(encoder_layers(smaller)) == held and kept in (None, width):
        raise RecipeError(
            f"{options.name}: nothing to remove: give fewer layers than {held}, or feed_forward below {width}"
        )
    if kept is not None and kept < width:
        scores = neuron_importance(smaller, encoder, texts, labels)
        for layer, importance in zip(encoder_layers(smaller), scores, strict=True):
            _keep(layer, width, importance.topk(kept).indices.sort().values)
        setattr(smaller.config, _width_name(smaller), kept)
    smaller.eval()
    return smaller


def neuron_importance(
    model: PreTrainedModel, encoder: TextEncoder, texts: Sequence[str], labels: Sequence[int]
) -> list[Tensor]:
    """The importance of each feed-forward neuron, [neurons] for each layer, text by text and without dropout."""
    width = feed_forward_width(model)
    downs = [_blocks(layer, width)[1] for layer in encoder_layers(model)]
    seen: dict[int, Tensor] = {}

    def remember(place: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            inputs[0].retain_grad()
            seen[place] = inputs[0]

        return hook

    hooks = [down.register_forward_pre_hook(remember(place)) for place, down in enumerate(downs)]
    totals = [torch.zeros(width) for _ in downs]
    model.eval()
    try:
        with bar("weighing neurons", total=len(texts)) as progress:
            for text, label in zip(texts, labels, strict=True):
                tokens = encoder([text])
                answer = model(
                    input_ids=torch.from_numpy(tokens.input_ids), attention_mask=torch.from_numpy(tokens.attention_mask)
                )
                loss = nn.functional.cross_entropy(answer.logits.float(), torch.tensor([label]))
                model.zero_grad(set_to_none=True)
                loss.backward()
                for place, activation in seen.items():
                    assert activation.grad is not None  # noqa: S101 - retained above
                    totals[place] += (activation * activation.grad).sum(dim=(0, 1)).detach().square()
                progress.advance()
    finally:
        for hook in hooks:
            hook.remove()
        model.zero_grad(set_to_none=True)
    return totals


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


def _keep(layer: nn.Module, width: int, neurons: Tensor) -> None:
    up, down = _blocks(layer, width)
    up.weight = nn.Parameter(up.weight.detach()[neurons].clone())
    up.bias = nn.Parameter(up.bias.detach()[neurons].clone())
    down.weight = nn.Parameter(down.weight.detach()[:, neurons].clone())
    up.out_features = down.in_features = len(neurons)
