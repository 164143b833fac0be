"""Which int8 of PyTorch is faster on this machine: eager `torch.ao` or torchao's `quantize_`?

python benchmarks/torch_int8.py ARTIFACT [ROUNDS]      (needs torchao beside packlight[compress])

ARTIFACT is a float32 torch artifact. All forms answer the same texts in interleaved rounds; printed are the median
milliseconds of a text and the ratio to float32 within a round, with its bootstrap interval.
"""

import copy
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

from packlight.data import load_dataset
from packlight.measure.timing import ratio, resample
from packlight.models.hf_model import open_classifier
from packlight.models.torch_int8 import quantize
from packlight.runtime.tokenization import TextEncoder

TEXTS = 40


def main(artifact: str, rounds: int = 6) -> None:
    torch.set_num_threads(torch.get_num_threads())
    folder = Path(artifact)
    encoder = TextEncoder(folder / "tokenizer.json", 128)
    texts = load_dataset("sample").test.texts[:TEXTS]
    model = open_classifier(folder)
    ao = copy.deepcopy(model)
    quantize_(ao, Int8DynamicActivationInt8WeightConfig())
    forms: dict[str, Callable[..., object]] = {
        "float32": model,
        "torch.ao": quantize(model),
        "torchao": ao,
        "torchao, compiled": torch.compile(ao, dynamic=True),
    }
    means: dict[str, list[float]] = {name: [] for name in forms}
    for number in range(rounds + 1):
        for name, form in forms.items():
            seconds = timed(form, encoder, texts)
            if number:  # the first round warms up
                means[name].append(seconds * 1e3)
    for name, values in means.items():
        # The forms are timed one whole pass at a time: each pass is a round of one text.
        speedup = ratio(*(resample([[value] for value in each], seed=0) for each in (means["float32"], values)))
        print(
            f"{name:20} {np.median(values):8.2f} ms   {speedup.value:5.2f}x ({speedup.low:.2f} to {speedup.high:.2f}) of float32's speed"
        )


def timed(form: Callable[..., object], encoder: TextEncoder, texts: tuple[str, ...]) -> float:
    start = time.perf_counter()
    with torch.inference_mode():
        for text in texts:
            tokens = encoder([text])
            form(input_ids=torch.from_numpy(tokens.input_ids), attention_mask=torch.from_numpy(tokens.attention_mask))
    return (time.perf_counter() - start) / len(texts)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
