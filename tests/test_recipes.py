import msgspec
import pytest

from packlight.errors import RecipeError
from packlight.recipes.overrides import with_lengths, with_oos_rate, with_reference
from packlight.recipes.recipe import load_recipe, parse_recipe, write_recipe
from packlight.steps.distill.options import Distill
from packlight.steps.export.options import Export
from packlight.steps.finetune.options import Finetune
from packlight.steps.prune.options import Prune
from packlight.steps.quantize_onnx.options import QuantizeOnnx

TEACHER = "{step: finetune, as: teacher}"


def recipe(*steps, head="version: 1\nname: mine\n"):
    return head + "steps:\n" + "".join(f"  - {step}\n" for step in steps)


def test_the_walk_is_built_in_and_can_be_carried_out():
    walk = load_recipe("walk")
    assert walk.name == "walk"
    assert [step.kind for step in walk.steps][:3] == ["finetune", "export", "quantize-onnx"]
    assert {step.kind for step in walk.steps} == {"finetune", "distill", "quantize-torch", "export", "quantize-onnx"}


def test_the_frontier_is_built_in_and_measures_what_can_be_shipped():
    frontier = load_recipe("frontier")
    measured = [step.name for step in frontier.steps if step.measured]
    assert {"teacher-calibrated", "large", "balanced", "small", "static", "cascade", "cascade-large"} <= set(measured)
    assert not [name for name in measured if name.endswith(("-start", "-student"))]


def test_a_rate_is_stated_for_all_steps_that_take_one_and_state_none():
    steps = (TEACHER, "{step: calibrate, as: a, oos_rate: 0.3}", "{step: calibrate, as: b, from: teacher}")
    stated = with_oos_rate(parse_recipe(recipe(*steps)), 0.2)
    assert [getattr(step, "oos_rate", None) for step in stated.steps] == [None, 0.3, 0.2]


def test_a_rate_that_no_step_would_take_over_is_refused():
    whole = parse_recipe(recipe(TEACHER, "{step: calibrate, as: a, oos_rate: 0.3}"))
    with pytest.raises(RecipeError, match="each step that takes an out-of-scope rate states its own"):
        with_oos_rate(whole, 0.2)


@pytest.mark.parametrize("rate", [0, 1, -0.1, float("nan"), "test"])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(RecipeError, match="oos_rate"):
        with_oos_rate(load_recipe("frontier"), rate)


def test_a_rate_for_a_recipe_that_takes_none_is_refused():
    with pytest.raises(RecipeError, match="walk: no step takes an out-of-scope rate"):
        with_oos_rate(load_recipe("walk"), 0.2)


def test_a_recipe_of_which_nothing_is_measured_is_refused():
    with pytest.raises(RecipeError, match="no variant is measured"):
        parse_recipe(recipe("{step: finetune, as: teacher, measured: false}"))


def test_steps_have_their_defaults_names_and_parents():
    made = parse_recipe(
        recipe(
            TEACHER,
            "{step: distill, as: student, layers: [0, 2], temperature: 4}",
            "{step: export, as: graph, from: teacher}",
            "{step: quantize-onnx, as: int8, mode: static}",
        )
    )
    teacher, student, graph, int8 = made.steps
    assert isinstance(teacher, Finetune)
    assert student == Distill(name="student", layers=(0, 2), temperature=4.0)
    assert graph == Export(name="graph", parent="teacher")
    assert int8 == QuantizeOnnx(name="int8", mode="static")
    assert [made.parent_of(step) for step in made.steps] == [None, teacher, teacher, graph]


def test_options_are_everything_but_the_names():
    options = Export(name="graph", parent="teacher").options()
    assert options == {"opset": 18, "fuse": True, "tolerance": 1e-3}


@pytest.mark.parametrize("name", ["walk", "frontier", None])
def test_what_is_written_is_read_again(tmp_path, name):
    made = (
        load_recipe(name) if name else parse_recipe(recipe(TEACHER, "{step: distill, as: s, layers: 2, bf16: false}"))
    )
    write_recipe(made, tmp_path / "recipe.yaml")
    assert load_recipe(tmp_path / "recipe.yaml") == made
    assert load_recipe(str(tmp_path / "recipe.yaml")) == made


REFUSED = {
    "no YAML": ("a: [", "line 1, column 5: "),
    "nothing": ("", "a mapping of version, name and steps, but this is null"),
    "a list": ("- 1", r"this is \[1\]"),
    "no version": (recipe(TEACHER, head="name: mine\n"), "version"),
    "another version": (recipe(TEACHER, head="version: 2\nname: mine\n"), "version 2 is not the 1"),
    "no steps": ("version: 1\nname: mine\nsteps: []", "has no steps"),
    "an unknown key": (recipe(TEACHER) + "colour: red\n", "colour.*packlight recipes --options"),
    "an unknown option": (
        recipe("{step: finetune, as: teacher, epoch: 3}"),
        r"step 1, 'teacher' \(finetune\): there is no key 'epoch' \(did you mean 'epochs'\?\).*recipes --options",
    ),
    "an entry that is no step": (recipe("{as: teacher}"), "step 1, 'teacher': .* doesn't name its step"),
    "steps that are none": ("version: 1\nname: m\nsteps: 3", "steps is 3, but must be a list of steps"),
    "an unknown step": (recipe("{step: shrink, as: teacher}"), "there is no step 'shrink'; there are calibrate"),
    "an unknown reference": (recipe(TEACHER, head="version: 1\nname: m\nreferences: [gpt]\n"), "gpt"),
    "no name": (recipe("{step: finetune}"), "as"),
    "a name that is a path": (recipe("{step: finetune, as: ../teacher}"), "as"),
    "an empty name": (recipe("{step: finetune, as: ''}"), "as"),
    "a word for a number": (
        recipe("{step: finetune, as: t, epochs: many}"),
        "'many', but must be a whole number of at least 0",
    ),
    "fewer than no epochs": (recipe("{step: finetune, as: t, epochs: -1}"), "epochs"),
    "a rate of nothing": (
        recipe("{step: finetune, as: t, learning_rate: 0}"),
        "learning_rate is 0, but must be a number above 0$",
    ),
    "a rate in quotes": (
        recipe("{step: finetune, as: t, learning_rate: '4e-3'}"),
        "that is text, write 0.004",
    ),
    "a value with its place": (recipe(TEACHER, "{step: export, as: g, opset: 9}"), "line 5, column 34: "),
    "a rate that is no number": (recipe("{step: finetune, as: t, learning_rate: .nan}"), "not a finite number"),
    "nothing but warming up": (recipe("{step: finetune, as: t, warmup: 1}"), "warmup"),
    "an alpha above one": (
        recipe(TEACHER, "{step: distill, as: s, alpha: 1.1}"),
        r"step 2, 's' \(distill\): alpha is 1.1, but",
    ),
    "a temperature of nothing": (recipe(TEACHER, "{step: distill, as: s, temperature: 0}"), "temperature"),
    "no layers": (recipe(TEACHER, "{step: distill, as: s, layers: 0}"), "layers"),
    "a layer below the first": (recipe(TEACHER, "{step: distill, as: s, layers: [-1, 2]}"), "layers"),
    "an opset that cannot be": (recipe(TEACHER, "{step: export, as: g, opset: 9}"), "opset"),
    "an unknown mode": (recipe(TEACHER, "{step: export, as: g}", "{step: quantize-onnx, as: q, mode: magic}"), "magic"),
    "the same name twice": (recipe(TEACHER, "{step: distill, as: teacher}"), "two variants have the name 'teacher'"),
    "the name of a reference": (
        recipe("{step: finetune, as: distilbert}", head="version: 1\nname: m\nreferences: [distilbert]\n"),
        "two variants have the name 'distilbert'",
    ),
    "a first step that needs a variant": (
        recipe("{step: export, as: g}"),
        "comes first, but must start from a variant",
    ),
    "a parent that nothing makes": (
        recipe(TEACHER, "{step: export, as: g, from: x}"),
        "'x', which no earlier step makes",
    ),
    "a parent that comes later": (
        recipe(TEACHER, "{step: export, as: g, from: s}", "{step: distill, as: s, from: teacher}"),
        "'s', which no earlier step makes",
    ),
    "its own parent": (recipe(TEACHER, "{step: export, as: g, from: g}"), "'g', which no earlier step makes"),
    "a model with a parent": (recipe(TEACHER, "{step: finetune, as: t, from: teacher}"), "remove `from`"),
    "int8 of a torch model": (recipe(TEACHER, "{step: quantize-onnx, as: q}"), "needs onnx, but 'teacher' is torch"),
    "int8 of int8": (
        recipe(TEACHER, "{step: export, as: g}", "{step: quantize-onnx, as: q}", "{step: quantize-onnx, as: qq}"),
        "needs onnx, but 'q' is onnx-int8",
    ),
    "a student of a graph": (
        recipe(TEACHER, "{step: export, as: g}", "{step: distill, as: s}"),
        "needs torch, but 'g' is onnx",
    ),
    "an export of int8": (
        recipe(TEACHER, "{step: quantize-torch, as: q}", "{step: export, as: g}"),
        "needs torch, but 'q' is torch-int8",
    ),
    "values for few texts of how many": (
        recipe("{step: finetune, as: t, few_texts: {epochs: 9}}"),
        "few_texts: below is null",
    ),
    "values for fewer texts than none": (
        recipe("{step: finetune, as: t, few_texts: {below: 0, epochs: 9}}"),
        "few_texts: below is 0, but must be a whole number of at least 1",
    ),
    "few texts and nothing else": (recipe("{step: finetune, as: t, few_texts: {below: 9}}"), "add one"),
    "another name for few texts": (
        recipe("{step: finetune, as: t, few_texts: {below: 9, as: u}}"),
        "as can't depend on the number of texts",
    ),
    "an unknown option for few texts": (
        recipe("{step: finetune, as: t, few_texts: {below: 9, epoch: 3}}"),
        r"few_texts: there is no key 'epoch' \(did you mean 'epochs'",
    ),
    "a wrong value for few texts": (
        recipe("{step: finetune, as: t, few_texts: {below: 9, epochs: many}}"),
        "few_texts: epochs is 'many', but must be",
    ),
    "a contradiction for few texts": (
        recipe(TEACHER, "{step: prune, as: p, layers: 3, few_texts: {below: 9, layers: null}}"),
        "few_texts: nothing to remove",
    ),
    "a teacher for few texts that nothing makes": (
        recipe(TEACHER, "{step: distill, as: s, few_texts: {below: 9, teachers: [x]}}"),
        "'x', which no earlier step makes",
    ),
    "a step from a reference": (
        recipe(
            TEACHER, "{step: export, as: g, from: bert-base}", head="version: 1\nname: m\nreferences: [bert-base]\n"
        ),
        "needs torch, but 'bert-base' is reference",
    ),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_carried_out_is_refused(text, message):
    with pytest.raises(RecipeError, match=message) as caught:
        parse_recipe(text, where="mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")
    assert "Expected `" not in str(caught.value), "msgspec's words are for programmers"


def test_a_recipe_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(RecipeError, match=r"no recipe 'stroll': give a YAML file or one of .*walk"):
        load_recipe("stroll")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "recipe.yaml").write_bytes("name: é".encode("latin-1"))
    with pytest.raises(RecipeError, match="not UTF-8"):
        load_recipe(tmp_path / "recipe.yaml")


def test_yaml_cannot_run_code():
    with pytest.raises(RecipeError, match="line 1, column 1: a tag"):
        parse_recipe("!!python/object/apply:os.system ['true']")


def test_a_reference_replaces_the_recipes_own_and_mpnet_is_fine_tuned_first():
    plan = load_recipe("walk")
    assert with_reference(plan, "distilbert").references == ("distilbert",)
    trained = with_reference(plan, "mpnet")
    assert trained.references == ()
    assert trained.steps[1:] == plan.steps
    assert (trained.steps[0].name, trained.steps[0].model, trained.steps[0].reference) == ("mpnet", "mpnet", True)


def test_a_reference_that_there_is_not_and_one_that_a_variant_is_called_like_are_refused():
    with pytest.raises(RecipeError, match="bert-base, distilbert and mpnet"):
        with_reference(load_recipe("walk"), "bert-large")
    with pytest.raises(RecipeError, match="two variants have the name 'mpnet'"):
        with_reference(with_reference(load_recipe("walk"), "mpnet"), "mpnet")


def test_a_problem_of_the_head_has_the_heads_place_whatever_is_wrong_below():
    with pytest.raises(RecipeError, match=r"^recipe: line 1, column 1: version is missing"):
        parse_recipe("steps:\n  - step: finetune\n    name: teacher\n")
    with pytest.raises(RecipeError, match=r"^recipe: line 1, column 10: version is 'x', but must be a whole number"):
        parse_recipe("version: x\nname: n\nsteps: []\n")


def test_few_texts_choose_other_values_and_leave_no_trace():
    few = "{below: 100, layers: 3, heads: null}"
    (_, pruned) = parse_recipe(recipe(TEACHER, f"{{step: prune, as: p, layers: 2, heads: 4, few_texts: {few}}}")).steps
    known = [pruned.for_texts(count) for count in (99, 100)]
    assert [(step.layers, step.heads, step.few_texts) for step in known] == [(3, None, None), (2, 4, None)]
    assert known[0].options() == Prune(name="q", layers=3).options()


def test_a_stated_length_is_that_of_few_texts_too():
    few = "{below: 100, max_length: 64, epochs: 9}"
    mine = parse_recipe(
        recipe(
            f"{{step: finetune, as: t, few_texts: {few}}}",
            "{step: finetune, as: u, few_texts: {below: 9, max_length: 64}}",
        )
    )
    for step in with_lengths(mine, max_length=32).steps:
        assert step.for_texts(1).max_length == step.for_texts(1000).max_length == 32
    first, second = with_lengths(mine, max_length=32).steps
    assert (first.for_texts(1).epochs, second.few_texts) == (9, None)
    assert [step.for_texts(1).max_length for step in with_lengths(mine, long_texts="head+tail").steps] == [64, 64]
    assert with_lengths(mine).steps == mine.steps


def test_few_texts_change_the_balanced_student_and_its_cascade():
    for name in ("frontier", "best"):
        adapted = [step for step in load_recipe(name).steps if step.few_texts]
        assert [step.name for step in adapted] == ["balanced-vocabulary", "balanced-start", "cascade"]
        assert all(step.for_texts(10**6) == msgspec.structs.replace(step, few_texts=None) for step in adapted)
