import logging
import shutil

import pytest
import torch
from torch.nn.functional import cross_entropy

from packlight.errors import ModelError
from packlight.models import mean_pooling
from packlight.models.hf_model import build_classifier, open_classifier, save_classifier
from packlight.models.layers import keep_layers
from packlight.progress import watching
from packlight.steps.finetune.apply import finetune
from packlight.steps.finetune.options import Finetune
from packlight.steps.inference import logits_of
from packlight.steps.training.centroids import start_from_centroids
from packlight.steps.training.history import EpochResult, History
from packlight.steps.training.trainer import _epoch_result, fit, schedule
from packlight.steps.training.training_data import TrainingData


class KilledError(Exception):
    """Stands in for a kill."""


@pytest.fixture(scope="module")
def fitting(encoder_folder, tiny):
    """Build the same classifier each time and fit it; returns it with its history."""

    def run(
        work,
        *,
        family="bert",
        train_data=None,
        on_epoch=lambda _: None,
        frozen=(0, 0),
        objective=None,
        made=None,
        **options,
    ):
        folder = encoder_folder(family)
        model, encoder = build_classifier(folder, tiny.LABELS, seed=1), tiny.text_encoder(folder)
        if made is not None:
            made.append(model)
        train_data = train_data or tiny.toy_train_data()
        start_from_centroids(model, encoder, train_data)
        history = fit(
            model,
            encoder,
            train_data,
            objective or (lambda logits, labels, _: cross_entropy(logits, labels)),
            tiny.options(**options),
            work=work,
            seed=5,
            title="testing",
            frozen=frozen,
            on_epoch=on_epoch,
        )
        return model, history

    return run


def killer(at):
    """A listener that is killed when it hears of an epoch for the first time in its life."""

    def listen(epoch):
        if epoch.epoch == at:
            raise KilledError

    return listen


def same_weights(one, other):
    other = other.state_dict()
    return all(torch.equal(value, other[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "mpnet"])
def test_a_trivial_task_is_learned(fitting, tmp_path, encoder_folder, tiny, family):
    epochs = 8
    model, history = fitting(tmp_path, family=family, epochs=epochs, patience=epochs)
    assert max(epoch.accuracy for epoch in history) > 0.9
    assert [epoch.epoch for epoch in history] == list(range(1, epochs + 1))
    # The model is left with the weights of its best epoch, whole again, and able to be trained on.
    train_data, encoder = tiny.toy_train_data(), tiny.text_encoder(encoder_folder(family))
    right = logits_of(model, encoder, train_data.val_texts).argmax(1) == torch.tensor(train_data.val_labels)
    assert right.float().mean().item() == pytest.approx(max(epoch.accuracy for epoch in history))
    assert model.get_input_embeddings().num_embeddings == tiny.VOCABULARY
    assert not model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_objective_gets_logits_labels_and_rows_of_the_training_data(fitting, tmp_path, tiny):
    train_data, rows_seen = tiny.toy_train_data(), []

    def objective(logits, labels, rows):
        assert logits.shape == (len(rows), len(tiny.LABELS))
        assert labels.tolist() == [train_data.train_labels[row] for row in rows]
        rows_seen.extend(rows.tolist())
        return cross_entropy(logits, labels)

    fitting(tmp_path, train_data=train_data, objective=objective, epochs=1)
    assert sorted(rows_seen) == list(range(len(train_data.train_texts)))


@pytest.mark.parametrize("family", ["bert", "mpnet"])
def test_a_killed_training_goes_on_and_ends_as_if_it_had_not_been(fitting, tmp_path, family):
    whole, expected = fitting(tmp_path / "whole", family=family, patience=4)
    with pytest.raises(KilledError):
        fitting(tmp_path / "killed", family=family, patience=4, on_epoch=killer(3))
    assert History(tmp_path / "killed").checkpoint.name == "checkpoint-14"
    heard, updates = [], []

    def objective(logits, labels, rows):
        updates.append(rows)
        return cross_entropy(logits, labels)

    model, history = fitting(tmp_path / "killed", family=family, patience=4, on_epoch=heard.append, objective=objective)
    assert len(updates) == 2 * 7, "two epochs were to be done, not four"
    assert history == heard == expected
    assert same_weights(model, whole)


def test_a_kill_before_the_first_checkpoint_starts_anew(fitting, tmp_path):
    _, expected = fitting(tmp_path / "whole", epochs=2)
    with pytest.raises(KilledError):
        fitting(tmp_path / "killed", epochs=2, on_epoch=killer(1))
    _, history = fitting(tmp_path / "killed", epochs=2)
    assert history == expected


CUT_SHORT = {
    "nothing but its folder": lambda folder: [file.unlink() for file in folder.iterdir()],
    "weights without the rest": lambda folder: [
        file.unlink() for file in folder.iterdir() if file.name != "model.safetensors"
    ],
    "half of the state": lambda folder: (folder / "trainer_state.json").write_text('{"epoch": 2.0, "log_hist'),
    "an empty state": lambda folder: (folder / "trainer_state.json").write_text(""),
    "half removed": lambda folder: (folder / "model.safetensors").unlink(),
}


@pytest.fixture(scope="module")
def left_by_a_kill(fitting, tmp_path_factory):
    """The work folder of a training that was killed in its third epoch; not to be written to."""
    work = tmp_path_factory.mktemp("killed")
    with pytest.raises(KilledError):
        fitting(work, epochs=3, patience=3, on_epoch=killer(3))
    return work


@pytest.mark.parametrize("cut", CUT_SHORT.values(), ids=CUT_SHORT)
def test_a_checkpoint_that_a_kill_cut_short_is_not_gone_on_from(left_by_a_kill, tmp_path, cut):
    work = shutil.copytree(left_by_a_kill, tmp_path / "work")
    shutil.copytree(work / "checkpoint-14", work / "checkpoint-21")
    assert History(work).checkpoint == work / "checkpoint-21"
    cut(work / "checkpoint-21")
    history = History(work)
    assert history.checkpoint == work / "checkpoint-14"
    assert [epoch.epoch for epoch in history.epochs] == [1, 2]
    assert not (work / "checkpoint-21").exists()


@pytest.mark.parametrize("content", [None, "", "[]", '[{"epoch": 1}]'])
def test_without_the_figures_of_its_epochs_a_checkpoint_is_not_gone_on_from(left_by_a_kill, tmp_path, content):
    work = shutil.copytree(left_by_a_kill, tmp_path / "work")
    (work / "epochs.json").unlink()
    if content is not None:
        (work / "epochs.json").write_text(content)
    history = History(work)
    assert history.checkpoint is None
    assert not history.epochs
    assert not list(work.glob("checkpoint-*"))


def test_a_finished_training_gives_the_same_again(fitting, tmp_path):
    first, expected = fitting(tmp_path, epochs=3)
    again, history = fitting(tmp_path, epochs=3)
    assert history == expected
    assert same_weights(first, again)


NOTHING_LEARNED = {"learning_rate": 1e-9, "head_learning_rate": 1e-9, "epochs": 9}


def test_training_stops_when_val_gets_no_better(fitting, tmp_path):
    _, history = fitting(tmp_path, patience=2, **NOTHING_LEARNED)
    assert len(history) == 3


def test_patience_is_remembered_across_a_kill(fitting, tmp_path):
    with pytest.raises(KilledError):
        fitting(tmp_path, patience=3, on_epoch=killer(3), **NOTHING_LEARNED)
    _, history = fitting(tmp_path, patience=3, **NOTHING_LEARNED)
    assert len(history) == 4


def test_a_training_that_stopped_early_is_not_gone_on_with(fitting, tmp_path):
    _, expected = fitting(tmp_path, patience=2, **NOTHING_LEARNED)
    _, history = fitting(tmp_path, patience=2, **NOTHING_LEARNED)
    assert history == expected


def moved(model, before):
    """Which parts of a model differ from those of another: embeddings, first layer, second layer, head."""
    parts = (
        lambda model: model.base_model.embeddings,
        lambda model: mean_pooling.encoder_layers(model)[0],
        lambda model: mean_pooling.encoder_layers(model)[1],
        lambda model: model.classifier,
    )
    return [not same_weights(part(model), part(before)) for part in parts]


@pytest.mark.parametrize(
    ("frozen", "expected"),
    [
        ((0, 0), [True, True, True, True]),
        ((1, 9), [False, False, True, True]),
        ((2, 9), [False, False, False, True]),
        ((1, 1), [True, True, True, True]),
    ],
)
def test_first_layers_rest_until_they_are_woken(fitting, encoder_folder, tiny, tmp_path, frozen, expected):
    before = build_classifier(encoder_folder("bert"), tiny.LABELS, seed=1)
    after_one = []
    model, _ = fitting(tmp_path, epochs=2, frozen=frozen, on_epoch=after_one.append, learning_rate=5e-3, patience=9)
    assert len(after_one) == 2
    if after_one[1].accuracy > after_one[0].accuracy:
        assert moved(model, before) == expected
    else:  # the weights kept are those of the first epoch
        assert moved(model, before) == [not frozen[1], not frozen[1], frozen[0] < 2, True]


def test_frozen_layers_stay_frozen_when_a_killed_training_goes_on(fitting, encoder_folder, tiny, tmp_path):
    before = build_classifier(encoder_folder("bert"), tiny.LABELS, seed=1)
    with pytest.raises(KilledError):
        fitting(tmp_path, epochs=4, patience=4, frozen=(1, 9), on_epoch=killer(2))
    model, _ = fitting(tmp_path, epochs=4, patience=4, frozen=(1, 9))
    assert moved(model, before) == [False, False, True, True]


def test_a_killed_fit_leaves_the_model_whole(fitting, tiny, tmp_path):
    made = []
    with pytest.raises(KilledError):
        fitting(tmp_path, on_epoch=killer(1), made=made, frozen=(1, 9))
    assert made[0].get_input_embeddings().num_embeddings == tiny.VOCABULARY
    assert all(parameter.requires_grad for parameter in made[0].parameters())


def test_nothing_is_printed_where_there_is_no_terminal(fitting, tmp_path, capfd, caplog):
    with caplog.at_level(logging.WARNING):
        fitting(tmp_path, epochs=1)
    assert capfd.readouterr() == ("", "")


def test_a_long_val_moves_the_bar_too(fitting, tmp_path):
    heard = []
    with watching(lambda *what: heard.append(what)):
        fitting(tmp_path, epochs=1)
    done = [steps for title, steps, total in heard if title == "testing" and total > 1]
    assert done[-1] > 1
    assert done.count(done[-1]) >= 2, "at the last update, and while val is predicted"


class Prediction:
    """What the Trainer hands over after an epoch."""

    def __init__(self, answers, truth, labels):
        self.label_ids = truth
        self.predictions = torch.nn.functional.one_hot(torch.tensor(answers), labels).float().numpy()


def test_an_epoch_is_judged_by_class_and_scope():
    train_data = TrainingData([], [], [], [], ("a", "b", "oos", "unseen"), "oos")
    epoch = _epoch_result(Prediction([0, 0, 0, 1, 2, 0], [0, 0, 1, 1, 2, 2], 4), train_data, 7)
    assert epoch == EpochResult(
        epoch=7,
        accuracy=pytest.approx(4 / 6),
        in_scope_accuracy=0.75,
        weak_classes=(("b", 0.5), ("oos", 0.5)),
        per_class=(1.0, 0.5, 0.5, 1.0),
    )


def test_without_scope_every_text_is_in_scope():
    train_data = TrainingData([], [], [], [], ("a", "b"), None)
    assert _epoch_result(Prediction([0, 0], [0, 1], 2), train_data, 1).in_scope_accuracy == 0.5
    only_oos = TrainingData([], [], [], [], ("a", "oos"), "oos")
    assert _epoch_result(Prediction([0, 1], [1, 1], 2), only_oos, 1).in_scope_accuracy == 0.5


@pytest.mark.parametrize(
    ("texts", "expected"),
    [(15_000, (3, 2)), (6_400, (3, 2)), (6_399, (3, 2)), (500, (38, 19)), (32, (600, 300)), (1, (600, 300))],
)
def test_small_data_sets_get_more_epochs(texts, expected):
    options = Finetune(name="t", epochs=3, min_updates=600, batch_size=32)
    assert schedule(options, texts) == expected
    assert schedule(Finetune(name="t", epochs=3, min_updates=0), texts) == (3, 2)


def test_patience_is_half_of_the_epochs_unless_it_is_stated():
    assert [schedule(Finetune(name="t", epochs=epochs), 100)[1] for epochs in (1, 6, 7)] == [2, 3, 4]
    assert schedule(Finetune(name="t", epochs=3, min_updates=600, patience=1, batch_size=32), 500) == (38, 1)


def test_after_mixed_precision_the_model_answers_in_float32_like_its_copy_and_its_file(
    fitting, encoder_folder, tiny, tmp_path
):
    folder = encoder_folder("bert")
    model, _ = fitting(tmp_path / "work", epochs=1, bf16=True)
    encoder, texts = tiny.text_encoder(folder), tiny.toy_texts()[0][:8]
    answers = logits_of(model, encoder, texts)
    assert not torch.equal(answers, answers.bfloat16().float()), "the answers have the precision of bfloat16"
    save_classifier(model, tmp_path / "model", tokenizer_from=folder, max_length=tiny.MAX_LENGTH)
    assert torch.equal(logits_of(open_classifier(tmp_path / "model"), encoder, texts), answers)
    copied = keep_layers(model, 2)
    with torch.no_grad():
        model.classifier.weight.zero_()
    assert torch.equal(logits_of(copied, encoder, texts), answers)


@pytest.mark.parametrize("rate", [50.0, 1e30])
def test_a_training_that_diverges_ends_with_the_remedy(encoder_folder, tiny, tmp_path, rate):
    model = build_classifier(encoder_folder("bert"), tiny.LABELS, seed=1)
    options = tiny.options(learning_rate=rate, head_learning_rate=None)
    with pytest.raises(ModelError, match=r"training diverged: .* lower the learning rate"):
        finetune(
            model, tiny.text_encoder(encoder_folder("bert")), tiny.toy_train_data(), options, work=tmp_path, seed=1
        )
