"""Structured pruning: whole layers, feed-forward neurons, attention heads and directions of the hidden states are removed.

A neuron's importance is a first-order estimate of how the loss changes without it: the square of the sum of activation
times gradient over a text's tokens, averaged over training texts (Molchanov et al. 2019, Importance Estimation for
Neural Network Pruning, equation 8, applied to whole neurons). A head's importance is the absolute value of the same sum
over its channels (Michel, Levy & Neubig 2019, Are Sixteen Heads Really Better than One?, equation 2). Every layer keeps
the same number of parts, because a configuration has one number for all layers. Pruning costs accuracy, which
distillation restores (Hou et al. 2020, DynaBERT, section 2).

Directions are those of the largest variance, over all layers (`models.narrowing`). The attention heads have to fit into the new
width, so the least important ones go too.
"""

from collections.abc import Sequence

from torch import Tensor
from transformers import PreTrainedModel

from packlight.data.dataset import evenly_spaced
from packlight.errors import ModelError, RecipeError
from packlight.models import attention_heads
from packlight.models.feed_forward import keep_neurons
from packlight.models.hf_model import labels_of, open_classifier, save_classifier
from packlight.models.inspecting import structure_of
from packlight.models.layers import feed_forward_width, keep_layers, width_name
from packlight.models.mean_pooling import encoder_layers
from packlight.models.narrowing import directions, narrow
from packlight.progress import info
from packlight.runtime.artifact import SAFETENSORS
from packlight.runtime.tokenization import TextEncoder, encoder_of
from packlight.steps.context import StepContext, StepResult
from packlight.steps.prune.hidden_states import hidden_moments
from packlight.steps.prune.importance import estimate_importance, heads_of, neurons_of
from packlight.steps.prune.options import Prune
from packlight.steps.training.training_data import training_data


def prune(
    model: PreTrainedModel, encoder: TextEncoder, texts: Sequence[str], labels: Sequence[int], options: Prune
) -> PreTrainedModel:
    """Build a smaller model from the most important parts. The given model is not changed.

    Args:
        model: a classifier.
        encoder: its tokenizer.
        texts: training texts to estimate importance on.
        labels: their label ids.
        options: the step's options.

    Raises:
        RecipeError: if more is to be kept than there is, or if nothing would be removed.
    """
    held = len(encoder_layers(model))
    smaller = keep_layers(model, held if options.layers is None or _keeps_layers(model, options) else options.layers)
    kept, width = options.intermediate_size, None
    if kept is not None:
        width = feed_forward_width(smaller)
        if kept > width:
            raise RecipeError(f"{options.name}: {kept} feed-forward neurons can't be kept: there are only {width}")
    several = head_count(smaller, options)
    hidden = hidden_size(smaller, options)
    kept_heads = options.heads if hidden is None else hidden // attention_heads.head_dim(smaller)
    if len(encoder_layers(smaller)) == held and kept == width and kept_heads in (None, several) and hidden is None:
        parts = [f"fewer layers than {held}"]
        parts += [f"intermediate_size below {width}"] if width is not None else []
        parts += [f"heads below {several}"] if several else []
        parts += (
            [f"hidden_size below {smaller.config.hidden_size}"]
            if options.hidden_size and structure_of(smaller).hidden
            else []
        )
        raise RecipeError(f"{options.name}: nothing to remove: give {', or '.join(parts)}")
    # All importances are estimated before anything is removed.
    fewer_neurons, fewer_heads = kept != width, kept_heads not in (None, several)
    kinds = [*([neurons_of(smaller)] if fewer_neurons else []), *([heads_of(smaller)] if fewer_heads else [])]
    estimates = iter(estimate_importance(smaller, kinds, encoder, texts, labels) if kinds else ())
    moments = None if hidden is None else hidden_moments(smaller, encoder, texts)
    if fewer_neurons and kept is not None and width is not None:
        for layer, importance in zip(encoder_layers(smaller), next(estimates), strict=True):
            keep_neurons(layer, width, _best(importance, kept))
        setattr(smaller.config, width_name(smaller), kept)
    if fewer_heads and kept_heads is not None:
        attention_heads.keep_heads(smaller, [_best(importance, kept_heads) for importance in next(estimates)])
    if moments is not None and hidden is not None:
        narrow(smaller, *directions(moments, hidden))
    smaller.eval()
    return smaller


def _keeps_layers(model: PreTrainedModel, options: Prune) -> bool:
    """Whether all layers stay because there are fewer than the number to keep. Says so."""
    structure = structure_of(model)
    if keeps := options.keeps_layers(structure):
        info(f"{options.name}: keeps all layers, because there are only {structure.layers}, not {options.layers}")
    return keeps


def head_count(model: PreTrainedModel, options: Prune) -> int:
    """The number of heads in each layer, after checking that enough can be kept.

    Raises:
        RecipeError: if there are fewer than the options ask for, or if the architecture's heads are not known.
    """
    several = attention_heads.num_heads(model)
    if options.heads is not None:
        try:
            attention_heads.known_family(model)
        except ModelError as error:
            raise RecipeError(f"{options.name}: {error}, so none can be removed; omit heads") from error
        if options.heads > several:
            raise RecipeError(
                f"{options.name}: {options.heads} attention heads can't be kept: there are only {several}"
            )
    return several


def hidden_size(model: PreTrainedModel, options: Prune) -> int | None:
    """The width to keep, after checking that it is possible; None if all is kept.

    Raises:
        RecipeError: if it isn't.
    """
    if options.hidden_size is None:
        return None
    structure = structure_of(model)
    if options.keeps_width(structure):
        info(
            f"{options.name}: {structure.model_type} keeps its width of {model.config.hidden_size}, because narrower hidden states "
            "are not supported for it"
        )
        return None
    if reason := structure.lacks_width(options.hidden_size):
        raise RecipeError(f"{options.name}: {reason}")
    width, heads = structure.narrowed(options.hidden_size)
    if width == structure.hidden:
        return None
    info(f"{options.name}: hidden states of {width} channels, {heads} attention heads")
    return width


def _best(importance: Tensor, count: int) -> Tensor:
    """The indices of the most important parts, ascending."""
    return importance.topk(count).indices.sort().values


def apply(step: Prune, context: StepContext) -> StepResult:
    """Remove layers, neurons, attention heads and directions."""
    parent = context.parent
    model = open_classifier(parent.path)
    train_data = training_data(context.data, labels_of(model))
    rows = evenly_spaced(range(len(train_data.train_texts)), step.texts)
    length = parent.manifest.max_length
    smaller = prune(
        model,
        encoder_of(parent),
        [train_data.train_texts[row] for row in rows],
        [train_data.train_labels[row] for row in rows],
        step,
    )
    save_classifier(smaller, context.output_dir, tokenizer_from=parent.path, max_length=length)
    counts = {"parameters_before": model.num_parameters(), "parameters": smaller.num_parameters()}
    return StepResult("torch", "fp32", SAFETENSORS, length, batch_invariant=True, facts=counts)
