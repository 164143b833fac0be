"""Recipes: the steps to apply to a model, as plain data."""

from packlight.recipes.overrides import with_oos_rate
from packlight.recipes.recipe import Recipe, load_recipe, parse_recipe, write_recipe

__all__ = ["Recipe", "load_recipe", "parse_recipe", "with_oos_rate", "write_recipe"]
