import dataclasses

import torch

from packlight.models import mean_pooling
from packlight.models.hf_model import build_classifier, final_layer, open_classifier
from packlight.steps.finetune.apply import finetune
from packlight.steps.finetune.options import Finetune
from packlight.steps.inference import features_of, logits_of
from packlight.steps.training.centroids import COSINE_SCALE, TEXTS_PER_CLASS, start_from_centroids
from packlight.steps.training.training_data import NO_LABEL, TrainingData


def test_the_head_starts_from_the_classes_centroids(encoder_folder, tiny):
    folder = encoder_folder("bert")
    model, encoder, train_data = (
        build_classifier(folder, tiny.LABELS, seed=0),
        tiny.text_encoder(folder),
        tiny.toy_train_data(),
    )
    features = features_of(model, encoder, train_data.train_texts)
    start_from_centroids(model, encoder, train_data)
    labels = torch.tensor(train_data.train_labels)
    centroids = torch.stack([features[labels == label].mean(0) for label in range(len(tiny.LABELS))])
    unit = centroids / centroids.norm(dim=1, keepdim=True)
    torch.testing.assert_close(final_layer(model).weight, unit * COSINE_SCALE / features.norm(dim=1).mean())
    assert final_layer(model).bias.abs().max() == 0


def test_before_any_step_the_head_is_better_than_chance(encoder_folder, tiny):
    for family in (*mean_pooling.FAMILIES, "mpnet"):
        folder = encoder_folder(family)
        model, encoder = build_classifier(folder, tiny.LABELS, seed=0), tiny.text_encoder(folder)
        train_data = tiny.toy_train_data()
        start_from_centroids(model, encoder, train_data)
        right = logits_of(model, encoder, train_data.train_texts).argmax(1) == torch.tensor(train_data.train_labels)
        assert right.float().mean() > 0.45, family


def test_a_large_class_is_read_in_part(encoder_folder, tiny):
    folder = encoder_folder("bert")
    rows = TEXTS_PER_CLASS + 10
    texts = ["play the song queen"] * TEXTS_PER_CLASS + ["rain in oslo"] * 10 + ["weather in paris"]
    train_data = TrainingData(texts, [0] * rows + [1], ["rain in oslo"], [1], ("music", "weather"), None)
    model, encoder = build_classifier(folder, train_data.labels, seed=0), tiny.text_encoder(folder)
    start_from_centroids(model, encoder, train_data)
    only = features_of(model, encoder, ["play the song queen"])[0]
    direction = torch.nn.functional.cosine_similarity(final_layer(model).weight[0], only, dim=0)
    assert direction.item() > 0.99999


def test_texts_without_a_label_leave_the_centroids_alone(encoder_folder, tiny):
    folder = encoder_folder("bert")
    heads = []
    for extra in ([], ["queen in oslo", "ring the rain"]):
        train_data = tiny.toy_train_data()
        train_data = dataclasses.replace(
            train_data,
            train_texts=[*train_data.train_texts, *extra],
            train_labels=[*train_data.train_labels, *[NO_LABEL] * len(extra)],
        )
        model = build_classifier(folder, tiny.LABELS, seed=0)
        start_from_centroids(model, tiny.text_encoder(folder), train_data)
        heads.append(final_layer(model).weight)
    torch.testing.assert_close(*heads)


def test_a_classifier_that_knows_the_labels_keeps_its_head(trained_folder, tiny, tmp_path):
    folder = trained_folder("bert")
    model, encoder = open_classifier(folder), tiny.text_encoder(folder)
    before = final_layer(model).weight.detach().clone()
    options = tiny.options(epochs=1, learning_rate=1e-9, head_learning_rate=1e-9, weight_decay=0.0)
    finetune(model, encoder, tiny.toy_train_data(), options, work=tmp_path, seed=0, own_labels=len(tiny.LABELS))
    torch.testing.assert_close(final_layer(model).weight, before, atol=1e-6, rtol=0)


def test_without_epochs_only_the_head_is_set(encoder_folder, tiny, tmp_path):
    folder = encoder_folder("bert")
    model, encoder, train_data = (
        build_classifier(folder, tiny.LABELS, seed=0),
        tiny.text_encoder(folder),
        tiny.toy_train_data(),
    )
    untouched = {name: value.clone() for name, value in model.state_dict().items()}
    assert finetune(model, encoder, train_data, Finetune(name="t", epochs=0), work=tmp_path, seed=0) == []
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, untouched[name])}
    assert changed
    assert all(name.startswith("classifier") for name in changed)
