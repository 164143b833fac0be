"""Small pieces that several steps of the pipeline need: the lesson, the tokenizer, the files of a folder."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from transformers import PreTrainedModel

from packlight.checkpoint import Checkpoint, label_mapping
from packlight.classifier.stock import labels_of, set_labels
from packlight.dataset import Dataset
from packlight.errors import ModelError
from packlight.files import write_whole
from packlight.steps.training import Epoch, Lesson

T = TypeVar("T")


def lesson_for(data: Dataset, model_labels: Sequence[str]) -> Lesson:
    """The data with label ids in a model's own order; `test` is no part of it."""
    columns = label_mapping(model_labels, data.labels).columns
    ids = {label: columns[index] for index, label in enumerate(data.labels)}
    return Lesson(
        train_texts=data.train.texts,
        train_labels=[ids[label] for label in data.train.labels],
        val_texts=data.val.texts,
        val_labels=[ids[label] for label in data.val.labels],
        labels=model_labels,
        oos_label=None if data.oos_label is None else model_labels[ids[data.oos_label]],
    )


def rename_labels(model: PreTrainedModel, data_labels: Sequence[str]) -> None:
    """Give a classifier the data's spelling of the labels that both have, in place.

    Raises:
        ModelError: when the data has labels that the classifier lacks.
    """
    names = list(labels_of(model))
    for label, column in zip(data_labels, label_mapping(names, data_labels).columns, strict=True):
        names[column] = label
    set_labels(model.config, names)


def tokenizer_folder(checkpoint: Checkpoint, work: Path) -> Path:
    """A folder with the checkpoint's fast tokenizer, which is made from its vocabulary where it has none.

    Raises:
        ModelError: when no fast tokenizer can be made.
    """
    if (checkpoint.path / "tokenizer.json").is_file():
        return checkpoint.path
    from transformers import AutoTokenizer  # noqa: PLC0415 - seconds to import, and rarely needed

    target = work / "tokenizer"
    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.path, local_files_only=True, trust_remote_code=False)
        tokenizer.save_pretrained(target)
    except (OSError, ValueError) as error:
        raise ModelError(f"{checkpoint.reference}: no fast tokenizer can be made of its files: {error}") from error
    if not (target / "tokenizer.json").is_file():
        raise ModelError(f"{checkpoint.reference}: its tokenizer has no fast form; save one as tokenizer.json")
    return target


def copy_description(source: Path, target: Path) -> None:
    """Copy what describes a model, but not its weights: the configuration and the tokenizer."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def write_own_config(folder: Path, architecture: str, labels: Sequence[str], own: Mapping[str, object]) -> None:
    """Write the `config.json` of a model that only packlight opens; `own` is what its engine reads."""
    config = {
        "architectures": [architecture],
        "id2label": {str(place): label for place, label in enumerate(labels)},
        "label2id": {label: place for place, label in enumerate(labels)},
        "problem_type": "single_label_classification",
        **own,
    }
    write_whole(folder / "config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def training_facts(history: Sequence[Epoch]) -> dict[str, object]:
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


def spread(texts: Sequence[T], count: int) -> list[T]:
    """`count` texts, or rows, evenly spaced over all, so that every class of a sorted file is among them."""
    taken = min(count, len(texts))
    return [texts[place * len(texts) // taken] for place in range(taken)]
