import pytest

from packlight import extras
from packlight.errors import EngineError, RecipeError
from packlight.pipeline.preflight import skipped_steps
from packlight.recipes.recipe import load_recipe, parse_recipe

RECIPE = """
version: 1
name: toy
steps:
  - {{step: finetune, as: teacher}}
  - {{step: compile, as: fast, optional: {optional}}}
"""


@pytest.fixture
def few_engines(monkeypatch):
    """No compiler and no OpenVINO, as on many machines."""
    monkeypatch.setattr(extras, "installed", lambda name: name not in ("openvino", "nncf"))
    monkeypatch.setenv("CXX", "no-such-compiler")


@pytest.mark.usefixtures("few_engines")
def test_optional_steps_that_cannot_run_are_skipped_with_an_install_hint(capsys):
    assert skipped_steps(load_recipe("engines")) == {"compiled", "openvino", "openvino-int8"}
    said = " ".join(capsys.readouterr().err.split())
    assert "compiled: skipped: torch.compile needs a C++ compiler" in said
    assert "openvino-int8: skipped: `openvino` needs openvino: pip install" in said


@pytest.mark.usefixtures("few_engines")
def test_a_step_that_is_not_optional_is_refused_before_any_work():
    assert skipped_steps(parse_recipe(RECIPE.format(optional="true"))) == {"fast"}
    with pytest.raises(EngineError, match="no no-such-compiler"):
        skipped_steps(parse_recipe(RECIPE.format(optional="false")))


def test_nothing_relies_on_a_step_that_may_be_skipped():
    recipe = RECIPE.format(optional="true").replace("compile, as: fast", "prune, layers: 1, as: fast")
    assert parse_recipe(recipe + "  - {step: export, as: onnx, optional: true}\n").steps[-1].optional
    with pytest.raises(RecipeError, match="onnx starts from 'fast', which is optional and may be skipped: make onnx"):
        parse_recipe(recipe + "  - {step: export, as: onnx}\n")


def test_being_optional_changes_no_variant():
    steps = [parse_recipe(RECIPE.format(optional=word)).steps[-1] for word in ("true", "false")]
    assert steps[0].options() == steps[1].options()
