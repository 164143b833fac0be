"""How much each part of a model matters: its activation times the gradient of the loss, summed over a text's tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from packlight.models import attention_heads
from packlight.models.feed_forward import blocks_of
from packlight.models.layers import feed_forward_width
from packlight.models.mean_pooling import encoder_layers
from packlight.progress import bar
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.training.objectives import label_loss


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one kind, in every layer."""

    readers: Sequence[nn.Module]
    """a module for each layer, whose input, [batch, tokens, channels], is the parts' activation"""
    importance: Callable[[Tensor], Tensor]
    """from a text's activation times gradient, [channels], to what it says about each part, [parts]"""


def neurons_of(model: PreTrainedModel) -> Parts:
    """The feed-forward neurons of a model."""
    width = feed_forward_width(model)
    return Parts([blocks_of(layer, width)[1] for layer in encoder_layers(model)], Tensor.square)


def heads_of(model: PreTrainedModel) -> Parts:
    """The attention heads of a model.

    Raises:
        ModelError: if those of its architecture are not known.
    """
    size = attention_heads.head_dim(model)
    return Parts(attention_heads.outputs(model), lambda channels: channels.reshape(-1, size).sum(dim=1).abs())


def estimate_importance(
    model: PreTrainedModel, kinds: Sequence[Parts], encoder: TextEncoder, texts: Sequence[str], labels: Sequence[int]
) -> list[list[Tensor]]:
    """The importance of every part, summed over texts: for each kind, [parts] for each layer.

    Texts run one at a time, without dropout. Only activations get gradients: those of the weights, a whole table of embeddings among
    them, would take longer than the rest. The model is left in evaluation mode.

    Args:
        model: a classifier.
        kinds: its parts.
        encoder: its tokenizer.
        texts: training texts.
        labels: their label ids.
    """
    readers = [reader for kind in kinds for reader in kind.readers]
    measures = [kind.importance for kind in kinds for _ in kind.readers]
    seen: dict[int, Tensor] = {}

    def remember(place: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            # The lowest one depends on frozen weights only.
            seen[place] = inputs[0] if inputs[0].requires_grad else inputs[0].requires_grad_()

        return hook

    trained = [weight for weight in model.parameters() if weight.requires_grad]
    hooks = [reader.register_forward_pre_hook(remember(place)) for place, reader in enumerate(readers)]
    model.eval().requires_grad_(requires_grad=False)
    totals: list[Tensor] = []
    try:
        with bar("estimating importance", total=len(texts)) as progress:
            for text, label in zip(texts, labels, strict=True):
                feed = encoder([text]).feed()
                answer = model(**{name: torch.from_numpy(values) for name, values in feed.items()})
                loss = label_loss(answer.logits.float().mean(dim=0, keepdim=True), torch.tensor([label]))
                activations = [seen[place] for place in range(len(readers))]
                slopes = torch.autograd.grad(loss, activations)
                said = [
                    measure((activation * slope).sum(dim=(0, 1)).detach())
                    for measure, activation, slope in zip(measures, activations, slopes, strict=True)
                ]
                totals = [total + one for total, one in zip(totals, said, strict=True)] if totals else said
                progress.advance()
    finally:
        for hook in hooks:
            hook.remove()
        for weight in trained:
            weight.requires_grad_()
    of_layers = iter(totals)
    return [[next(of_layers) for _ in kind.readers] for kind in kinds]
