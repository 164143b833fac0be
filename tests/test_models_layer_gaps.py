"""Weights of any architecture that are missing between others are seen without PyTorch, and nothing else is."""

import pytest
import torch
import transformers
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)

from packlight.models.layer_gaps import depth_of, layer_gaps, number_of_layers
from packlight.models.weight_names import Naming, base_of, foreign, known_base, naming_of

CONFIG = {"vocab_size": 100, "num_hidden_layers": 6}
PARTS = ("attention.q", "attention.k", "attention.v", "mlp.up", "mlp.down")
WHOLE = {"model.embed.weight": (100, 8)} | {
    f"model.layers.{number}.{part}": (8, 8) for number in range(6) for part in PARTS
}
OWN_SHARED = ("perceiver",)
"""architectures all of whose names have one prefix"""


def without(*lost):
    return {name: shape for name, shape in WHOLE.items() if not any(each in name for each in lost)}


@pytest.mark.parametrize(
    ("lost", "names"),
    [
        ((), []),
        ((".2.",), [f"model.layers.2.{part}" for part in sorted(PARTS)]),
        ((".5.", ".4."), [f"model.layers.{number}.{part}" for number in (4, 5) for part in sorted(PARTS)]),
        ((".0.",), [f"model.layers.0.{part}" for part in sorted(PARTS)]),
        (("3.mlp.up",), ["model.layers.3.mlp.up"]),
        (("embed",), ["the embedding table with 100 rows"]),
        (("0.mlp.up",), []),
        (("1.mlp.up", "3.mlp.up"), []),
    ],
)
def test_gaps_are_named(lost, names):
    assert list(layer_gaps(without(*lost), CONFIG)) == names


def test_a_head_with_layers_of_its_own_has_no_gaps():
    assert not list(layer_gaps({"layers.0.weight": (2, 2), "layers.3.weight": (2, 2)}, {}))


@pytest.mark.slow  # builds about 170 models
def test_no_architecture_of_transformers_has_gaps_or_names_that_are_not_its_own():
    checked = 0
    found = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES
    for family, name in {(family, name) for mapping in found for family, name in mapping.items()}:
        kind = getattr(transformers, name)
        try:
            with torch.device("meta"):
                model = kind(kind.config_class())
        except Exception:  # noqa: BLE001 - some cannot be built from their defaults
            continue
        config = model.config.to_dict()
        whole = {name: tuple(each.shape) for name, each in model.state_dict().items()}
        base = f"{model.base_model_prefix}."
        below = {name.removeprefix(base): shape for name, shape in whole.items() if name.startswith(base)}
        for shapes in (whole, below):
            assert not list(layer_gaps(shapes, config)) or not shapes, family
            assert not 0 < depth_of(config) < number_of_layers(shapes), family
            assert foreign(shapes, config["model_type"]) == (), family
            assert foreign([*shapes, "fc.weight"], config["model_type"]) == ("fc.weight",), family
            assert known_base(base_of(shapes), config["model_type"]), family
            assert naming_of(shapes) == Naming("", ()) or family in OWN_SHARED, family
        checked += 1
    assert checked > 100
