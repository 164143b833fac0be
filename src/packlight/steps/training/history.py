"""What a training has behind it: the figures of each epoch, and the checkpoint from which a killed run goes on.

The Trainer keeps weights, optimiser and random states in `checkpoint-<updates>/`, and writes `trainer_state.json` as
the last file of each. What `val` said is kept beside them in `epochs.json`, written before the epoch's checkpoint, so
that every checkpoint has its figures.
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
    """What `val` says after an epoch."""

    epoch: int
    """counted from 1"""
    accuracy: float
    in_scope_accuracy: float
    weak_classes: tuple[tuple[str, float], ...]
    """the classes answered worst, with their accuracy; only those under the mean"""
    per_class: tuple[float, ...]


class History:
    """The epochs of a training, those of a run that was killed among them."""

    def __init__(self, work: Path) -> None:
        """Find what a killed run left in its folder for checkpoints; checkpoints that it did not finish are removed."""
        self._file = work / FILE
        self.checkpoint = _last_whole(work)
        """the folder to resume from; None to start from scratch"""
        self.epochs: list[EpochResult] = []
        """what `val` said after each epoch, the first first"""
        if self.checkpoint is not None:
            done = round(_state(self.checkpoint)["epoch"])
            self.epochs = _read(self._file)[:done]
            if len(self.epochs) < done:
                self.epochs, self.checkpoint = [], None
                shutil.rmtree(work)

    def record(self, epoch: EpochResult) -> None:
        """Add an epoch and keep it on disk."""
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
    """The Trainer's state, or nothing where a kill cut it short."""
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
    """What a training found out, for the manifest."""
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
    """What a manifest says of the model that a training starts from."""
    return {"started_from": checkpoint.reference, FACT: msgspec.to_builtins(checkpoint.base_model)}
