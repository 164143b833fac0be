"""The history of a training: the results of each epoch, and the checkpoint to resume from.

The Trainer keeps weights, optimizer and random states in `checkpoint-<updates>/`, and writes `trainer_state.json` last.
The results on `val` are kept next to it in `epochs.json`, written before the epoch's checkpoint, so that every
checkpoint has its results.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from packlight.files import atomic_write
from packlight.models import Checkpoint
from packlight.runtime.provenance import FACT

FILE = "epochs.json"

STATE = "trainer_state.json"

PARTS = ("model.safetensors", "optimizer.pt", "scheduler.pt", STATE)


@dataclass(frozen=True)
class EpochResult:
    """The results on `val` after an epoch."""

    epoch: int
    """counted from 1"""
    accuracy: float
    in_scope_accuracy: float
    weak_classes: tuple[tuple[str, float], ...]
    """the classes with the lowest accuracy, if it is below the mean"""
    per_class: tuple[float, ...]


class History:
    """The epochs of a training, including those of interrupted runs."""

    def __init__(self, work: Path) -> None:
        """Find the checkpoints of an interrupted run. Unfinished checkpoints are removed."""
        self._file = work / FILE
        self.checkpoint = _last_whole(work)
        """the folder to resume from; None to start from scratch"""
        self.epochs: list[EpochResult] = []
        """the results on `val` after each epoch, in order"""
        if self.checkpoint is not None:
            done = round(_state(self.checkpoint)["epoch"])
            self.epochs = _read(self._file)[:done]
            if len(self.epochs) < done:
                self.epochs, self.checkpoint = [], None
                shutil.rmtree(work)

    def record(self, epoch: EpochResult) -> None:
        """Add an epoch and save it to disk."""
        self.epochs.append(epoch)
        atomic_write(self._file, msgspec.json.encode(self.epochs))


def _last_whole(work: Path) -> Path | None:
    found = [folder for folder in work.glob("checkpoint-*") if folder.is_dir()]
    for folder in sorted(found, key=lambda folder: int(folder.name.rpartition("-")[2]), reverse=True):
        if all((folder / part).is_file() for part in PARTS) and _state(folder):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
    return None


def _state(checkpoint: Path) -> dict[str, float]:
    """The Trainer's state, or nothing if the file is incomplete."""
    try:
        state: dict[str, float] = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return state


def _read(file: Path) -> list[EpochResult]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[EpochResult])
    except (OSError, msgspec.MsgspecError):
        return []


def training_facts(history: Sequence[EpochResult]) -> dict[str, object]:
    """The results of a training, for the manifest."""
    if not history:
        return {}
    best = max(history, key=lambda epoch: epoch.accuracy)
    return {
        "best_epoch": best.epoch,
        "val_accuracy": best.accuracy,
        "val_in_scope_accuracy": best.in_scope_accuracy,
        "weak_classes": [list(weak) for weak in best.weak_classes],
        "epochs": [
            {
                "epoch": epoch.epoch,
                "val_accuracy": epoch.accuracy,
                "weak_classes": [list(w) for w in epoch.weak_classes],
            }
            for epoch in history
        ],
    }


def started_from(checkpoint: Checkpoint) -> dict[str, Any]:
    """A manifest's record of the model that training starts from."""
    return {"started_from": checkpoint.reference, FACT: msgspec.to_builtins(checkpoint.base_model)}
