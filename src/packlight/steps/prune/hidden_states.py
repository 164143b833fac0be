"""The moments of a model's hidden states over training texts."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from packlight.models.narrowing import hidden_norms
from packlight.progress import bar
from packlight.runtime.tokenization import TextEncoder

BATCH = 32
"""texts"""


@torch.no_grad()
def hidden_moments(model: PreTrainedModel, encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    """The sum of state x state^T over the hidden states of all layers and tokens, without padding: float64 [hidden, hidden].

    Args:
        model: a classifier, in evaluation mode.
        encoder: its tokenizer.
        texts: training texts.
    """
    norms = hidden_norms(model)
    width = len(norms[0].weight)
    total, kept = torch.zeros(width, width, dtype=torch.float64), torch.empty(0)

    def add(_: nn.Module, __: tuple[Tensor, ...], states: Tensor) -> None:
        present = states[kept].double()
        total.add_(present.T @ present)

    hooks = [norm.register_forward_hook(add) for norm in norms]
    try:
        with bar("estimating directions", total=len(texts)) as progress:
            for start in range(0, len(texts), BATCH):
                part = texts[start : start + BATCH]
                feed = {name: torch.from_numpy(values) for name, values in encoder(part).feed().items()}
                kept = feed["attention_mask"].bool()
                model(**feed)
                progress.advance(len(part))
    finally:
        for hook in hooks:
            hook.remove()
    return total
