"""A part's contribution to the loss, to first order: its activation times the gradient of the loss."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from packlight.progress import bar
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.training.objectives import label_loss


def taylor_importance(
    model: PreTrainedModel,
    readers: Sequence[nn.Module],
    encoder: TextEncoder,
    texts: Sequence[str],
    labels: Sequence[int],
    *,
    title: str,
) -> Iterator[list[Tensor]]:
    """For each text, yield activation times gradient, summed over its tokens: [channels] for each reader.

    Texts run one at a time, without dropout. The model is left in evaluation mode, without gradients.

    Args:
        model: a classifier.
        readers: modules of the model whose input, [batch, tokens, channels], is the activation.
        encoder: its tokenizer.
        texts: training texts.
        labels: their label ids.
        title: title of the progress bar.
    """
    seen: dict[int, Tensor] = {}

    def remember(place: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            inputs[0].retain_grad()
            seen[place] = inputs[0]

        return hook

    hooks = [reader.register_forward_pre_hook(remember(place)) for place, reader in enumerate(readers)]
    model.eval()
    try:
        with bar(title, total=len(texts)) as progress:
            for text, label in zip(texts, labels, strict=True):
                feed = encoder([text]).feed()
                answer = model(**{name: torch.from_numpy(values) for name, values in feed.items()})
                loss = label_loss(answer.logits.float().mean(dim=0, keepdim=True), torch.tensor([label]))
                model.zero_grad(set_to_none=True)
                loss.backward()
                yield [_summed(seen[place]) for place in range(len(readers))]
                progress.advance()
    finally:
        for hook in hooks:
            hook.remove()
        model.zero_grad(set_to_none=True)


def _summed(activation: Tensor) -> Tensor:
    assert activation.grad is not None  # retained by the hook
    return (activation * activation.grad).sum(dim=(0, 1)).detach()
