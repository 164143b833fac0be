"""Pretrained models: where to find them, which are accepted, and their configuration.

    resolve("minilm")                         the default encoder, accepted by its hash
    resolve("bert-base"), resolve("distilbert")   the reference classifiers of the recipe walk
    resolve("org/name"), resolve("org/name@revision")   a repository of the Hugging Face Hub
    resolve("./folder"), resolve(Path(...))   a local folder in the Hub's layout

Weights are only read from safetensors. A pickle checkpoint, or a model with its own Python files, can run code when it
is opened, so both are rejected. Nothing here imports torch or transformers.
"""

from packlight.models.checkpoint import Checkpoint
from packlight.models.labels import LabelMapping, label_mapping
from packlight.models.reference_models import REFERENCES, reference_config, resolve_reference
from packlight.models.resolve import resolve

__all__ = [
    "REFERENCES",
    "Checkpoint",
    "LabelMapping",
    "label_mapping",
    "reference_config",
    "resolve",
    "resolve_reference",
]
