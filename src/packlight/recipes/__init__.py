"""Recipes: what is done to a model, step by step, as plain data."""

from packlight.recipes.recipe import Recipe, load_recipe, parse_recipe, with_oos_rate, write_recipe

__all__ = ["Recipe", "load_recipe", "parse_recipe", "with_oos_rate", "write_recipe"]
