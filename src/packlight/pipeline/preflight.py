"""Check a recipe against the data and the files that it reads, before hours of work lead up to them."""

import msgspec

from packlight.data import Dataset
from packlight.errors import PacklightError, RecipeError
from packlight.progress import info, warn
from packlight.recipes.recipe import Recipe
from packlight.steps.out_of_scope import has_oos_class


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


def with_abstention(recipe: Recipe, data: Dataset, abstain: float | None) -> Recipe:
    """The recipe with a stated loss by abstaining in every step that takes one.

    Raises:
        RecipeError: when the loss is no share, or when the data has an out-of-scope class that models learn instead.
    """
    if abstain is None:
        only_test = data.oos_label is not None and not has_oos_class(data) and data.oos_label not in data.val.labels
        if only_test and not any(hasattr(step, "abstain") for step in recipe.steps):
            warn(
                f"warning: only test has texts labelled {data.oos_label!r}, so nothing says when to abstain, and every variant "
                "answers them; state the accuracy in scope that you would give up, such as --abstain 0.02"
            )
        return recipe
    if not 0 < abstain < 1:
        raise RecipeError(f"--abstain {abstain:g}: give a share above 0 and below 1, such as 0.02")
    if has_oos_class(data):
        raise RecipeError(
            f"--abstain {abstain:g}: train has texts labelled {data.oos_label!r}, so models learn that class; leave out --abstain"
        )
    steps = [
        msgspec.structs.replace(step, abstain=abstain) if hasattr(step, "abstain") else step for step in recipe.steps
    ]
    return msgspec.structs.replace(recipe, steps=tuple(steps))


def preflight(recipe: Recipe, data: Dataset) -> None:
    """Check every step against the labelled texts and the other files that it reads.

    Raises:
        DataError: when a file cannot be read.
        RecipeError: when a step needs out-of-scope texts that `val` lacks.
    """
    for step in recipe.steps:
        step.check_data(data)
