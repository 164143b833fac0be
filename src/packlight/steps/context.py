"""The input and the result of a step."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from packlight.data import Dataset
from packlight.files import atomic_write
from packlight.models import Checkpoint
from packlight.runtime.artifact import Artifact


@dataclass(frozen=True)
class StepContext:
    """What a step is given."""

    data: Dataset
    seed: int
    checkpoint: Checkpoint | None
    """what `finetune`, or the student of `distill`, starts from"""
    parent_or_none: Artifact | None
    """the variant that it starts from; None if it starts from a model"""
    work_dir: Path
    """folder for checkpoints and caches, which survives a kill"""
    output_dir: Path
    """to be filled"""
    other_parents: Mapping[str, Artifact] = field(default_factory=dict)
    """the variants besides the parent that the step starts from, by name"""
    on_epoch: Callable[[int, float], None] = lambda _number, _accuracy: None
    """called after each training epoch with its number, from 1, and the accuracy on val; may raise to stop the
    training"""
    lengths_shown: bool = False
    """whether the user has been told already how long texts may be"""

    @property
    def parent(self) -> Artifact:
        """The variant to start from, for a step that always has one."""
        assert self.parent_or_none is not None  # the recipe's order was checked
        return self.parent_or_none


@dataclass(frozen=True)
class StepResult:
    """What a step reports about the folder that it filled."""

    engine: str
    precision: str
    model_file: str
    max_length: int
    batch_invariant: bool
    facts: dict[str, Any]
    long_texts: Literal["head", "head+tail", "windows"] | None = None
    """how texts longer than `max_length` are handled; None for the parent's way"""
    abstain_below: float | None = None
    """lowest probability at which the variant predicts a label; None if it never abstains"""


def copy_description(source: Path, target: Path) -> None:
    """Copy a model's configuration and tokenizer, without its weights."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def write_own_config(folder: Path, architecture: str, labels: Sequence[str], own: Mapping[str, object]) -> None:
    """Write the `config.json` of a model that only packlight opens. `own` holds the engine's settings."""
    config = {
        "architectures": [architecture],
        "id2label": {str(place): label for place, label in enumerate(labels)},
        "label2id": {label: place for place, label in enumerate(labels)},
        "problem_type": "single_label_classification",
        **own,
    }
    atomic_write(folder / "config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")
