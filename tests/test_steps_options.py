"""Every step says of itself all that recipes, verbs, functions, the schema and the reference need."""

import inspect
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import packlight
from packlight.cli.steps import verb
from packlight.expected import expected, problem_of
from packlight.recipes.recipe import recipe_schema
from packlight.steps import step_names, step_types
from packlight.steps.option import options_of

ROOT = Path(__file__).parent.parent
STEPS = pytest.mark.parametrize("step", step_types().values(), ids=step_types())


@STEPS
def test_a_step_is_a_folder_with_a_test(step):
    module = step.__module__.removeprefix("packlight.steps.")
    folder = step.word().replace("-", "_")
    assert module == f"{folder}.options"
    assert (ROOT / "src" / "packlight" / "steps" / folder / "apply.py").is_file()
    assert (ROOT / "tests" / f"test_steps_{folder}.py").is_file()


def test_the_names_of_the_steps_are_known_without_importing_them():
    assert step_names() == tuple(step_types())


@STEPS
def test_every_option_has_a_description_that_stands_alone(step):
    for option in options_of(step, own=True):
        assert option.description[0].isupper(), option.name
        assert option.description.endswith("."), option.name
        if option.default is None and not option.required:
            assert option.null, f"{option.name}: say what null means"


@STEPS
def test_a_verb_and_a_function_take_exactly_the_options(step):
    names = {each.name for each in options_of(step)}
    function = getattr(packlight, step.word().replace("-", "_"))
    assert names <= set(inspect.signature(function).parameters)
    assert names <= set(inspect.signature(verb(step)).parameters)
    for option in options_of(step):
        parameter = inspect.signature(function).parameters[option.name]
        assert option.required or parameter.default == option.default
        assert f"{option.name}: {option.description}" in function.__doc__


@STEPS
def test_the_schema_describes_every_key(step):
    described = recipe_schema()["$defs"][step.__name__]
    assert described["properties"]["step"]["enum"] == [step.word()]
    for option in options_of(step, own=True):
        assert option.meaning.startswith(option.description)
        assert option.null is None or option.null in option.meaning
        assert described["properties"][option.key]["description"] == option.description


def test_the_schema_describes_the_keys_of_a_recipe():
    recipe = recipe_schema()["$defs"]["Recipe"]
    assert set(recipe["properties"]) == {"version", "name", "references", "steps"}
    assert all(each["description"].endswith(".") for each in recipe["properties"].values())


@STEPS
def test_every_value_out_of_range_is_answered_in_plain_words(step):
    required = {option.key: "a-name" for option in options_of(step, own=True) if option.required}
    for option in options_of(step, own=True):
        problem = problem_of(step, required | {option.key: 1j})
        assert problem == f"{option.key} is 1j, but must be {expected(option.type)}"


def test_a_step_without_a_description_is_refused():
    class Bare(packlight.steps.Step, frozen=True, kw_only=True, tag="bare"):
        size: int = 3

    with pytest.raises(TypeError, match=r"Bare.size: has no description"):
        options_of(Bare)


OPTIONS = '''
from typing import Annotated
from packlight.steps.step import Positive, Step, described

class Shuffle(Step, frozen=True, kw_only=True, tag="shuffle-rows"):
    """Shuffle the rows of the embedding."""

    needs = ("torch",)
    makes = "torch"
    example = "artifacts/teacher --rows 3"

    rows: Annotated[Positive | None, described("Rows to shuffle.", null="every row")] = None
'''
APPLY = """
def apply(step, context):
    raise NotImplementedError
"""
SEEN = """
import sys
import packlight.steps
packlight.steps.__path__.append(sys.argv.pop(1))
import inspect, importlib.util, json
import typer
import packlight
from packlight.cli.app import app
from packlight.recipes.recipe import parse_recipe, recipe_schema
spec = importlib.util.spec_from_file_location("hooks", sys.argv.pop(1))
hooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hooks)
text = "version: 1\\nname: m\\nsteps:\\n  - {step: finetune, as: t}\\n  - {step: shuffle-rows, as: s, rows: 3}\\n"
verb = typer.main.get_command(app).commands["shuffle-rows"]
print(json.dumps({
    "recipe": parse_recipe(text).steps[1].rows,
    "verb": {each.name: each.help for each in verb.params}["rows"],
    "schema": recipe_schema()["$defs"]["Shuffle"]["properties"]["rows"]["description"],
    "reference": hooks.steps_reference(),
    "function": str(inspect.signature(packlight.shuffle_rows)),
    "heavy": [name for name in ("torch", "onnxruntime") if name in sys.modules],
}))
"""


def test_a_new_folder_is_a_step_everywhere(tmp_path):
    folder = tmp_path / "steps" / "shuffle_rows"
    folder.mkdir(parents=True)
    for name, content in {"__init__.py": "", "options.py": OPTIONS, "apply.py": APPLY}.items():
        (folder / name).write_text(textwrap.dedent(content))
    words = [sys.executable, "-c", SEEN, str(tmp_path / "steps"), str(ROOT / "docs" / "hooks.py")]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    seen = json.loads(answer.stdout)
    assert seen["recipe"] == 3
    assert seen["verb"] == seen["schema"] == "Rows to shuffle."
    assert "## shuffle-rows" in seen["reference"]
    assert "| `rows` | int \\| null | null | Rows to shuffle. `null`: every row. |" in seen["reference"]
    assert "rows: int | None = None" in seen["function"]
    assert seen["heavy"] == []
