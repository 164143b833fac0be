"""Check a recipe against the data and the files that it reads, before hours of work lead up to them."""

from packlight.data import Dataset
from packlight.recipes.recipe import Recipe


def preflight(recipe: Recipe, data: Dataset) -> None:
    """Check every step against the labelled texts and the other files that it reads.

    Raises:
        DataError: when a file cannot be read.
        RecipeError: when a step needs out-of-scope texts that `val` lacks.
    """
    for step in recipe.steps:
        step.check_data(data)
