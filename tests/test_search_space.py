"""What trials can be, and the steps that follow: everything a sampler may propose can be carried out as a recipe."""

import dataclasses

import msgspec
import optuna
import pytest
import yaml

import searching
from packlight.data import dataset_from_rows
from packlight.recipes.recipe import Recipe, parse_recipe, write_recipe
from packlight.runtime.artifact import Artifact
from packlight.search.chain import ngram_bytes, probe_of, shape_of, steps_of
from packlight.search.space import FAMILIES, Ngrams, space_of
from packlight.steps import step_types
from packlight.steps.finetune.options import Finetune
from packlight.steps.option import options_of
from packlight.steps.step import Span

pytest_plugins = ["tiny_run"]
SPACE = dataclasses.replace(searching.SPACE, calibrated=True, epochs=(5, 10, 20))
TEACHER = "teacher"


def proposed(space, count=60):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    return [space.suggest(study.ask()) for _ in range(count)]


def recipe_of(steps, folder):
    recipe = Recipe(version=1, name="trial", steps=(Finetune(name=TEACHER), *steps))
    write_recipe(recipe, folder / "recipe.yaml")
    return parse_recipe((folder / "recipe.yaml").read_text())


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize(
    ("neurons", "heads", "narrowed"),
    [(1536, 12, True), (1536, 12, False), (None, 12, False), (1536, None, False), (None, None, False)],
)
def test_every_design_that_a_sampler_proposes_is_a_recipe(tmp_path, calibrated, neurons, heads, narrowed):
    space = dataclasses.replace(SPACE, calibrated=calibrated, neurons=neurons, heads=heads, narrowed=narrowed)
    designs = [*space.first(), *proposed(space)]
    pruned = [step for design in designs for step in steps_of(design, space, TEACHER) if step.kind == "prune"]
    # Narrower hidden states take heads along.
    assert {step.heads for step in pruned} == ({None, 9, 6} if heads and not narrowed else {None})
    assert {step.hidden_size for step in pruned} == ({None, 0.84, 0.67, 0.5} if narrowed else {None})
    assert {design.family for design in designs} == set(FAMILIES)
    for design in designs:
        steps = steps_of(design, space, TEACHER)
        assert recipe_of(steps, tmp_path).steps[1:] == steps
        kinds = [step.kind for step in steps]
        assert ("cascade" in kinds) == (design.family == "cascade")
        assert kinds.count("calibrate") == calibrated * (2 if design.family == "cascade" else 1)
        if design.student:
            probe = probe_of(design.student, space, TEACHER)
            assert probe[-1].embeddings == design.student.embeddings
            recipe_of(probe, tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stated_abstention_is_a_step_of_every_design(tmp_path, family):
    space = dataclasses.replace(SPACE, calibrated=False, abstain=0.03, families=(family,))
    (design,) = space.first()
    steps = recipe_of(steps_of(design, space, TEACHER), tmp_path).steps
    abstaining = [step for step in steps if step.kind == "calibrate"]
    assert [step.abstain for step in abstaining] == [0.03] * (2 if family == "cascade" else 1)
    shipped = steps[-1] if family != "cascade" else steps[-2]
    assert shipped is abstaining[-1], "a cascade abstains as its second model does"


def test_what_is_searched_is_within_the_option_and_stands_beside_it():
    searched = {
        (kind.word(), each.name): each for kind in step_types().values() for each in options_of(kind) if each.searched
    }
    assert {("distill", "temperature"), ("distill-static", "buckets"), ("quantize-onnx", "mode")} <= searched.keys()
    for option in searched.values():
        values = option.searched[:2] if isinstance(option.searched, Span) else option.searched
        for value in values:
            assert msgspec.convert(value, option.type) == value, f"{option.name}: {value} is out of its range"


def test_a_sampler_is_asked_for_what_the_options_say(monkeypatch):
    def narrowed(step):
        return [
            dataclasses.replace(each, searched=Span(2.0, 3.0, step=0.5)) if each.name == "temperature" else each
            for each in options_of(step)
        ]

    monkeypatch.setattr("packlight.search.space.options_of", narrowed)
    assert {design.student.temperature for design in proposed(SPACE) if design.student} == {2.0, 2.5, 3.0}


def test_equal_beginnings_have_equal_names_and_others_have_not():
    designs = proposed(SPACE, 120)
    contents = {}
    for design in designs:
        for step in steps_of(design, SPACE, TEACHER):
            plain = (step.kind, step.parent, tuple(step.other_parents), yaml.safe_dump(step.options()))
            assert contents.setdefault(step.name, plain) == plain
    assert len(set(contents.values())) == len(contents)
    (one, *_) = [design for design in designs if design.family == "transformer"]
    dynamic, static = (dataclass_with(one, int8=mode) for mode in ("dynamic", "static"))
    first, second = (steps_of(each, SPACE, TEACHER) for each in (dynamic, static))
    shared = [step.name for step in first if step in second]
    assert [step.kind for step in first if step.name in shared][-2:] == ["distill", "export"]
    assert first[-1].name != second[-1].name


def dataclass_with(design, **changes):
    import msgspec  # one use

    return msgspec.structs.replace(design, student=msgspec.structs.replace(design.student, **changes))


def test_nothing_is_cut_out_where_all_is_kept(tmp_path):
    (student,) = [design.student for design in SPACE.first() if design.family == "transformer"]
    whole = dataclass_with(SPACE.first()[1], layers=6, feed_forward=100, pieces=0)
    assert student is not None
    assert shape_of(whole.student, SPACE, TEACHER) == ()
    assert [step.kind for step in steps_of(whole, SPACE, TEACHER)] == [
        "distill", "export", "quantize-onnx", "calibrate",
    ]  # fmt: skip
    recipe_of(probe_of(whole.student, SPACE, TEACHER), tmp_path)


def test_a_design_is_proposed_again_by_its_parameters():
    for design in proposed(SPACE):
        assert SPACE.suggest(optuna.trial.FixedTrial(design.parameters)) == design


def test_the_size_of_n_grams_is_known_before_they_are_taught():
    ngrams = Ngrams(buckets=4096, width=32, word_vectors=0, ngram_augment=0)
    alone = 4096 * 32 + 32 * 256 + 256 * 10 + 4 * (32 + 2 * (256 + 10))
    assert ngram_bytes(ngrams, SPACE, labels=10) == alone
    # Each word takes 192 halves of a byte, a weight and a hash; the columns take a scale and a row of the head.
    with_words = msgspec.structs.replace(ngrams, word_vectors=5000)
    assert ngram_bytes(with_words, SPACE, labels=10) == alone + SPACE.words * (96 + 8) + 192 * (4 + 256)


def test_the_ranges_follow_from_teacher_and_data(tiny_run, tiny):
    data = dataset_from_rows(list(zip(*tiny.toy_texts(), strict=True)), source="tiny")
    space = space_of(Artifact.open(tiny_run / "variants" / "teacher"), data, ("static",))
    assert (space.layers, space.neurons, space.heads, space.max_length) == (4, 64, 4, 24)
    assert space.calibrated
    assert space.narrowed
    assert 50 < space.pieces < tiny.VOCABULARY == space.vocabulary
    assert space.epochs == tuple(dict.fromkeys(space.epochs)) == tuple(sorted(space.epochs))
    assert [design.family for design in space.first()] == ["static"]
