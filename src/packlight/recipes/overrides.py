"""Change a recipe with the options of a command: the same value in every step that takes it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from packlight.errors import RecipeError
from packlight.recipes.recipe import REFERENCES, Recipe, _check_order
from packlight.steps import step_types
from packlight.steps.finetune.options import Finetune
from packlight.steps.step import BELOW, OosRate, check_options


def with_oos_rate(recipe: Recipe, oos_rate: OosRate) -> Recipe:
    """Set the expected share of out-of-scope texts in every step that uses it to choose a threshold.

    Args:
        recipe: the recipe. A step that states its own rate keeps it.
        oos_rate: above 0 and below 1, or `val` for the share in the validation texts.

    Raises:
        RecipeError: if the rate is out of range, if no step takes one, or if all that do state their own.
    """
    if not any(hasattr(step, "oos_rate") for step in recipe.steps):
        takers = " and ".join(
            f"`{kind}`" for kind, step in step_types().items() if "oos_rate" in step.__struct_fields__
        )
        raise RecipeError(f"{recipe.name}: no step takes an out-of-scope rate; {takers} do")
    if not any(getattr(step, "oos_rate", ...) is None for step in recipe.steps):
        raise RecipeError(
            f"{recipe.name}: each step that takes an out-of-scope rate states its own, which it keeps; change `oos_rate` there"
        )
    stated = [
        msgspec.structs.replace(step, oos_rate=oos_rate) if getattr(step, "oos_rate", ...) is None else step
        for step in recipe.steps
    ]
    for step in stated:
        check_options(step)
    return msgspec.structs.replace(recipe, steps=tuple(stated))


def with_lengths(recipe: Recipe, *, max_length: int | None = None, long_texts: str | None = None) -> Recipe:
    """Set the maximum length in every step that trains an encoder.

    Args:
        recipe: the recipe.
        max_length: in tokens, special tokens included; None to keep the steps' values.
        long_texts: how to handle longer texts: `head`, `head+tail` or `windows`; None to keep the steps' values.

    Raises:
        RecipeError: if one is out of range.
    """
    given = {"max_length": max_length, "long_texts": long_texts}
    changed = {name: value for name, value in given.items() if value is not None}
    steps = [
        msgspec.structs.replace(step, **changed, few_texts=_without(step.few_texts, changed))
        if hasattr(step, "long_texts")
        else step
        for step in recipe.steps
    ]
    for step in steps:
        check_options(step)
    return msgspec.structs.replace(recipe, steps=tuple(steps))


def _without(few_texts: dict[str, Any] | None, changed: Mapping[str, object]) -> dict[str, Any] | None:
    """A step's values for a small data set, without those of changed options."""
    left = {key: value for key, value in (few_texts or {}).items() if key not in changed}
    return left if left.keys() - {BELOW} else None


def with_reference(recipe: Recipe, name: str) -> Recipe:
    """Compare with one model instead of the recipe's references. It becomes the first row, to which all speedups refer.

    Args:
        recipe: the recipe.
        name: `bert-base` or `distilbert`, or `mpnet`, an encoder as large as BERT-base that is fine-tuned first.

    Raises:
        RecipeError: if there is no such reference, or if a variant has its name.
    """
    if name in REFERENCES:
        changed = msgspec.structs.replace(recipe, references=(name,))
    elif name == "mpnet":
        first = Finetune(name=name, model=name, epochs=3, learning_rate=6e-5, reference=True)
        changed = msgspec.structs.replace(recipe, references=(), steps=(first, *recipe.steps))
    else:
        raise RecipeError(f"there is no reference {name!r}; there are {', '.join(REFERENCES)} and mpnet")
    _check_order(changed, recipe.name)
    return changed


def with_head(
    recipe: Recipe,
    *,
    label_map: str | Mapping[str, str] | None = None,
    new_head: bool = False,
    extend_labels: bool = False,
) -> Recipe:
    """Set what happens to a classifier's head in every step that fine-tunes. Without arguments, nothing changes.

    Args:
        recipe: the recipe. A step that states one of these itself keeps it.
        label_map: a label map, or its file.
        new_head: train a new head, and discard the model's own.
        extend_labels: keep the labels that the model knows, and add the data's others.

    Raises:
        RecipeError: if two of them contradict each other, or if no step takes them.
    """
    given = {"label_map": label_map, "new_head": new_head or None, "extend_labels": extend_labels or None}
    stated = {key: value for key, value in given.items() if value is not None}
    if not stated:
        return recipe
    if not any(hasattr(step, "label_map") for step in recipe.steps):
        raise RecipeError(f"{recipe.name}: no step takes {', '.join(stated)}; `finetune` does")
    steps = [
        msgspec.structs.replace(step, **{key: getattr(step, key) or value for key, value in stated.items()})
        if hasattr(step, "label_map")
        else step
        for step in recipe.steps
    ]
    for step in steps:
        check_options(step)
    return msgspec.structs.replace(recipe, steps=tuple(steps))
