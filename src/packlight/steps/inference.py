"""A torch classifier's answers to many texts, in length-sorted batches."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from packlight.classifier.stock import final_layer
from packlight.tokenization import TextEncoder

BATCH = 64


@torch.no_grad()
def logits_of(model: PreTrainedModel, encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    """Logits of each text: float32 of shape [texts, labels], on the CPU."""
    out = torch.empty(len(texts), final_layer(model).out_features)
    for places, ids, mask in _batches(encoder, texts):
        out[places] = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device)).logits.float().cpu()
    return out


@torch.no_grad()
def features_of(model: PreTrainedModel, encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    """What the final layer sees for each text: float32 of shape [texts, hidden]."""
    final = final_layer(model)
    out = torch.empty(len(texts), final.in_features)
    seen: list[Tensor] = []
    hook = final.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].float()))
    try:
        for places, ids, mask in _batches(encoder, texts):
            model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device))
            out[places] = seen.pop().cpu()
    finally:
        hook.remove()
    return out


def _batches(encoder: TextEncoder, texts: Sequence[str]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    rows = encoder.ids(texts)
    order = np.argsort([len(row) for row in rows], kind="stable")
    for start in range(0, len(rows), BATCH):
        places = order[start : start + BATCH]
        tokens = encoder.pad([rows[place] for place in places])
        yield torch.from_numpy(places), torch.from_numpy(tokens.input_ids), torch.from_numpy(tokens.attention_mask)
