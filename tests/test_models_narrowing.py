"""Narrower hidden states: nothing is lost of a model that doesn't need more, and the folder is a standard checkpoint."""

import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification

from packlight.errors import RecipeError
from packlight.models import attention_heads
from packlight.models.hf_model import open_classifier, save_classifier
from packlight.models.inspecting import structure_of
from packlight.models.mean_pooling import encoder_layers, family_of
from packlight.models.narrowing import directions, hidden_norms
from packlight.recipes.recipe import parse_recipe
from packlight.steps.inference import features_of, logits_of
from packlight.steps.prune.apply import prune
from packlight.steps.prune.hidden_states import hidden_moments
from packlight.steps.prune.options import Prune
from packlight.steps.step import check_options

WIDE, NARROW = 32, 16
FAMILIES = ("bert", "roberta", "distilbert")


@pytest.fixture
def opened(classifier_folder, tiny):
    """A classifier of a family, its tokenizer, and six texts with labels."""

    def give(family):
        folder, data = classifier_folder(family), tiny.toy_train_data()
        return open_classifier(folder), tiny.text_encoder(folder), data.train_texts[:6], data.train_labels[:6]

    return give


@torch.no_grad()
def confine(model, seed=0):
    """Plant a model that needs no more than 15 directions without a mean, and two of its four heads."""
    draws = torch.randn(WIDE, NARROW - 1, generator=torch.Generator().manual_seed(seed))
    columns = torch.linalg.qr(draws - draws.mean(dim=0)).Q
    inside = columns @ columns.T
    family = family_of(model)
    embeddings = model.base_model.embeddings
    for module in embeddings.children():
        if isinstance(module, nn.Embedding):
            module.weight.copy_(module.weight @ inside)
    for norm in hidden_norms(model):
        norm.weight.fill_(0.7)
        norm.bias.copy_(torch.randn(WIDE, generator=torch.Generator().manual_seed(1)) @ inside * 0.1)
    for layer in encoder_layers(model):
        for name in (family.output, family.feed_forward[1]):
            linear = layer.get_submodule(name)
            linear.weight.copy_(inside @ linear.weight * 3)
            linear.bias.copy_(linear.bias @ inside)
        layer.get_submodule(family.output).weight[:, 16:] = 0
    return columns


def head_inputs(model, encoder, texts):
    """What the head of a pooled model gets: [texts, hidden]."""
    dense, seen = model.get_submodule(family_of(model).head_dense), []
    hook = dense.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    for text in texts:
        logits_of(model, encoder, [text])
    hook.remove()
    return torch.cat(seen)


@pytest.mark.parametrize("family", FAMILIES)
def test_directions_that_hold_nothing_are_taken_out_without_a_trace(opened, classifier_folder, tiny, tmp_path, family):
    model, encoder, texts, labels = opened(family)
    confine(model)
    state = {key: each.clone() for key, each in model.state_dict().items()}
    wide = head_inputs(model, encoder, texts)
    basis, _ = directions(hidden_moments(model, encoder, texts), NARROW)
    smaller = prune(model, encoder, texts, labels, Prune(name="p", hidden_size=NARROW))
    # Pooled vectors have the length sqrt(channels).
    expected = wide @ basis.float() * (NARROW / WIDE) ** 0.5
    torch.testing.assert_close(head_inputs(smaller, encoder, texts), expected, rtol=0, atol=1e-4)
    # The activation of the head is nearly linear, but not quite.
    before, after = logits_of(model, encoder, texts), logits_of(smaller, encoder, texts)
    torch.testing.assert_close(after, before, rtol=0.1, atol=0)
    assert (smaller.config.hidden_size, smaller.config.num_attention_heads) == (NARROW, 2)
    assert attention_heads.head_dim(smaller) == attention_heads.head_dim(model) == 8
    assert features_of(smaller, encoder, texts).shape == (6, NARROW)
    # The parent is as it was.
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    save_classifier(smaller, tmp_path / "p", tokenizer_from=classifier_folder(family), max_length=tiny.MAX_LENGTH)
    torch.testing.assert_close(logits_of(open_classifier(tmp_path / "p"), encoder, texts), after, rtol=0, atol=1e-5)
    standard = AutoModelForSequenceClassification.from_pretrained(tmp_path / "p").eval()
    tokens = encoder(texts)
    with torch.inference_mode():
        found = standard(torch.from_numpy(tokens.input_ids), torch.from_numpy(tokens.attention_mask)).logits
    torch.testing.assert_close(found, after, rtol=0, atol=2e-3)


def test_the_directions_are_those_of_the_states_and_sum_to_zero(opened):
    model, encoder, texts, _ = opened("bert")
    columns = confine(model)
    basis, held = directions(hidden_moments(model, encoder, texts), NARROW)
    assert held == pytest.approx(1.0, abs=1e-4)
    assert basis.shape == (WIDE, NARROW)
    # The same subspace as the planted one.
    torch.testing.assert_close(basis.float() @ basis.float().T, columns @ columns.T, rtol=0, atol=1e-3)
    assert basis.sum(dim=1).abs().max() < 1e-9


def test_the_width_that_is_kept_holds_more_than_any_other_of_this_size(opened):
    model, encoder, texts, _ = opened("bert")
    moments = hidden_moments(model, encoder, texts)
    _, held = directions(moments, NARROW)
    for seed in range(5):
        draws = torch.randn(WIDE, NARROW - 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        other = torch.linalg.qr(draws).Q
        assert torch.trace(other.T @ moments @ other) / torch.trace(moments) < held


def test_layers_neurons_and_width_go_together(opened):
    model, encoder, texts, labels = opened("bert")
    smaller = prune(model, encoder, texts, labels, Prune(name="p", layers=1, intermediate_size=24, hidden_size=NARROW))
    structure = structure_of(smaller)
    assert (structure.layers, structure.neurons, structure.heads, structure.hidden) == (1, 24, 2, NARROW)
    again = prune(smaller, encoder, texts, labels, Prune(name="p", hidden_size=8))
    assert structure_of(again).heads == 1


@pytest.mark.parametrize(
    ("family", "size", "said"),
    [
        ("bert", 40, "hidden_size 40 can't be kept: the hidden states have 32 channels"),
        ("bert", 7, "hidden_size 7 is less than one attention head, which has 8 channels"),
        ("bert", 0.2, "hidden_size 0.2 is less than one attention head, which has 8 channels"),
        ("electra", 16, "hidden_size: electra is not supported"),
        ("mpnet", 16, "hidden_size: mpnet is not supported"),
    ],
)
def test_a_width_that_is_not_possible_is_refused_before_anything_is_estimated(opened, monkeypatch, family, size, said):
    monkeypatch.setattr("packlight.steps.prune.apply.hidden_moments", lambda *_: pytest.fail("estimated"))
    model, encoder, texts, labels = opened(family)
    with pytest.raises(RecipeError, match=said):
        prune(model, encoder, texts, labels, Prune(name="p", hidden_size=size))
    assert said in (Prune(name="p", hidden_size=size).obstacle(structure_of(model)) or "")


def test_a_model_with_too_few_heads_left_is_refused(opened):
    model, encoder, texts, labels = opened("bert")
    cut = prune(model, encoder, texts, labels, Prune(name="p", heads=1))
    with pytest.raises(RecipeError, match="hidden_size 16 takes 2 attention heads, but there are only 1"):
        prune(cut, encoder, texts, labels, Prune(name="p", hidden_size=16))


def test_the_same_width_removes_nothing(opened):
    model, encoder, texts, labels = opened("bert")
    with pytest.raises(RecipeError, match=r"nothing to remove: .*, or hidden_size below 32"):
        prune(model, encoder, texts, labels, Prune(name="p", hidden_size=WIDE))


@pytest.mark.parametrize(("size", "width"), [(0.6, 16), (23, 16), (0.9999, 24), (24, 24)])
def test_the_width_is_rounded_down_to_whole_heads(opened, capsys, size, width):
    model, encoder, texts, labels = opened("bert")
    options = Prune(name="p", hidden_size=size)
    smaller = prune(model, encoder, texts, labels, options)
    assert structure_of(smaller) == options.result_structure(structure_of(model))
    assert smaller.config.hidden_size == width
    assert f"p: hidden states of {width} channels, {width // 8} attention heads" in capsys.readouterr().err


def test_an_architecture_that_is_not_supported_keeps_its_width_on_request(opened, capsys):
    model, encoder, texts, labels = opened("electra")
    options = Prune(name="p", layers=1, hidden_size=16, unsupported="keep")
    assert options.obstacle(structure_of(model)) is None
    smaller = prune(model, encoder, texts, labels, options)
    assert smaller.config.hidden_size == WIDE
    assert (
        "p: electra keeps its width of 32, because narrower hidden states are not supported" in capsys.readouterr().err
    )
    assert options.result_structure(structure_of(model)) == structure_of(smaller)


def test_heads_and_width_contradict_each_other():
    with pytest.raises(RecipeError, match="hidden_size sets the number of heads; omit heads"):
        check_options(Prune(name="p", heads=2, hidden_size=16))
    with pytest.raises(RecipeError, match="hidden_size sets the number of heads"):
        parse_recipe(
            "version: 1\nname: x\nsteps:\n- {step: finetune, as: t}\n- {step: prune, as: p, heads: 2, hidden_size: 128}\n"
        )
