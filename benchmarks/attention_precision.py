"""Attention with gradients in bfloat16 and in float32, by number of tokens; and an update of a classifier with each. CPU time of one thread.

python benchmarks/attention_precision.py [CLASSIFIER --data DATA]
"""

import argparse
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from packlight.data import load_dataset
from packlight.models.hf_model import open_classifier
from packlight.runtime.artifact import Artifact
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.training.dropout import set_dropout
from packlight.steps.training.float32_attention import Float32Attention

HEADS, WIDTH = 12, 32
TEXTS = 32
LENGTHS = (8, 15, 32, 64, 128, 256, 512)
ROUNDS = 40
WAYS: tuple[Callable[[], AbstractContextManager[object]], ...] = (nullcontext, Float32Attention)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "classifier", type=Path, nargs="?", help="artifact of a float32 classifier; without it, attention only"
    )
    parser.add_argument("--data")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for length in LENGTHS:
        compare(f"attention, {length} tokens", attention(length))
    if options.classifier:
        compare("update of 32 texts", update(options.classifier, options.data))


def attention(length: int) -> Callable[[], object]:
    """Forwards and backwards through the attention of one layer, the last three tokens of each text being padding."""
    query, key, value = (
        torch.randn(TEXTS, HEADS, length, WIDTH, dtype=torch.bfloat16, requires_grad=True) for _ in range(3)
    )
    mask = torch.ones(TEXTS, 1, length, length, dtype=torch.bool)
    mask[..., length - 3 :] = False
    return lambda: torch.nn.functional.scaled_dot_product_attention(query, key, value, mask).sum().backward()


def update(folder: Path, data: str) -> Callable[[], object]:
    """An update of a classifier without dropout, with texts of about one length; both ways get the same ones."""
    artifact = Artifact.open(folder)
    encoder = TextEncoder(artifact.tokenizer_path, artifact.manifest.max_length)
    texts = sorted(load_dataset(data).train.texts, key=lambda text: len(encoder.ids([text])[0]))
    model: PreTrainedModel = open_classifier(folder).train()
    set_dropout(model, 0.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    places = np.random.default_rng(0).integers(len(texts) - TEXTS, size=ROUNDS + 1)
    starts = iter(np.repeat(places, len(WAYS)))

    def one() -> None:
        first = int(next(starts))
        feed = {name: torch.from_numpy(ids) for name, ids in encoder(texts[first : first + TEXTS]).feed().items()}
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**feed).logits.float().square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return one


def compare(title: str, call: Callable[[], object]) -> None:
    """Time both ways in turn and print their means and ratio."""
    times: list[list[float]] = [[], []]
    for number in range(ROUNDS + 1):
        for way, seconds in zip(WAYS, times, strict=True):
            with way():
                start = time.process_time()
                call()
                seconds.append(time.process_time() - start)
        if number == 0:
            times = [[], []]
    low, high = np.percentile(np.array(times[0]) / np.array(times[1]), (5, 95))
    bf16, float32 = (1000 * np.mean(each) for each in times)
    print(
        f"{title}: bfloat16 {bf16:.2f} ms, float32 {float32:.2f} ms, {bf16 / float32:.2f} times as fast "
        f"(90% of the rounds between {low:.2f} and {high:.2f})"
    )


if __name__ == "__main__":
    main()
