"""Pruning: what is left is the important part, and a stock checkpoint."""

import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PretrainedConfig

from packlight.errors import RecipeError
from packlight.models import mean_pooling
from packlight.models.hf_model import open_classifier, save_classifier
from packlight.models.inspecting import structure_of
from packlight.models.layers import feed_forward_width
from packlight.steps.inference import logits_of
from packlight.steps.prune.apply import prune
from packlight.steps.prune.importance import estimate_importance, neurons_of
from packlight.steps.prune.options import Prune

FAMILIES = ("bert", "roberta", "distilbert", "electra", "mpnet")
SILENT = torch.arange(0, 64, 2)
"""neurons that do nothing, of 64 in each block"""


@pytest.fixture
def opened(classifier_folder, tiny):
    """A classifier of a family, its tokenizer, and six texts with labels."""

    def give(family):
        folder = classifier_folder(family)
        train_data = tiny.toy_train_data()
        return (
            open_classifier(folder),
            tiny.text_encoder(folder),
            train_data.train_texts[:6],
            train_data.train_labels[:6],
        )

    return give


def downs(model):
    """The layers that lead out of the feed-forward neurons."""
    return [
        module
        for layer in mean_pooling.encoder_layers(model)
        for module in layer.modules()
        if isinstance(module, nn.Linear) and module.in_features == 64
    ]


def silence(model):
    """Plant importance: what half of the neurons say is not listened to."""
    with torch.no_grad():
        for down in downs(model):
            down.weight[:, SILENT] = 0.0


def test_a_model_with_fewer_layers_keeps_all_on_request(opened, capsys):
    model, encoder, texts, labels = opened("bert")
    held = len(mean_pooling.encoder_layers(model))
    options = Prune(name="p", layers=held + 4, intermediate_size=32, unsupported="keep")
    assert options.obstacle(structure_of(model)) is None
    smaller = prune(model, encoder, texts, labels, options)
    assert options.result_structure(structure_of(model)) == structure_of(smaller)
    assert (len(mean_pooling.encoder_layers(smaller)), feed_forward_width(smaller)) == (held, 32)
    assert f"p: keeps all layers, because there are only {held}, not {held + 4}" in capsys.readouterr().err
    refused = Prune(name="p", layers=held + 4, intermediate_size=32)
    assert f"{held + 4} layers cannot be kept: the model has {held}" in refused.obstacle(structure_of(model))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_important_neurons_stay_and_the_folder_is_a_stock_checkpoint(
    opened, classifier_folder, tiny, tmp_path, family
):
    model, encoder, texts, labels = opened(family)
    silence(model)
    before = logits_of(model, encoder, texts)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    smaller = prune(model, encoder, texts, labels, Prune(name="p", intermediate_size=32))
    # Only neurons that say nothing were taken out.
    torch.testing.assert_close(logits_of(smaller, encoder, texts), before, rtol=0, atol=1e-5)
    assert feed_forward_width(smaller) == 32
    assert smaller.num_parameters() == model.num_parameters() - 2 * 32 * (32 + 32 + 1)
    # The parent is as it was.
    assert feed_forward_width(model) == 64
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    save_classifier(smaller, tmp_path / "p", tokenizer_from=classifier_folder(family), max_length=tiny.MAX_LENGTH)
    stock = AutoModelForSequenceClassification.from_pretrained(tmp_path / "p").eval()
    tokens = encoder(texts)
    with torch.inference_mode():
        said = stock(torch.from_numpy(tokens.input_ids), torch.from_numpy(tokens.attention_mask)).logits
    torch.testing.assert_close(said, before, rtol=0, atol=2e-3)
    torch.testing.assert_close(logits_of(open_classifier(tmp_path / "p"), encoder, texts), before, rtol=0, atol=1e-5)


def test_importance_is_the_change_of_the_loss_to_first_order(opened):
    model, encoder, texts, labels = opened("bert")
    down = downs(model)[-1]
    scores = estimate_importance(model, [neurons_of(model)], encoder, texts[:1], labels[:1])[0][-1]
    truth = torch.tensor(labels[:1])

    def loss():
        return nn.functional.cross_entropy(logits_of(model, encoder, texts[:1]), truth).item()

    whole, share = loss(), 0.02
    for neuron in (int(scores.argmax()), int(scores.argsort()[-5])):
        kept = down.weight[:, neuron].detach().clone()
        with torch.no_grad():
            down.weight[:, neuron] *= 1 - share
        change = (loss() - whole) / share
        with torch.no_grad():
            down.weight[:, neuron] = kept
        assert change**2 == pytest.approx(scores[neuron].item(), rel=0.1)


def test_layers_and_neurons_go_together(opened):
    model, encoder, texts, labels = opened("bert")
    smaller = prune(model, encoder, texts, labels, Prune(name="p", layers=(1,), intermediate_size=16))
    assert len(mean_pooling.encoder_layers(smaller)) == 1
    assert feed_forward_width(smaller) == 16
    only_layers = prune(model, encoder, texts, labels, Prune(name="p", layers=1))
    assert feed_forward_width(only_layers) == 64


def test_a_block_as_wide_as_the_model_is_found_too(opened):
    model, encoder, texts, labels = opened("bert")
    square = prune(model, encoder, texts, labels, Prune(name="p", intermediate_size=32))
    assert feed_forward_width(prune(square, encoder, texts, labels, Prune(name="p", intermediate_size=8))) == 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"intermediate_size": 65}, "p: 65 feed-forward neurons can't be kept: there are only 64"),
        (
            {"layers": 2, "intermediate_size": 64},
            "nothing to remove: give fewer layers than 2, or intermediate_size below 64",
        ),
        ({"layers": 3}, "3 layers cannot be taken from a teacher with 2"),
        ({"layers": (0, 5)}, r"layers \[0, 5\] cannot be taken"),
    ],
)
def test_what_cannot_be_kept_or_leaves_all_is_refused_before_anything_is_weighed(opened, options, said, monkeypatch):
    monkeypatch.setattr("packlight.steps.prune.apply.estimate_importance", lambda *_: pytest.fail("weighed"))
    with pytest.raises(RecipeError, match=said):
        prune(*opened("bert"), Prune(name="p", **options))


def test_an_architecture_without_such_blocks_is_refused(opened):
    model, encoder, texts, labels = opened("bert")
    mean_pooling.encoder_layers(model)[0].extra = nn.Linear(32, 32)
    with pytest.raises(RecipeError, match="BertLayer has no feed-forward block"):
        prune(model, encoder, texts, labels, Prune(name="p", intermediate_size=8))
    model.config = PretrainedConfig()
    with pytest.raises(RecipeError, match="the configuration of '' has no intermediate_size or hidden_dim"):
        feed_forward_width(model)
