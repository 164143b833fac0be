"""Make a classifier smaller by removing tokens that its task does not need."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedModel

from packlight.data import Dataset
from packlight.data.text_file import read_lines
from packlight.formatting import megabytes, percent, points
from packlight.models.hf_model import labels_of, open_classifier, save_classifier
from packlight.progress import info
from packlight.runtime.artifact import SAFETENSORS, Artifact
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.context import StepContext, StepResult
from packlight.steps.inference import logits_of
from packlight.steps.training.training_data import training_data
from packlight.steps.trim_vocabulary.embedding import cut_embedding, fixed_ids
from packlight.steps.trim_vocabulary.options import TrimVocabulary
from packlight.steps.trim_vocabulary.tokenizer import open_tokenizer, segment, trim_tokenizer, write_tokenizer


def apply(step: TrimVocabulary, context: StepContext) -> StepResult:
    """Remove the vocabulary that the texts do not use, with its embeddings."""
    parent, data = context.parent, context.data
    more = read_lines(Path(step.corpus)) if step.corpus else []
    model = open_classifier(parent.path)
    trimmed = trim_tokenizer(
        parent.tokenizer_path, [*data.train.texts, *more], pieces=step.vocab_size, fixed=fixed_ids(model)
    )
    folder = context.work_dir / "tokenizer"
    write_tokenizer(trimmed, parent.path, folder)
    before = _labels(model, parent.tokenizer_path, parent, data)
    cut_embedding(model, trimmed.old_ids)
    after = _labels(model, folder / "tokenizer.json", parent, data)
    save_classifier(model, context.output_dir, tokenizer_from=folder, max_length=parent.manifest.max_length)
    facts = _compared(open_tokenizer(parent.tokenizer_path), trimmed.tokenizer, data)
    facts["val_agreement"] = _share(before == after)
    facts["val"] |= _right(before, after, labels_of(model), data)
    saved = parent.model_path.stat().st_size - (context.output_dir / SAFETENSORS).stat().st_size
    _tell(facts, saved)
    return StepResult(
        "torch",
        "fp32",
        SAFETENSORS,
        parent.manifest.max_length,
        batch_invariant=parent.manifest.batch_invariant,
        facts=facts,
        abstain_below=parent.manifest.abstain_below,
    )


def _labels(model: PreTrainedModel, tokenizer: Path, parent: Artifact, data: Dataset) -> Tensor:
    encoder = TextEncoder(tokenizer, parent.manifest.max_length, long_texts=parent.manifest.long_texts)
    return logits_of(model, encoder, training_data(data, parent.labels).val_texts).argmax(dim=1)


def _compared(whole: Tokenizer, trimmed: Tokenizer, data: Dataset) -> dict[str, Any]:
    """Compare two tokenizers on the texts. The figures of `test` are reported, but influence nothing."""
    facts: dict[str, Any] = {
        "pieces": {
            "before": whole.get_vocab_size(with_added_tokens=True),
            "after": trimmed.get_vocab_size(with_added_tokens=True),
        }
    }
    for name in ("val", "test"):
        texts = data.split(name).texts
        before, after = segment(whole, texts), segment(trimmed, texts)
        facts[name] = {
            "unknown_rate": {"before": before.unknown_rate, "after": after.unknown_rate},
            "pieces_per_text": {"before": before.mean_length, "after": after.mean_length},
            "texts_cut_otherwise": after.changed(before),
        }
    return facts


def _right(before: Tensor, after: Tensor, labels: Sequence[str], data: Dataset) -> dict[str, Any]:
    """Accuracy on `val`, and on its out-of-scope texts alone, because they have the most unseen words."""
    train_data = training_data(data, labels)
    truth = torch.tensor(train_data.val_labels)
    figures = {"accuracy": torch.ones_like(truth, dtype=torch.bool)}
    if train_data.oos_label is not None:
        figures["oos_recall"] = truth == labels.index(train_data.oos_label)
    return {
        name: {"before": _share((before == truth)[rows]), "after": _share((after == truth)[rows])}
        for name, rows in figures.items()
        if rows.any()
    }


def _share(right: Tensor) -> float:
    return float(right.double().mean())


def _tell(facts: dict[str, Any], saved: int) -> None:
    pieces, val = facts["pieces"], facts["val"]
    info(
        f"  {pieces['after']:,} of {pieces['before']:,} tokens stay, {megabytes(saved / 1e6)} less; on val "
        f"{percent(val['texts_cut_otherwise'])} of the texts are tokenized differently, "
        f"{val['pieces_per_text']['after']:.1f} tokens per text ({val['pieces_per_text']['before']:.1f} before), "
        f"{percent(val['unknown_rate']['after'])} of them unknown ({percent(val['unknown_rate']['before'])} before)"
    )
    lost = {name: val[name]["after"] - val[name]["before"] for name in ("accuracy", "oos_recall") if name in val}
    words = {"accuracy": "accuracy on val", "oos_recall": "recall of its out-of-scope texts"}
    info("  " + ", ".join(f"{words[name]} {points(change)}" for name, change in lost.items()))
