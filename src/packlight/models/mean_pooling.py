"""Mean pooling in a standard checkpoint.

Sentence encoders are trained with mean pooling, and a head on the mean learns intents better than one on the first
token. Standard sequence classifiers only pool the first token, and a custom architecture would need remote code. But a
standard transformer layer can compute a mean:

    query = key = 0      every unmasked token gets the same attention weight
    value = I, output = SCALE x I
                         so the attention block gives LayerNorm(first + SCALE x mean)
    feed-forward = 0     and its LayerNorm doesn't change a normalized vector

In memory, that layer is the parameter-free `MeanPooling` below, which costs one weighted sum. On disk, it is written as
one more layer with those constants, so that `AutoModelForSequenceClassification` opens the folder and gives the same
predictions. The normalized vector has the fixed length sqrt(hidden), which makes the head a cosine classifier.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from packlight.errors import ModelError

CONFIG_KEY = "packlight_pooling"
LAYER_LISTS = ("layer", "layers", "h")
"""names of the module list of layers"""
SCALE = 64.0


@dataclass(frozen=True)
class ArchitectureLayout:
    """The parts of an architecture that pooling changes. Names are relative to the model."""

    layers: str
    depth: str
    """the configuration's key for the number of layers"""
    query: str
    key: str
    value: str
    output: str
    norms: tuple[str, str]
    feed_forward: tuple[str, str]
    head_dense: str
    head_final: str
    head_shift: float
    """added before a rectifying activation, so that the head starts linear; 0 for tanh"""
    head_scale: float
    """factor before the activation"""


_BERT_LAYER: Mapping[str, Any] = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "norms": ("attention.output.LayerNorm", "output.LayerNorm"),
    "feed_forward": ("intermediate.dense", "output.dense"),
    "depth": "num_hidden_layers",
}

_ROBERTA = ArchitectureLayout(
    layers="roberta.encoder.layer",
    head_dense="classifier.dense",
    head_final="classifier.out_proj",
    head_shift=0.0,
    head_scale=0.1,
    **_BERT_LAYER,
)

FAMILIES: Mapping[str, ArchitectureLayout] = {
    "bert": ArchitectureLayout(
        layers="bert.encoder.layer",
        head_dense="bert.pooler.dense",
        head_final="classifier",
        head_shift=0.0,
        head_scale=0.1,
        **_BERT_LAYER,
    ),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "electra": ArchitectureLayout(
        layers="electra.encoder.layer",
        head_dense="classifier.dense",
        head_final="classifier.out_proj",
        head_shift=8.0,
        head_scale=1.0,
        **_BERT_LAYER,
    ),
    "distilbert": ArchitectureLayout(
        layers="distilbert.transformer.layer",
        depth="n_layers",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        output="attention.out_lin",
        norms=("sa_layer_norm", "output_layer_norm"),
        feed_forward=("ffn.lin1", "ffn.lin2"),
        head_dense="pre_classifier",
        head_final="classifier",
        head_shift=8.0,
        head_scale=1.0,
    ),
}


class MeanPooling(nn.Module):
    """Replaces the first token by LayerNorm(first token + SCALE x mean of the unmasked tokens).

    It replaces an encoder layer: it takes hidden states of shape [batch, tokens, hidden] and the layer's mask, and
    returns [batch, 1, hidden].
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, hidden: int, eps: float) -> None:
        """`hidden` and `eps` are the standard layer's width and LayerNorm epsilon."""
        super().__init__()
        self.hidden = hidden
        self.eps = eps
        # Constants rather than parameters, so that they are exported, but not part of the state dict.
        self.register_buffer("weight", torch.ones(hidden), persistent=False)
        self.register_buffer("bias", torch.zeros(hidden), persistent=False)

    def narrow(self, hidden: int) -> None:
        """Take narrower hidden states from now on."""
        self.hidden = hidden
        self.weight, self.bias = self.weight[:hidden], self.bias[:hidden]

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
        """Pool. The mask is that of the layer's attention, or None without padding.

        It is [batch, tokens] of 0 and 1, or [batch, 1, tokens, tokens], boolean for sdpa and additive for eager
        attention.
        """
        if attention_mask is None:
            mean = hidden_states.mean(dim=1, keepdim=True)
        else:
            weights = _kept(attention_mask).to(hidden_states.dtype)
            # Scaling the short row of weights is cheaper than scaling the wide mean.
            mean = weights / weights.sum(dim=-1, keepdim=True) @ hidden_states
        pooled = hidden_states[:, :1] + SCALE * mean
        return nn.functional.layer_norm(pooled, (self.hidden,), self.weight, self.bias, self.eps)


def _kept(mask: Tensor) -> Tensor:
    """The tokens that count: [batch, 1, tokens]."""
    if mask.ndim == 2:  # [batch, tokens]
        return mask[:, None, :]
    row = mask[:, 0, :1, :]
    return row if row.dtype == torch.bool else row > -1.0


def family_of(model: PreTrainedModel) -> ArchitectureLayout | None:
    """The family of a transformers model; None if a mean cannot be written as a standard layer."""
    return FAMILIES.get(model.config.model_type)


def is_pooled(model: PreTrainedModel) -> bool:
    """Whether the model's last layer is mean pooling."""
    return getattr(model.config, CONFIG_KEY, None) == "mean"


def fold(model: PreTrainedModel) -> None:
    """Replace the model's last layer by the parameter-free one, in place.

    Raises:
        ModelError: if the architecture has no such form.
    """
    family = family_of(model)
    if family is None:
        raise ModelError(f"mean pooling has no standard form for {model.config.model_type!r}")
    layers = model.get_submodule(family.layers)
    assert isinstance(layers, nn.ModuleList)  # every family above stores its layers like this
    setattr(model.config, CONFIG_KEY, "mean")
    layers[-1] = MeanPooling(model.config.hidden_size, _norm_eps(model))


def encoder_layers(model: PreTrainedModel) -> list[nn.Module]:
    """The layers that have weights, in order.

    Raises:
        ModelError: if the architecture is not one of the known families.
    """
    path = layers_path(model)
    return [layer for layer in model.get_submodule(path).children() if not isinstance(layer, MeanPooling)]


def layers_path(model: PreTrainedModel) -> str:
    """The name of the module list of the encoder's layers.

    Raises:
        ModelError: if there is none, or more than one candidate.
    """
    found: list[str] = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and name.rpartition(".")[2] in LAYER_LISTS
    ]
    if len(found) != 1:
        raise ModelError(f"the layers of {type(model).__name__} are not known (found {found or 'none'})")
    return found[0]


def hub_state_dict(model: PreTrainedModel) -> dict[str, Tensor]:
    """The model's state with its pooling layer written out, as in a standard checkpoint."""
    state = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    if is_pooled(model):
        family = family_of(model)
        assert family is not None  # a folded model has a family
        index = len(encoder_layers(model))
        prefix = f"{family.layers}.{index}"
        state |= {f"{prefix}.{name}": value for name, value in _layer_constants(family, model)}
    return state


def start_head(model: PreTrainedModel) -> None:
    """Initialize the head's dense layer as a scaled identity, so that the final layer gets the pooled vector."""
    family = family_of(model)
    assert family is not None  # called on folded models
    dense = model.get_submodule(family.head_dense)
    assert isinstance(dense, nn.Linear)  # in every family above
    with torch.no_grad():
        dense.weight.copy_(torch.eye(dense.weight.shape[0]) * family.head_scale)
        dense.bias.fill_(family.head_shift)


def _layer_constants(family: ArchitectureLayout, model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    hidden = model.config.hidden_size
    inner = getattr(model.config, "intermediate_size", None) or model.config.hidden_dim
    dtype = next(model.parameters()).dtype
    zeros, eye = torch.zeros(hidden, hidden, dtype=dtype), torch.eye(hidden, dtype=dtype)
    for name, weight in ((family.query, zeros), (family.key, zeros), (family.value, eye), (family.output, SCALE * eye)):
        yield f"{name}.weight", weight.clone()
        yield f"{name}.bias", torch.zeros(hidden, dtype=dtype)
    for name in family.norms:
        yield f"{name}.weight", torch.ones(hidden, dtype=dtype)
        yield f"{name}.bias", torch.zeros(hidden, dtype=dtype)
    for name, rows, columns in ((family.feed_forward[0], inner, hidden), (family.feed_forward[1], hidden, inner)):
        yield f"{name}.weight", torch.zeros(rows, columns, dtype=dtype)
        yield f"{name}.bias", torch.zeros(rows, dtype=dtype)


def _norm_eps(model: PreTrainedModel) -> float:
    eps = getattr(model.config, "layer_norm_eps", 1e-12)
    if not (isinstance(eps, float) and math.isfinite(eps)):
        raise ModelError(f"layer_norm_eps is {eps!r}, not a number")
    return eps
