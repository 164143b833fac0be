"""The trial that chooses the number of threads for training: when it is held, what it decides, and what it leaves alone."""

import dataclasses
import json

import pytest
import torch

import packlight
from packlight.models import resolve
from packlight.pipeline import resolving, thread_trial
from packlight.pipeline.resolving import Resolved, settle
from packlight.pipeline.runner import build
from packlight.pipeline.thread_trial import fewest_threads, in_words, planned_training, time_threads
from packlight.recipes.recipe import recipe_of
from packlight.search import search
from packlight.steps.distill.options import Distill
from packlight.steps.export.options import Export
from packlight.steps.finetune.options import Finetune
from packlight.steps.prune.options import Prune

FOUR = Resolved(device="cpu", threads=4, bf16=False, reduce_range=False)
BUSY = {1: 30.0, 2: 54.0, 4: 96.0}


@pytest.fixture
def start(encoder_folder):
    return resolve(encoder_folder("bert"))


@pytest.fixture
def training(start, data):
    return planned_training([Finetune(name="teacher")], start, data)


@pytest.fixture
def trials(monkeypatch):
    """The trials that were held on a busy machine with four processors."""
    held = []
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(resolving, "here", lambda: FOUR)
    monkeypatch.setattr(resolving, "time_threads", lambda *given, **_: held.append(given) or BUSY)
    return held


@pytest.mark.parametrize(
    ("times", "chosen", "words"),
    [
        ({1: 10, 2: 18}, 1, "training on 1 thread: here, 2 threads take 1.8 times as long"),
        ({1: 18, 2: 10}, 2, "training on 2 threads: here, 1 thread takes 1.8 times as long"),
        ({1: 10.4, 2: 10}, 1, "training on 1 thread: here, 2 threads take 1.0 times as long"),
        (
            {1: 30, 2: 16, 4: 10},
            4,
            "training on 4 threads: here, 1 thread takes 3.0 times as long, 2 threads take 1.6 times as long",
        ),
    ],
)
def test_the_fewest_threads_that_are_about_as_fast_as_the_fastest(times, chosen, words):
    assert fewest_threads(times) == chosen
    assert in_words(times) == words


def test_a_run_keeps_the_choice_and_its_figures(training, trials, tmp_path, capsys):
    file = tmp_path / "resolved.json"
    assert settle(file, training=training).threads == 1
    assert "training on 1 thread: here, 2 threads take 1.8" in capsys.readouterr().err
    assert json.loads(file.read_bytes())["trial_ms"] == {"1": 30.0, "2": 54.0, "4": 96.0}
    assert settle(file, training=training).threads == 1
    assert len(trials) == 1
    assert capsys.readouterr().err == "", "four processors are what the trial was held on"
    assert settle(file, threads=2).trial_ms == {}, "the user's number, not the trial's"
    assert settle(file, training=training).threads == 2


def test_a_machine_with_fewer_processors_continues_with_the_number_that_was_chosen(
    training, trials, tmp_path, monkeypatch, capsys
):
    file = tmp_path / "resolved.json"
    settle(file, training=training)
    capsys.readouterr()
    monkeypatch.setattr(resolving, "here", lambda: Resolved(device="cpu", threads=2, bf16=False, reduce_range=False))
    assert settle(file, training=training).threads == 1
    assert "continuing with threads 1" in capsys.readouterr().err
    assert len(trials) == 1


def test_no_trial_where_the_number_is_stated_or_makes_no_difference(training, trials, tmp_path, monkeypatch):
    assert settle(tmp_path / "stated.json", threads=3, training=training).threads == 3
    assert settle(tmp_path / "untrained.json").threads == 4
    for device, threads in (("cuda", 4), ("cpu", 1)):
        there = Resolved(device=device, threads=threads, bf16=False, reduce_range=False)
        monkeypatch.setattr(resolving, "here", lambda there=there: there)
        assert settle(tmp_path / f"{device}.json", training=training) == there
    monkeypatch.setattr(resolving, "here", lambda: FOUR)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert settle(tmp_path / "environment.json", training=training).threads == 4
    assert trials == []


def test_only_steps_that_train_on_threads_that_nobody_stated_count(start, data, trained_folder):
    steps = [Finetune(name="a", epochs=3), Distill(name="b", epochs=4), Distill(name="c", epochs=9, threads=1)]
    assert planned_training([*steps, Export(name="d")], start, data).epochs == 7
    assert planned_training([Prune(name="a", heads=1), Export(name="b")], start, data) is None
    assert planned_training([Finetune(name="a")], resolve(trained_folder("bert")), data) is None, "used as it is"
    assert planned_training(steps, None, data) is None


def test_each_number_of_threads_takes_its_turn(training, monkeypatch):
    turns, settings = [], []
    monkeypatch.setattr(thread_trial, "_timed", lambda update, threads: turns.append(threads) or threads)  # noqa: ARG005
    monkeypatch.setattr(thread_trial, "_update", lambda *given, **more: settings.append((given, more)) or list)
    monkeypatch.setattr(thread_trial, "SECONDS", 0)
    assert time_threads(training, 6, bf16=True) == {1: 1000, 2: 2000, 4: 4000, 6: 6000}
    assert turns == [6, 4, 2, 1, *[1, 2, 4, 6] * 2]
    ((_, tokens), more) = settings[0]
    assert more == {"bf16": True}
    assert 3 <= tokens <= 12, "of the toy texts"


def test_a_real_trial_leaves_random_numbers_and_threads_alone(training, monkeypatch):
    """The tiny models of these tests are also proof that short training gets no trial."""
    torch.manual_seed(7)
    expected, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(7)
    assert time_threads(training, 1, bf16=False) == {}
    monkeypatch.setattr(thread_trial, "WORTH_SECONDS", 0)
    monkeypatch.setattr(thread_trial, "SECONDS", 0)
    (update,) = time_threads(training, 1, bf16=False).values()
    assert update > 0
    assert torch.equal(torch.rand(3), expected)
    torch.set_num_threads(threads)


class Settled(Exception):  # noqa: N818 - ends the test's run as soon as the values are known
    pass


WAYS = {
    "run": lambda data, folder, out: build(data, recipe_of([Finetune(name="teacher")]), out, model=folder),
    "step": lambda data, folder, out: packlight.finetune(data, model=folder, out=out),
    "search": lambda data, folder, out: search(data, out, trials=1, model=folder),
    "search from a teacher": lambda data, folder, out: search(data, out, trials=1, teacher=folder),
}


@pytest.mark.parametrize("way", WAYS)
def test_runs_single_steps_and_searches_hold_the_same_trial(
    way, encoder_folder, trained_folder, data, trials, tmp_path, monkeypatch
):
    def stop(*_, resolved=FOUR, **__):
        assert resolved.threads == (4 if "from" in way else 1), "a given teacher is not trained"
        raise Settled

    places = ("search.runner.exported_baseline",)
    if "from" not in way:
        places = ("pipeline.runner.make_variant", "pipeline.variant.make_variant", "search.teacher.make_variant")
    for place in places:
        monkeypatch.setattr(f"packlight.{place}", stop)
    folder = (trained_folder if "from" in way else encoder_folder)("bert")
    with pytest.raises(Settled):
        WAYS[way](data, str(folder), tmp_path / "out")
    assert len(trials) == 1


def test_what_transformers_does_not_know_is_left_to_the_step(start, data, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "unheard-of"}')
    unknown = planned_training([Finetune(name="a")], dataclasses.replace(start, path=tmp_path), data)
    assert time_threads(unknown, 2, bf16=False) == {}
