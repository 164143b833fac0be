"""What the data and the files say against a recipe, asked before hours of work lead up to it."""

from pathlib import Path

from packlight.data import Dataset
from packlight.data.text_file import read_lines
from packlight.recipes.recipe import Recipe
from packlight.steps.calibrate.options import Calibrate
from packlight.steps.cascade.options import Cascade
from packlight.steps.distill.options import Distill
from packlight.steps.out_of_scope import check_oos_examples, oos_rate_weights
from packlight.steps.training.soft_labels import read_answers


def preflight(recipe: Recipe, data: Dataset) -> None:
    """Check every step against the labelled texts and the other files that it reads.

    Raises:
        DataError: when a file cannot be read.
        RecipeError: when a step needs out-of-scope texts that `val` lacks.
    """
    for step in recipe.steps:
        answers = step.soft_labels if isinstance(step, Distill) else None
        for file in step.files:
            if file == answers:
                read_answers(Path(file), data.labels)
            else:
                read_lines(Path(file))
        if isinstance(step, Calibrate):
            check_oos_examples(data, where=step.name)
        if isinstance(step, Calibrate | Cascade):
            oos_rate_weights(data, step.oos_rate, where=step.name)
