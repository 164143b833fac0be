"""Check a recipe against the data and the files that it reads, before hours of work lead up to them."""

from packlight.data import Dataset
from packlight.errors import PacklightError
from packlight.progress import info
from packlight.recipes.recipe import Recipe


def skipped_steps(recipe: Recipe) -> frozenset[str]:
    """Names of the optional steps that this machine can't carry out, and of those that start from them.

    Raises:
        PacklightError: if a step that is not optional can't be carried out; says what to install.
    """
    skipped: set[str] = set()
    for step in recipe.steps:
        origin = recipe.parent_of(step)
        if not skipped.isdisjoint((*([origin.name] if origin else []), *step.other_parents)):
            skipped.add(step.name)
            continue
        try:
            step.check_machine()
        except PacklightError as error:
            if not step.optional:
                raise
            info(f"{step.name}: skipped: {error}")
            skipped.add(step.name)
    return frozenset(skipped)


def preflight(recipe: Recipe, data: Dataset) -> None:
    """Check every step against the labelled texts and the other files that it reads.

    Raises:
        DataError: when a file cannot be read.
        RecipeError: when a step needs out-of-scope texts that `val` lacks.
    """
    for step in recipe.steps:
        step.check_data(data)
