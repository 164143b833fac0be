"""Check a recipe against the data and the files that it reads, before hours of work."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from packlight.data import Dataset
from packlight.errors import PacklightError, RecipeError
from packlight.expected import shown
from packlight.models import Checkpoint
from packlight.models.structure import Structure
from packlight.models.weight_checks import check_weights, stated_limit
from packlight.pipeline.matching import planned_head
from packlight.progress import info, warn
from packlight.recipes.recipe import Recipe
from packlight.steps.out_of_scope import has_oos_class
from packlight.steps.step import BELOW, SAME, Step
from packlight.steps.training.lengths import choose_length


def skipped_steps(recipe: Recipe) -> frozenset[str]:
    """Names of the optional steps that this machine can't carry out, and of those that start from them.

    Raises:
        PacklightError: if a step that is not optional can't be carried out. The message says what to install.
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


def for_texts(recipe: Recipe, count: int) -> Recipe:
    """The recipe for a data set with this number of training texts. Says which steps take other values because there are few."""
    for step in recipe.steps:
        if step.few_texts is not None and step.are_few(count):
            changed = ", ".join(f"{key} {shown(value)}" for key, value in step.few_texts_options.items())
            info(f"{step.name}: {count:,} training texts are fewer than {step.few_texts[BELOW]:,}, hence {changed}")
    return msgspec.structs.replace(recipe, steps=tuple(step.for_texts(count) for step in recipe.steps))


def with_abstention(recipe: Recipe, data: Dataset, abstain: float | None) -> Recipe:
    """Set the accuracy to give up by abstaining in every step that takes one.

    Raises:
        RecipeError: if the loss is not a share, or if the data has an out-of-scope class that models learn instead.
    """
    if abstain is None:
        only_test = data.oos_label is not None and not has_oos_class(data) and data.oos_label not in data.val.labels
        if only_test and not any(hasattr(step, "abstain") for step in recipe.steps):
            warn(
                f"warning: only test has texts labelled {data.oos_label!r}, so variants can't learn when to abstain, "
                f"and give them one of their labels; pass the in-scope accuracy to give up, such as --abstain 0.02"
            )
        return recipe
    check_abstain(abstain, data)
    steps = [
        msgspec.structs.replace(step, abstain=abstain) if hasattr(step, "abstain") else step for step in recipe.steps
    ]
    return msgspec.structs.replace(recipe, steps=tuple(steps))


def check_abstain(abstain: float, data: Dataset) -> None:
    """Check a stated loss by abstaining.

    Raises:
        RecipeError: if it is not a share, or if the data has an out-of-scope class that models learn instead.
    """
    if not 0 < abstain < 1:
        raise RecipeError(f"--abstain {abstain:g}: give a share above 0 and below 1, such as 0.02")
    if has_oos_class(data):
        raise RecipeError(
            f"--abstain {abstain:g}: train has texts labelled {data.oos_label!r}, so models learn that class; omit --abstain"
        )


def preflight(recipe: Recipe, data: Dataset) -> None:
    """Check every step against the labelled texts and the other files that it reads.

    Raises:
        DataError: if a file cannot be read.
        RecipeError: if a step needs out-of-scope texts that `val` lacks.
    """
    for step in recipe.steps:
        step.check_data(data)


def check_start(step: Step, checkpoint: Checkpoint, data: Dataset) -> None:
    """Check the model that a step starts from by its files alone, in less than a second: labels, weights, length.

    Raises:
        ModelError: if its labels are not the data's, or if weights are missing or not finite.
        RecipeError: if the step's maximum length is above the model's limit.
    """
    check_weights(checkpoint, planned_head(step, checkpoint, data))
    limit, stated = stated_limit(checkpoint), getattr(step, "max_length", None)
    if limit is not None and stated is not None:
        choose_length((limit,), limit=limit, stated=stated, name=step.name)


@dataclass(frozen=True)
class Inspection:
    """The structure of a recipe's starting models, and the consequences for its steps."""

    structures: Mapping[str, Structure]
    """structures of the PyTorch classifiers that the recipe builds, by the step's name"""
    impossible: Mapping[str, str]
    """the steps that the architectures don't support, and those that start from them, with the reason"""


def inspect_models(
    recipe: Recipe, checkpoints: Mapping[str, Checkpoint], data: Dataset, skipped: Collection[str]
) -> Inspection:
    """Compare a recipe with the architectures of the models that it starts from.

    Each model is opened, so missing and non-finite weights are also found here.

    Args:
        recipe: what is to be carried out.
        checkpoints: the models that steps start from, by the step's name.
        data: labelled texts.
        skipped: steps that are skipped anyway.

    Raises:
        ModelError: if a model cannot be opened.
        RecipeError: if no variant is left to measure.
    """
    reasons: dict[str, str] = {}
    structures: dict[str, Structure] = {}
    for step in recipe.steps:
        if step.name in skipped:
            continue
        origin = recipe.parent_of(step)
        lost = next((name for name in _origins(recipe, step) if name in reasons), None)
        known = structures.get(origin.name) if origin else None
        if lost is not None:
            reasons[step.name] = f"starts from {lost}, which is skipped"
        elif known is not None and (reason := step.obstacle(known)):
            reasons[step.name] = reason
        elif (found := _structure(step, checkpoints, data, structures, known)) is not None:
            structures[step.name] = found
    left = [step for step in recipe.steps if step.measured and step.name not in reasons and step.name not in skipped]
    if reasons and not left:
        raise RecipeError(f"{recipe.name}: no variant is left to measure: {'; '.join(map(': '.join, reasons.items()))}")
    return Inspection(structures, reasons)


def _origins(recipe: Recipe, step: Step) -> tuple[str, ...]:
    origin = recipe.parent_of(step)
    return (*([origin.name] if origin else []), *step.other_parents)


def _structure(
    step: Step,
    checkpoints: Mapping[str, Checkpoint],
    data: Dataset,
    structures: Mapping[str, Structure],
    parent: Structure | None,
) -> Structure | None:
    """The structure of a step's result; None if it is not a PyTorch classifier."""
    if step.name in checkpoints:
        from packlight.models.inspecting import inspect_checkpoint  # imports torch

        checkpoint = checkpoints[step.name]
        return inspect_checkpoint(checkpoint, step.head_plan(checkpoint, data.labels))
    start = getattr(step, "start", None)
    if start is not None:
        return structures.get(start)
    return step.result_structure(parent) if parent is not None and step.makes in ("torch", SAME) else None
