"""Open a checkpoint once before any work, to check its weights and find its structure."""

from dataclasses import replace
from inspect import signature

from transformers import PreTrainedModel

from packlight.errors import ModelError, RecipeError
from packlight.models import attention_heads, mean_pooling
from packlight.models.adoption import HeadPlan
from packlight.models.checkpoint import Checkpoint
from packlight.models.feed_forward import blocks_of
from packlight.models.hf_model import build_classifier, length_limit, open_classifier
from packlight.models.layers import feed_forward_width, first_layer_differs
from packlight.models.narrowing import NARROWED
from packlight.models.structure import Structure

TOKEN_HEADS = ("score",)
"""attributes of decoders that compute logits for every token, such as GPT-2 and Llama"""


def inspect_checkpoint(checkpoint: Checkpoint, plan: HeadPlan) -> Structure:
    """Open a checkpoint as a classifier.

    Raises:
        ModelError: if weights are missing or not finite, or if transformers doesn't know the architecture.
    """
    model = open_classifier(checkpoint.path) if plan.own else build_classifier(checkpoint.path, plan.labels, seed=0)
    if "attention_mask" not in signature(model.forward).parameters:
        raise ModelError(
            f"{checkpoint.reference}: {checkpoint.model_type} takes no attention mask, so that padding would change its answers; "
            "choose another architecture"
        )
    return replace(structure_of(model), longest_text=length_limit(model, checkpoint.path))


def structure_of(model: PreTrainedModel) -> Structure:
    """The structure of an opened classifier."""
    return Structure(
        model_type=model.config.model_type,
        layers=_layers(model),
        neurons=_neurons(model),
        heads=_heads(model),
        hidden=model.config.hidden_size if model.config.model_type in NARROWED else None,
        head_width=None if mean_pooling.family_of(model) is None else attention_heads.head_dim(model),
        first_layer_stays=_layers(model) is not None and first_layer_differs(model),
        one_vector=not any(hasattr(model, name) for name in TOKEN_HEADS),
        layout_known=mean_pooling.family_of(model) is not None,
    )


def _layers(model: PreTrainedModel) -> int | None:
    try:
        return len(mean_pooling.encoder_layers(model))
    except ModelError:
        return None


def _neurons(model: PreTrainedModel) -> int | None:
    try:
        width = feed_forward_width(model)
        for layer in mean_pooling.encoder_layers(model):
            blocks_of(layer, width)
    except (ModelError, RecipeError):
        return None
    return width


def _heads(model: PreTrainedModel) -> int | None:
    return None if mean_pooling.family_of(model) is None else attention_heads.num_heads(model)
