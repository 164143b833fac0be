"""Options of `training`."""

from typing import Annotated, Literal

import msgspec

from packlight.steps.step import Count, Positive, Rate, Step, Weight


class Training(Step, frozen=True, kw_only=True):
    """Options that all training shares."""

    epochs: Positive = 3
    min_updates: Count = 0
    """epochs are added until the optimiser makes so many updates, which small data sets need"""
    learning_rate: Rate = 1e-4
    head_learning_rate: Rate | None = 2e-3
    """rate of the classification head; null for the same as the encoder's"""
    batch_size: Positive = 32
    warmup: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1
    """share of all updates over which the rate rises"""
    weight_decay: Weight = 0.01
    max_length: Annotated[int, msgspec.Meta(ge=4, le=8192)] = 128
    """texts are cut to so many tokens"""
    patience: Positive = 2
    """epochs without a better accuracy on val after which training stops; where epochs were added, a third of all"""
    bf16: bool | None = None
    """bfloat16 autocast; null for where the device has it"""
    device: Literal["cpu", "cuda", "mps", "xpu"] | None = None
    """what it trains on; null for the accelerator, or the CPU where there is none"""
    threads: Positive | None = None
    """threads that it trains on, where it trains on the CPU; null for all that this process may use"""
