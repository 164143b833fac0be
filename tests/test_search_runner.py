"""Searches over tiny models: what they leave behind, how they go on, how time ends them, how processes share one."""

import dataclasses
import json
import multiprocessing
import os
import platform
import shutil
import signal
from functools import partial

import msgspec
import pytest
import torch

from packlight.analysis.recommend import Constraints
from packlight.data import dataset_from_rows
from packlight.errors import ModelError, PacklightError, RecipeError
from packlight.measure.results import read_measurements
from packlight.measure.rounds import BenchmarkConfig
from packlight.pipeline.runner import run as carry_out_recipe
from packlight.recipes.recipe import load_recipe
from packlight.runtime.artifact import Artifact, read_manifest
from packlight.search import conclude as concluding
from packlight.search import runner as running
from packlight.search.rows import SearchOutcome
from packlight.search.runner import search
from packlight.search.space import space_of
from packlight.search.trial import TrialRunner, _Trial
from packlight.steps.finetune.options import Finetune

pytestmark = pytest.mark.slow
"""whole searches, each with its trainings; the guide's blocks run a short one in the quick tests"""

pytest_plugins = ["searched", "command"]
EFFORT = BenchmarkConfig(rounds=2, texts=4, seconds=0)
STUDENT = {"batch_size": 16, "bf16": False}
NGRAMS = {"epochs": 4, "hidden_size": 16, "batch_size": 16}


def start(data, given, run, out, *, families=("static",), limits=None, **other):
    """Search in a folder; by default for n-grams alone, which take a second."""
    if not (out / "variants" / "teacher-onnx").exists():
        # The very export that each search would make first.
        shutil.copytree(run / "variants" / "teacher-onnx", out / "variants" / "teacher-onnx")
    space = space_of(Artifact.open(given), data, families)
    space = dataclasses.replace(space, epochs=(1, 2), student_options=STUDENT, ngram_options=NGRAMS)
    settings = {"teacher": str(given), "threads": 1, "space": space, "trial_effort": EFFORT, "effort": EFFORT}
    wanted = Constraints(percentile="mean", **(limits or {}))
    return search(data, out, limits=wanted, **(settings | other))


@pytest.fixture(scope="module")
def begin(data, given_teacher, tiny_run):
    return partial(start, data, given_teacher, tiny_run)


@pytest.fixture(scope="module")
def teacher_before(given_teacher):
    """The manifest of the given teacher, before any search."""
    return read_manifest(given_teacher)


@pytest.fixture(scope="module")
def whole(begin, teacher_before, tmp_path_factory):  # noqa: ARG001 - read before the search
    """A search of all families, to the end: folder and outcome."""
    out = tmp_path_factory.mktemp("search")
    families = ("transformer", "static", "cascade")
    return out, begin(out, families=families, trials=3, limits={"min_accuracy": 0.2})


@pytest.fixture
def unmeasured(monkeypatch):
    """Searches that leave `test` alone."""
    monkeypatch.setattr(concluding, "_measure", lambda *_: {})


def finished(outcome):
    return [row for row in outcome.trials if row.state == "finished"]


def test_a_search_leaves_what_it_promises(whole, given_teacher, teacher_before):
    out, outcome = whole
    for name in ("search.json", "recipe.yaml", "measurements.json", "report.md", "report.html"):
        assert (out / name).stat().st_size > 100
    known = msgspec.json.decode((out / "search.json").read_bytes(), type=SearchOutcome)
    assert known == outcome
    assert {row.design.family for row in outcome.trials} == {"transformer", "static", "cascade"}
    assert [row.number for row in outcome.trials] == list(range(3))
    for member in outcome.front:
        assert Artifact.open(out / "variants" / member.variant).manifest.measurement is not None
        assert member.tested == read_measurements(out)[member.variant]
        assert (out / "recipes" / f"{member.variant}.yaml").is_file()
    left = {path.name for path in (out / "variants").iterdir()}
    assert not [name for name in left if "probe" in name or ("-onnx-" in name)], "forms that have served are gone"
    assert teacher_before.measurement is not None
    assert read_manifest(given_teacher) == teacher_before, "the given teacher is left alone"


def test_every_finished_trial_is_a_row_measured_on_val(whole, data):
    _, outcome = whole
    assert finished(outcome)
    for row in finished(outcome):
        accuracy, latency, size = row.values
        assert len(row.right) == len(data.val)
        assert accuracy == pytest.approx(row.right.count("1") / len(data.val))
        assert latency > 0
        assert row.known.size_mb == pytest.approx(size, rel=0.5), "what the untaught model said"
        assert row.curve[-1].share <= 1


def test_the_pick_is_of_the_front_and_says_why(whole):
    _, outcome = whole
    assert outcome.pick in [member.variant for member in outcome.front]
    assert outcome.advice.reasons[0].startswith(outcome.pick)
    assert outcome.remarks[0].startswith(f"On test, {outcome.pick}")


def carried_out(recipe, data, out, whole, monkeypatch):
    """The variants of a written recipe, made again without measuring them."""
    monkeypatch.setattr("packlight.pipeline.runner.measure_run", lambda *_, **__: (read_measurements(whole[0]), False))
    carry_out_recipe(data, load_recipe(recipe), out, threads=1)
    return out / "variants"


@pytest.mark.usefixtures("unmeasured")
def test_a_recipe_of_the_front_makes_the_same_model_again(begin, whole, data, tmp_path, monkeypatch):
    found, again = tmp_path / "found", tmp_path / "again"
    (member,) = begin(found, trials=1).front
    made = carried_out(found / "recipes" / f"{member.variant}.yaml", data, again, whole, monkeypatch)
    one, other = (Artifact.open(place / member.variant) for place in (found / "variants", made))
    assert one.manifest.files[one.manifest.model_file] == other.manifest.files[other.manifest.model_file]


@pytest.mark.usefixtures("unmeasured")
def test_the_same_command_again_does_nothing_and_more_trials_go_on(begin, tmp_path, monkeypatch):
    made = []
    real = TrialRunner.run
    monkeypatch.setattr(
        TrialRunner, "run", lambda trial_runner, *given: made.append(given[0]) or real(trial_runner, *given)
    )
    first = begin(tmp_path, trials=2)
    assert made == [0, 1]
    assert begin(tmp_path, trials=2).trials == first.trials
    more = begin(tmp_path, trials=3)
    assert more.trials[:2] == first.trials
    assert made[:2] == [0, 1]
    assert len(made) >= 3


@pytest.mark.usefixtures("unmeasured")
def test_other_limits_take_over_what_was_measured(begin, tmp_path):
    loose = begin(tmp_path, trials=2)
    tight = begin(tmp_path, trials=2, limits={"min_accuracy": 1.0, "max_size_mb": 0.001})
    assert [row.variant for row in tight.trials] == [row.variant for row in loose.trials]
    assert [row.values for row in finished(tight)] == [row.values for row in finished(loose)]
    assert loose.pick is not None
    assert tight.pick is None
    assert {miss.constraint for miss in tight.advice.nearest[0].misses} >= {"max_size_mb"}


@pytest.mark.usefixtures("unmeasured")
def test_a_limit_that_the_size_breaks_is_known_before_teaching(begin, tmp_path):
    outcome = begin(tmp_path, trials=3, limits={"max_size_mb": 0.001})
    assert {row.state for row in outcome.trials} == {"skipped"}
    assert outcome.advice is None
    assert outcome.front == ()
    assert not [path for path in (tmp_path / "variants").iterdir() if path.name.startswith("n")]


@pytest.mark.usefixtures("unmeasured")
def test_time_ends_a_trial_after_an_epoch_and_it_is_gone_on_with(begin, tmp_path, monkeypatch):
    over = []
    monkeypatch.setattr("packlight.search.locks.Deadline.over", lambda _: bool(over))
    watch = _Trial._watch

    def watching(trial, step):
        after = watch(trial, step)
        return lambda number, accuracy: over.append(number) or after(number, accuracy)

    monkeypatch.setattr(_Trial, "_watch", watching)
    stopped = begin(tmp_path, minutes=60)
    assert over == [1], "no second epoch was begun"
    assert [row.state for row in stopped.trials] == ["stopped"]
    assert stopped.pick is None
    monkeypatch.setattr(_Trial, "_watch", watch)
    over.clear()
    outcome = begin(tmp_path, minutes=60, trials=1)
    assert [row.state for row in outcome.trials] == ["stopped", "finished"]
    assert outcome.trials[0].variant == outcome.trials[1].variant


def test_what_cannot_be_is_said(begin, data, tmp_path):
    with pytest.raises(PacklightError, match="give minutes, trials or both"):
        begin(tmp_path)
    with pytest.raises(PacklightError, match="1e-09 minutes expired before the teacher was trained"):
        begin(tmp_path, minutes=1e-9)
    with pytest.raises(PacklightError, match="max_size_mb"):
        begin(tmp_path, trials=1, limits={"max_size_mb": -1})
    assert data


@pytest.mark.usefixtures("unmeasured")
def test_a_folder_holds_one_search(begin, tmp_path):
    begin(tmp_path, trials=1)
    with pytest.raises(PacklightError, match="another seed"):
        begin(tmp_path, trials=1, seed=7)


def search_in_child(begin, out, trials, *, die_after):
    """In a child: SIGKILL in the epoch after so many, or to the end."""
    if die_after is not None:
        scored = []
        watch = _Trial._watch

        def watching(trial, step):
            after = watch(trial, step)

            def epoch(number, accuracy):
                scored.append(number)
                if len(scored) > die_after:
                    os.kill(os.getpid(), signal.SIGKILL)
                after(number, accuracy)

            return epoch

        _Trial._watch = watching
    concluding._measure = lambda *_: {}
    torch.set_num_threads(1)  # two on a busy machine mostly wait for each other
    begin(out, trials=trials)


def child(*given, **named):
    # Not forked: PyTorch's threads, which a search leaves in this process, would be missing in the child, and it would hang.
    process = multiprocessing.get_context("spawn").Process(target=search_in_child, args=given, kwargs=named)
    process.start()
    return process


@pytest.mark.usefixtures("unmeasured")
def test_a_killed_search_goes_on_with_what_was_finished(begin, tmp_path):
    process = child(begin, tmp_path, 3, die_after=NGRAMS["epochs"] + 1)
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    with (tmp_path / "work" / "search.journal").open("ab") as stream:
        stream.write(b'{"op_code": 5, "wor')
    outcome = begin(tmp_path, trials=3)
    assert [row.state for row in outcome.trials[:3]] == ["finished", "stopped", "finished"]
    assert outcome.trials[1].why == "its process was killed"
    assert len(finished(outcome)) == 3


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.slow
def test_two_processes_share_a_search(begin, tmp_path):
    begin(tmp_path, trials=1)
    processes = [child(begin, tmp_path, 7, die_after=None) for _ in range(2)]
    for process in processes:
        process.join(300)
        assert process.exitcode == 0
    outcome = begin(tmp_path, trials=7)
    made = [row.variant for row in outcome.trials if row.same_as is None]
    assert 7 <= len(made) <= 8, "one too many at most, when both saw the last but one"
    assert len(made) == len(set(made)), "no variant was made twice"
    assert [row.number for row in outcome.trials] == list(range(len(outcome.trials)))
    assert {row.state for row in outcome.trials} <= {"finished", "cut"}


@pytest.mark.usefixtures("unmeasured")
def test_two_machines_share_a_database_and_each_ships_what_it_has(begin, tmp_path):
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    mine = begin(tmp_path / "mine", trials=2, storage=storage)
    theirs = begin(tmp_path / "theirs", trials=4, storage=storage)
    assert [row.variant for row in theirs.trials[:2]] == [row.variant for row in mine.trials]
    places = [row.place.partition(":")[2] for row in finished(theirs) if row.same_as is None]
    assert places == [str(tmp_path / "mine")] * 2 + [str(tmp_path / "theirs")] * (len(places) - 2)
    here = {row.variant for row in finished(theirs)[2:]}
    assert here
    assert {member.variant for member in theirs.front} <= here
    again = begin(tmp_path / "mine", trials=4, storage=storage)
    assert again.trials == theirs.trials
    best = {outcome.pick for outcome in (again, theirs)}
    said = [remark for outcome in (again, theirs) for remark in outcome.remarks if "on all machines" in remark]
    assert len(said) == 1, "the machine that doesn't have the best"
    (named,) = [name for name in best if f"{name} is the one to ship" in said[0]]
    place = "mine" if named == again.pick else "theirs"
    assert f"It is in {platform.node()}:{tmp_path / place}: rerun" in said[0]
    other = tmp_path / ("theirs" if place == "mine" else "mine")
    shutil.copytree(tmp_path / place / "variants" / named, other / "variants" / named)
    moved = begin(other, trials=4, storage=storage)
    assert moved.pick == named, "a copied artifact counts"
    assert not [remark for remark in moved.remarks if "on all machines" in remark]


def test_the_verb_says_what_to_ship_and_1_where_nothing_fits(packlight, data, given_teacher, tmp_path, monkeypatch):
    rows = [(text, label) for split in (data.train, data.val, data.test) for text, label in split]
    (tmp_path / "texts.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    monkeypatch.setattr(concluding, "_measure", lambda *_: {})
    words = [
        "search", "--data", tmp_path / "texts.csv", "--teacher", given_teacher, "--family", "static", "--trials", 1,
        "--threads", 1, "--out", tmp_path / "out",
    ]  # fmt: skip
    answer = packlight(*words)
    assert answer.status == 0, answer.err
    assert "Ship n32k-w64-k20-calibrated-" in answer.out
    assert "trial 0" in answer.err
    outcome = json.loads(packlight(*words, "--json").out)
    assert outcome["trials"][0]["state"] == "finished"
    none = packlight(*words, "--max-size-mb", 0.5)
    assert none.status == 3
    assert "No trial keeps the limits" in none.out
    assert "limit 0.5 MB" in none.out
    assert "static" in packlight("search", "--family", "lstm").err


def test_the_given_teacher_must_be_one(begin, tiny_run, tmp_path):
    with pytest.raises(PacklightError, match="distill starts from torch"):
        begin(tmp_path, trials=1, teacher=str(tiny_run / "variants" / "student-onnx-int8"))
    shutil.rmtree(tmp_path)


@pytest.mark.usefixtures("unmeasured")
def test_a_teacher_is_made_with_the_head_and_the_lengths_that_are_stated(tiny, data, tmp_path, monkeypatch, capsys):
    quick = Finetune(name="teacher", epochs=1, min_updates=0, batch_size=16, learning_rate=4e-3, bf16=False)
    monkeypatch.setattr("packlight.search.teacher.default_step", lambda: quick)
    small = {"ngram_options": NGRAMS, "student_options": STUDENT}
    monkeypatch.setattr(running, "space_of", lambda *given: dataclasses.replace(space_of(*given), **small))
    folder = tiny.make_foreign("bert", tmp_path / "model", ("alarm", "music", "weather"))
    settings = {"model": str(folder), "trials": 1, "families": ("static",), "trial_effort": EFFORT, "train_threads": 1}
    with pytest.raises(ModelError, match="--extend-labels to keep its 3 known labels"):
        search(data, tmp_path / "refused", **settings)
    capsys.readouterr()
    search(data, tmp_path / "out", extend_labels=True, max_length=16, long_texts="windows", **settings)
    first = capsys.readouterr().err.splitlines()[0]
    assert first.endswith("a classifier that knows 3 labels; labels to add to its head and train: oos")
    teacher = read_manifest(tmp_path / "out" / "variants" / "teacher")
    assert (teacher.max_length, teacher.long_texts) == (16, "windows")
    assert Artifact.open(tmp_path / "out" / "variants" / "teacher").labels == ("alarm", "music", "weather", "oos")
    (written,) = (tmp_path / "out" / "recipes").iterdir()
    first_step = load_recipe(written).steps[0]
    assert first_step.extend_labels
    assert first_step.model == str(folder), "a run of the recipe needs no --model"


def test_a_given_teacher_has_its_head_and_its_length(data, given_teacher, tmp_path):
    for option, name in ({"new_head": True}, "--new-head"), ({"max_length": 8}, "--max-length"):
        with pytest.raises(RecipeError, match=f"{name}: sets how to train a teacher, but --teacher .* use `--model"):
            search(data, tmp_path, trials=1, teacher=str(given_teacher), **option)


@pytest.mark.usefixtures("unmeasured")
def test_every_trial_and_its_recipe_abstain_for_the_stated_loss(tiny, given_teacher, whole, tmp_path, monkeypatch):
    texts, labels = tiny.toy_texts()
    inside = dataset_from_rows([row for row in zip(texts, labels, strict=True) if row[1] != "oos"])
    teacher = tiny.make_foreign("bert", tmp_path / "model", ("alarm", "music", "weather"))
    space = dataclasses.replace(space_of(Artifact.open(given_teacher), inside, ("static",)), ngram_options=NGRAMS)
    settings = {"teacher": str(teacher), "trials": 1, "families": ("static",), "trial_effort": EFFORT, "space": space}
    outcome = search(inside, tmp_path / "out", abstain=0.1, **settings)
    (row,) = outcome.trials
    manifest = read_manifest(tmp_path / "out" / "variants" / row.variant)
    assert manifest.abstain_below > 0
    assert manifest.facts["abstention"]["loss"] <= 0.1
    again = carried_out(
        tmp_path / "out" / "recipes" / f"{row.variant}.yaml", inside, tmp_path / "again", whole, monkeypatch
    )
    assert read_manifest(again / row.variant).abstain_below == manifest.abstain_below
    with pytest.raises(PacklightError, match="another abstain"):
        search(inside, tmp_path / "out", **settings)


def test_abstaining_is_refused_where_a_class_is_learnt(begin, tmp_path):
    with pytest.raises(
        RecipeError, match=r"--abstain 0\.1: train has texts labelled 'oos', so models learn that class"
    ):
        begin(tmp_path, trials=1, abstain=0.1)
