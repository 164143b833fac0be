"""The two reference classifiers that a compressed model is compared with.

They were fine-tuned on CLINC150 by the authors of "Natural Language Processing with Transformers" (Tunstall
et al., chapter 8). If they are not available, their architectures are built from `reference_config` with random
weights, with the real size and latency.
"""

from dataclasses import dataclass
from typing import Any

from packlight import hub
from packlight.errors import ModelError
from packlight.models.checkpoint import Checkpoint
from packlight.models.snapshot import has_safetensors, open_snapshot


@dataclass(frozen=True)
class Reference:
    """A reference classifier: its repository and configuration."""

    repo: str
    conversion: str
    """first digits of the commit with its safetensors conversion"""
    config: dict[str, Any]


# The owners' main branches have pickles. The safetensors are in the Hub's conversion, pull request 1 of both
# repositories, since March 2023. Only that commit is accepted, even if the request changes: seven digits exclude a
# later push, and safetensors exclude code.
CONVERSION = "refs/pr/1"

REFERENCES = {
    # https://huggingface.co/google-bert/bert-base-uncased/blob/main/config.json
    "bert-base": Reference(
        repo="transformersbook/bert-base-uncased-finetuned-clinc",
        conversion="4075f96",
        config={
            "model_type": "bert",
            "architectures": ["BertForSequenceClassification"],
            "vocab_size": 30522,
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
            "max_position_embeddings": 512,
            "type_vocab_size": 2,
            "initializer_range": 0.02,
            "layer_norm_eps": 1e-12,
            "pad_token_id": 0,
        },
    ),
    # https://huggingface.co/distilbert/distilbert-base-uncased/blob/main/config.json
    "distilbert": Reference(
        repo="transformersbook/distilbert-base-uncased-finetuned-clinc",
        conversion="78326ca",
        config={
            "model_type": "distilbert",
            "architectures": ["DistilBertForSequenceClassification"],
            "vocab_size": 30522,
            "dim": 768,
            "n_layers": 6,
            "n_heads": 12,
            "hidden_dim": 3072,
            "activation": "gelu",
            "dropout": 0.1,
            "attention_dropout": 0.1,
            "seq_classif_dropout": 0.2,
            "qa_dropout": 0.1,
            "max_position_embeddings": 512,
            "sinusoidal_pos_embds": False,
            "initializer_range": 0.02,
            "pad_token_id": 0,
        },
    ),
}


def reference_config(name: str) -> dict[str, Any]:
    """The configuration of a reference's architecture, for random weights, without labels.

    Raises:
        ModelError: if there is no reference with that name.
    """
    config = _reference(name).config
    return {**config, "architectures": list(config["architectures"])}


def resolve_reference(name: str) -> Checkpoint | None:
    """The fine-tuned reference; None if it is not available. Without a network, this takes seconds.

    Raises:
        ModelError: if there is no reference of that name, or what was downloaded must not be opened.
    """
    try:
        return open_reference(name)
    except hub.HubUnavailableError:
        return None


def open_reference(name: str) -> Checkpoint:
    """The fine-tuned reference from the Hub or its cache.

    Raises:
        ModelError: if there is no reference of that name, or what was downloaded must not be opened.
        HubUnavailableError: if it is not available.
    """
    return open_snapshot(_find(_reference(name)), name)


def _find(reference: Reference) -> hub.Snapshot:
    """The owner's safetensors if there are any, otherwise the known conversion."""
    try:
        main = hub.look_up(reference.repo)
    except hub.HubUnreachableError:
        # the conversion may be in the cache without the main branch; the Hub is not contacted again
        converted = hub.cached(reference.repo, revision=CONVERSION)
        if converted is None:
            raise
    else:
        if has_safetensors(main):
            return main
        converted = hub.look_up(reference.repo, revision=CONVERSION)
    if not converted.commit.startswith(reference.conversion):
        raise hub.HubUnavailableError(
            f"{CONVERSION} of {reference.repo} is commit {converted.commit[:7]} instead of {reference.conversion}"
        )
    return converted


def _reference(name: str) -> Reference:
    if name not in REFERENCES:
        raise ModelError(f"no reference model {name!r}; there are: {', '.join(REFERENCES)}")
    return REFERENCES[name]
