"""Damaged recipes end in a recipe or in one clear error: 200 of them here, 2,000 by `make test-fuzz`."""

import os
import random
from importlib import resources

import pytest

from mutations import mutated
from packlight.errors import RecipeError
from packlight.recipes.recipe import load_recipe

RECIPES = int(os.environ.get("PACKLIGHT_FUZZ_RECIPES", "200"))
BUILT_IN = resources.files("packlight").joinpath("recipes", "built_in")
NAMES = sorted(entry.name for entry in BUILT_IN.iterdir() if entry.name.endswith(".yaml"))


def refusal(file):
    """The words of the error; None where the recipe is read."""
    try:
        load_recipe(file)
    except RecipeError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_recipe_is_a_recipe_or_one_error(tmp_path, name):
    seed = b"".join(
        line for line in BUILT_IN.joinpath(name).read_bytes().splitlines(keepends=True) if not line.startswith(b"#")
    )
    chooser = random.Random(name)
    file = tmp_path / "mine.yaml"
    outcomes = {"read": 0, "refused": 0}
    for number in range(-(-RECIPES // len(NAMES))):
        file.write_bytes(mutated(seed, chooser))
        words = refusal(file)
        if words is not None:
            assert words.startswith(f"{file}: "), f"{name}, number {number}: {words}"
            assert len(words) < 2_000, f"{name}, number {number}"
            assert words.count("\n") <= 1, f"{name}, number {number}: {words}"
        outcomes["read" if words is None else "refused"] += 1
    assert all(outcomes.values()), outcomes
