"""Inference with a PyTorch classifier for many texts, in length-sorted batches."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor
from transformers import PreTrainedModel

from packlight.models.hf_model import final_layer
from packlight.progress import bar
from packlight.runtime.batches import MOST_TOKENS, by_length
from packlight.runtime.tokenization import TextEncoder
from packlight.runtime.windows import parts_of

BATCH = 64
"""maximum number of texts in a batch"""


def logits_of(model: PreTrainedModel, encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    """Logits of each text: float32 of shape [texts, labels], on the CPU."""
    return forward_all(model, encoder, texts)[0]


def features_of(model: PreTrainedModel, encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    """The final layer's input for each text: float32 of shape [texts, hidden]."""
    return forward_all(model, encoder, texts)[1]


@torch.no_grad()
def runs_in_bf16(model: PreTrainedModel, encoder: TextEncoder) -> bool:
    """Whether an architecture takes a batch under autocast: some fill masks with numbers that bfloat16 does not have."""
    tokens = encoder(["a", "a b"])
    given = {name: torch.from_numpy(values).to(model.device) for name, values in tokens.feed().items()}
    try:
        with _bf16(model):
            model(**given)
    except RuntimeError:
        return False
    return True


def _bf16(model: PreTrainedModel) -> torch.autocast:
    return torch.autocast(model.device.type, dtype=torch.bfloat16)


@torch.no_grad()
def forward_all(
    model: PreTrainedModel, encoder: TextEncoder, texts: Sequence[str], *, bf16: bool = False, shown: bool = True
) -> tuple[Tensor, Tensor]:
    """Logits [texts, labels] and the final layer's inputs [texts, hidden], both float32 on the CPU.

    For a text with several windows, both are the mean over its windows.

    Args:
        model: a sequence classifier.
        encoder: its tokenizer.
        texts: its inputs.
        bf16: multiply in bfloat16 where the architecture allows it.
        shown: show a bar. False inside another bar.
    """
    bf16 = bf16 and runs_in_bf16(model, encoder)
    final = final_layer(model)
    rows = encoder.ids(texts)
    parts = [part for row in rows for part in parts_of(row)]
    counts = torch.tensor([len(parts_of(row)) for row in rows], dtype=torch.long)
    text_of = torch.repeat_interleave(torch.arange(len(rows)), counts)
    logits = torch.zeros(len(texts), final.out_features)
    features = torch.zeros(len(texts), final.in_features)
    seen: list[Tensor] = []
    hook = final.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].float()))
    try:
        progress = bar("answering", total=len(parts)) if shown else nullcontext()
        with progress as moving, _bf16(model) if bf16 else nullcontext():
            for places, ids, mask in _batches(encoder, parts):
                answer = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device))
                logits.index_add_(0, text_of[places], answer.logits.float().cpu())
                features.index_add_(0, text_of[places], _pooled(seen.pop().cpu(), mask))
                if moving is not None:
                    moving.advance(len(places))
    finally:
        hook.remove()
    return logits / counts[:, None], features / counts[:, None]


def _pooled(seen: Tensor, mask: Tensor) -> Tensor:
    """One vector per text. If the head gives every token logits, as in GPT-2, the last token's is used."""
    if seen.ndim == 2:  # [batch, hidden]
        return seen
    last = (mask * torch.arange(1, mask.shape[1] + 1)).argmax(dim=1)
    return seen[torch.arange(len(seen)), last]


def _batches(encoder: TextEncoder, rows: Sequence[list[int]]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches of rows of similar length: their indices, and their padded token ids and masks."""
    for batch in by_length([len(row) for row in rows], budget=MOST_TOKENS, most=BATCH):
        tokens = encoder.pad([rows[place] for place in batch])
        yield torch.tensor(batch), torch.from_numpy(tokens.input_ids), torch.from_numpy(tokens.attention_mask)
