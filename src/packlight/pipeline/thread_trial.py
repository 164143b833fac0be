"""Choose the number of threads for training by a short trial.

A second thread is a gain on an idle machine and a loss on a busy one, where threads wait for each other. So blocks of the
size of the model's own layers are trained for about two seconds, with each number of threads in turns.
Figures: docs/decisions/0033-threads-that-wait-sleep.md.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

from packlight.data import Dataset
from packlight.data.dataset import evenly_spaced
from packlight.errors import ModelError
from packlight.formatting import counted
from packlight.models import Checkpoint
from packlight.models.tokenizer import tokenizer_file
from packlight.models.vocabulary import read_tokenizer
from packlight.runtime.artifact import Artifact
from packlight.steps.step import Step

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

BATCH = 32
"""texts in an update, the default of every step"""
MOST_TOKENS = 2048
"""maximum number of tokens in an update of the trial, so that long texts don't prolong it"""
SAMPLED = 256
"""number of training texts that the usual length is taken from"""
WORTH_SECONDS = 10.0
"""shorter training than this gets no trial"""
SECONDS = 2.0
LEAST_ROUNDS = 3
WITHIN = 1.05
"""fewer threads are preferred if an update takes at most this many times as long"""

Update = Callable[[], object]


@dataclass(frozen=True)
class PlannedTraining:
    """The training that threads are chosen for."""

    start: Checkpoint | Artifact
    """the model whose layers are trained"""
    data: Dataset
    epochs: int
    """passes over the training texts, of all steps together"""


def planned_training(
    steps: Iterable[Step], start: Checkpoint | Artifact | None, data: Dataset
) -> PlannedTraining | None:
    """The training of some steps; None if none of them trains with a number of threads that is left to the machine.

    Args:
        steps: the steps to carry out.
        start: the model that they start from; None if there is none.
        data: labelled texts.
    """
    epochs = sum(
        step.planned_epochs
        for step in steps
        if getattr(step, "threads", 1) is None
        and not (isinstance(start, Checkpoint) and step.adopts(start, data.labels))
    )
    return PlannedTraining(start, data, epochs) if start is not None and epochs else None


def time_threads(planned: PlannedTraining, most: int, *, bf16: bool) -> dict[int, float]:
    """The median time of an update of one layer by number of threads, in milliseconds.

    Empty for a short training, for the rare architecture that doesn't state its width, and for one that transformers doesn't
    know, which the step itself rejects.

    Args:
        planned: the training.
        most: number of processors. Their powers of two, and all of them, are tried.
        bf16: multiply in bfloat16.
    """
    from packlight.models.hf_model import read_config  # takes seconds, and is not needed with one processor

    try:
        config = read_config(planned.start.path).get_text_config()
    except ModelError:
        return {}
    if getattr(config, "hidden_size", None) is None:
        return {}
    update = _update(config, _tokens(planned), bf16=bf16)
    updates = math.ceil(len(planned.data.train) / BATCH) * planned.epochs
    counts = sorted({most, *(1 << power for power in range(most.bit_length()) if 1 << power < most)})
    update()
    times: dict[int, list[float]] = {count: [_timed(update, count)] for count in reversed(counts)}
    if times[most][0] * updates * config.num_hidden_layers < WORTH_SECONDS:
        return {}
    end = time.monotonic() + SECONDS
    while time.monotonic() < end or len(times[most]) < LEAST_ROUNDS:
        for count in counts:
            times[count].append(_timed(update, count))
    return {count: round(1000 * median(times[count]), 2) for count in counts}


def fewest_threads(milliseconds: Mapping[int, float]) -> int:
    """The smallest number of threads that is about as fast as the fastest."""
    best = min(milliseconds.values())
    return min(count for count, each in milliseconds.items() if each <= WITHIN * best)


def in_words(milliseconds: Mapping[int, float]) -> str:
    """The choice with its reason: `training on 1 thread: 2 threads take 1.8 times as long here`."""
    chosen = fewest_threads(milliseconds)
    longer = [
        f"{counted(count, 'thread')}{' takes' if count == 1 else ' take'} {each / milliseconds[chosen]:.1f} times as long"
        for count, each in milliseconds.items()
        if count != chosen
    ]
    return f"training on {counted(chosen, 'thread')}: here, {', '.join(longer)}"


def _tokens(planned: PlannedTraining) -> int:
    """The mean number of tokens of a training text."""
    start = planned.start
    tokenizer = read_tokenizer(start.tokenizer_path if isinstance(start, Artifact) else tokenizer_file(start))
    tokenizer.no_padding()
    rows = tokenizer.encode_batch_fast(evenly_spaced(planned.data.train.texts, SAMPLED))
    return math.ceil(fmean(len(row.ids) for row in rows))


def _update(config: "PreTrainedConfig", tokens: int, *, bf16: bool) -> Update:
    """A function that makes one update of one layer with random weights."""
    import torch
    from torch import nn

    width = config.hidden_size
    with torch.random.fork_rng(devices=[]):
        layer = nn.TransformerEncoderLayer(
            width,
            math.gcd(width, getattr(config, "num_attention_heads", 1)),
            getattr(config, "intermediate_size", None) or 4 * width,
            activation="gelu",
            batch_first=True,
        )
        states = torch.randn(min(BATCH, max(1, MOST_TOKENS // tokens)), min(tokens, MOST_TOKENS), width)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)

    def update() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16), torch.random.fork_rng(devices=[]):
            loss = layer(states).float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return update


def _timed(update: Update, threads: int) -> float:
    """Seconds of an update on a number of threads."""
    import torch

    torch.set_num_threads(threads)
    start = time.perf_counter()
    update()
    return time.perf_counter() - start
