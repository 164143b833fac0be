"""The architectures that most checkpoints have, and the names of their weights."""

from collections.abc import Mapping
from dataclasses import dataclass

_BERT = (
    *(f"attention.self.{part}" for part in ("query", "key", "value")),
    *("attention.output.dense", "attention.output.LayerNorm"),
    *("intermediate.dense", "output.dense", "output.LayerNorm"),
)
_DISTILBERT = (
    *(f"attention.{part}_lin" for part in "qkv"),
    *("attention.out_lin", "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm"),
)
_MPNET = (*(f"attention.attn.{part}" for part in "qkvo"), "attention.LayerNorm", *_BERT[-3:])
_DEBERTA = (*(f"attention.self.{part}_proj" for part in ("query", "key", "value")), *_BERT[3:])
_TYPED = ("word_embeddings", "position_embeddings", "token_type_embeddings")
_DENSE_HEAD = ("classifier.dense", "classifier.out_proj")


@dataclass(frozen=True)
class Family:
    """The names of an architecture's weights."""

    base: str
    """what transformers calls the encoder below a head"""
    layer: tuple[str, ...]
    """modules of each layer, each with a weight and a bias"""
    head: tuple[str, ...]
    """the same for a classification head"""
    embeddings: tuple[str, ...] = ("word_embeddings", "position_embeddings")
    """tables of the embeddings"""
    layers: str = "encoder.layer"
    """the list of layers"""


FAMILIES: Mapping[str, Family] = {
    "bert": Family("bert", _BERT, ("bert.pooler.dense", "classifier"), _TYPED),
    "roberta": Family("roberta", _BERT, _DENSE_HEAD, _TYPED),
    "xlm-roberta": Family("roberta", _BERT, _DENSE_HEAD, _TYPED),
    "camembert": Family("roberta", _BERT, _DENSE_HEAD, _TYPED),
    "electra": Family("electra", _BERT, _DENSE_HEAD, _TYPED),
    "distilbert": Family("distilbert", _DISTILBERT, ("pre_classifier", "classifier"), layers="transformer.layer"),
    "mpnet": Family("mpnet", _MPNET, _DENSE_HEAD),
    "deberta-v2": Family("deberta", _DEBERTA, ("pooler.dense", "classifier"), ("word_embeddings",)),
}
"""by architecture"""
