"""Reference rows: well-known models, measured beside the variants through transformers' pipeline.

With a network, their checkpoints are downloaded and fully measured. Without one, the architecture is built from its
configuration with random weights. It is as large and as slow as the real model, but its predictions are meaningless, so
the row has no accuracy and a note.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer, Tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from packlight.data import Dataset
from packlight.files import atomic_folder
from packlight.measure.worker_process import BenchmarkTarget
from packlight.models import Checkpoint, reference_config, resolve_reference
from packlight.models.hf_model import open_classifier, rename_labels, save_classifier, set_labels, silence_transformers
from packlight.models.labels import same_names
from packlight.models.tokenizer import tokenizer_folder
from packlight.runtime.artifact import SAFETENSORS
from packlight.runtime.engines import BASELINE

RANDOM = "random weights: size and latency only"
MAX_LENGTH = 512


@dataclass(frozen=True)
class Reference:
    """A reference model's folder, ready to measure."""

    name: str
    folder: Path
    trained: bool
    """whether its predictions are meaningful"""
    oos_label: str | None
    max_length: int = MAX_LENGTH
    """maximum sequence length in tokens"""

    @property
    def subject(self) -> BenchmarkTarget:
        """The target to measure."""
        return BenchmarkTarget(
            variant=self.name, folder=self.folder, engine=BASELINE, batch_invariant=True, oos_label=self.oos_label
        )

    @property
    def note(self) -> str | None:
        """A note for readers of the row."""
        return None if self.trained else RANDOM

    @property
    def size_bytes(self) -> int:
        """Total size of the folder in bytes."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    @property
    def weights_bytes(self) -> int:
        """Size of the weights in bytes."""
        return (self.folder / SAFETENSORS).stat().st_size


def prepare(name: str, data: Dataset, tokenizer: Path, folder: Path) -> Reference:
    """Build a reference model's folder.

    Args:
        name: `bert-base` or `distilbert`.
        data: provides the classifier's labels.
        tokenizer: folder of a tokenizer to use if the checkpoint is not available.
        folder: the folder to create.
    """
    checkpoint = resolve_reference(name)
    fits = checkpoint is not None and _fits(checkpoint, data)
    mark = json.dumps({"name": name, "trained": fits, "labels": data.labels})
    marked = folder / "reference.json"
    if not (marked.is_file() and marked.read_text(encoding="utf-8") == mark):
        with atomic_folder(folder) as draft:
            if checkpoint is not None and fits:
                _take(checkpoint, data, draft)
            else:
                _build(name, data, tokenizer, draft)
            (draft / marked.name).write_text(mark, encoding="utf-8")
    return Reference(name, folder, trained=fits, oos_label=data.oos_label)


def _fits(checkpoint: Checkpoint, data: Dataset) -> bool:
    """Whether the checkpoint has this data's labels. The references only know CLINC150's."""
    return checkpoint.labels is not None and same_names(checkpoint.labels, data.labels)


def _take(checkpoint: Checkpoint, data: Dataset, folder: Path) -> None:
    model = open_classifier(checkpoint.path)
    rename_labels(model, data.labels)
    tokenizer = tokenizer_folder(checkpoint, folder / "made")
    save_classifier(model, folder, tokenizer_from=tokenizer, max_length=MAX_LENGTH)
    shutil.rmtree(folder / "made", ignore_errors=True)


def _build(name: str, data: Dataset, tokenizer: Path, folder: Path) -> None:
    silence_transformers()
    config = AutoConfig.for_model(**reference_config(name))
    set_labels(config, data.labels)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    if Tokenizer.from_file(str(tokenizer / "tokenizer.json")).get_vocab_size() > config.vocab_size:
        tokenizer = _word_pieces(data.train.texts, config.vocab_size, folder / "made")
    save_classifier(model, folder, tokenizer_from=tokenizer, max_length=MAX_LENGTH)
    shutil.rmtree(folder / "made", ignore_errors=True)


def _word_pieces(texts: Sequence[str], size: int, folder: Path) -> Path:
    """A tokenizer of the reference's kind, trained on texts, if the run's own has more tokens than the model."""
    tokenizer = BertWordPieceTokenizer()
    tokenizer.train_from_iterator(texts, vocab_size=size, show_progress=False)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(tokenizer.to_str()),
        pad_token="[PAD]",  # noqa: S106 - a word piece, not a secret
        model_max_length=MAX_LENGTH,
    )
    fast.save_pretrained(folder)
    return folder
