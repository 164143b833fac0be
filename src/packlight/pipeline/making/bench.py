"""What a step works with, what it says of the folder that it filled, and the dispatch from one to the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from pathlib import Path
from typing import Any

from packlight.artifact import Artifact
from packlight.checkpoint import Checkpoint
from packlight.dataset import Dataset
from packlight.recipe import Step


@dataclass(frozen=True)
class Bench:
    """What a step works with."""

    data: Dataset
    seed: int
    checkpoint: Checkpoint | None
    """what `finetune`, or the student of `distill`, starts from"""
    parent: Artifact | None
    work: Path
    """for checkpoints and caches; outlives a kill"""
    draft: Path
    """to be filled"""
    others: Mapping[str, Artifact] = field(default_factory=dict)
    """the variants besides the parent that the step starts from, by name"""
    on_epoch: Callable[[int, float], None] = lambda _number, _accuracy: None
    """told each epoch of a training, from 1, and the accuracy on val after it; may stop the training by raising"""

    @property
    def origin(self) -> Artifact:
        """The parent, of a step that has one."""
        assert self.parent is not None  # noqa: S101 - the recipe's order was checked
        return self.parent


@dataclass(frozen=True)
class Made:
    """What a step says of the folder that it filled."""

    engine: str
    precision: str
    model_file: str
    max_length: int
    batch_invariant: bool
    facts: dict[str, Any]
    abstain_below: float | None = None
    """least probability at which the variant answers; None for always"""


@singledispatch
def make(step: Step, bench: Bench) -> Made:  # noqa: ARG001 - the registered ones use it
    """Fill the bench's draft with the step's variant.

    Raises:
        ParityError: when the variant does not answer like its parent.
    """
    raise TypeError(f"no way to make a {type(step).__name__}")
