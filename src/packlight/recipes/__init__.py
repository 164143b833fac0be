"""Recipes: what is done to a model, step by step, as plain data."""

from packlight.recipes.recipe import Recipe, for_traffic, load_recipe, parse_recipe, write_recipe

__all__ = ["Recipe", "for_traffic", "load_recipe", "parse_recipe", "write_recipe"]
