"""Save a trained classifier in safetensors, with its description."""

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from packlight.models.hf_model import save_classifier
from packlight.runtime.artifact import SAFETENSORS
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.context import StepResult


def trained_result(
    model: PreTrainedModel, encoder: TextEncoder, tokenizer: Path, facts: dict[str, Any], folder: Path
) -> StepResult:
    """Save a trained classifier to the step's folder and describe it.

    Args:
        model: the classifier, trained.
        encoder: its tokenizer.
        tokenizer: the folder that the tokenizer's files are copied from.
        facts: for the manifest.
        folder: the step's output folder.
    """
    save_classifier(model, folder, tokenizer_from=tokenizer, max_length=encoder.max_length)
    return StepResult(
        "torch",
        "fp32",
        SAFETENSORS,
        encoder.max_length,
        batch_invariant=True,
        facts=facts,
        long_texts=encoder.long_texts,
    )
