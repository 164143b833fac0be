"""Recipes: what is done to a model, step by step, as plain data."""

from packlight.recipe.read import Recipe, check_options, for_traffic, load_recipe, parse_recipe, write_recipe
from packlight.recipe.steps import (
    Calibrate,
    Cascade,
    Distill,
    DistillStatic,
    Export,
    Finetune,
    OosRate,
    Prune,
    QuantizeOnnx,
    QuantizeTorch,
    Step,
    Training,
    TrimVocabulary,
)

__all__ = [
    "Calibrate",
    "Cascade",
    "Distill",
    "DistillStatic",
    "Export",
    "Finetune",
    "OosRate",
    "Prune",
    "QuantizeOnnx",
    "QuantizeTorch",
    "Recipe",
    "Step",
    "Training",
    "TrimVocabulary",
    "check_options",
    "for_traffic",
    "load_recipe",
    "parse_recipe",
    "write_recipe",
]
