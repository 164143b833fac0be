"""Attention heads: the important ones stay, really fewer are computed, and the folder is a stock checkpoint."""

import json
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForSequenceClassification

from packlight.errors import ModelError, RecipeError
from packlight.measure.roofline import work_of
from packlight.models import attention_heads, mean_pooling
from packlight.models.hf_model import build_classifier, open_classifier, save_classifier
from packlight.models.layers import keep_layers
from packlight.models.torch_int8 import open_int8, quantize, save_int8
from packlight.steps.distill.apply import distill
from packlight.steps.distill.options import Distill
from packlight.steps.inference import logits_of
from packlight.steps.onnx.export_graph import export
from packlight.steps.prune.apply import prune
from packlight.steps.prune.importance import estimate_importance, heads_of
from packlight.steps.prune.options import Prune
from packlight.steps.quantize_onnx.options import QuantizeOnnx
from packlight.steps.quantize_onnx.quantize import quantize_onnx
from packlight.steps.training.attention_relations import StudentRelations, TeacherRelations
from packlight.steps.training.teacher_targets import TeacherOutputs

FAMILIES = ("bert", "roberta", "distilbert", "electra")
SIZE = 8
"""channels of each of the four heads"""
TWO = Prune(name="p", heads=2)
PLANTED = ((1, 3), (0, 2))
"""the heads of each layer that say something"""


@pytest.fixture
def opened(trained_folder, tiny):
    """A classifier of a family, its tokenizer, and six texts with labels."""

    def give(family):
        folder = trained_folder(family)
        train_data = tiny.toy_train_data()
        return (
            open_classifier(folder),
            tiny.text_encoder(folder),
            train_data.train_texts[:6],
            train_data.train_labels[:6],
        )

    return give


@pytest.fixture(scope="module")
def pruned(trained_folder, tiny, tmp_path_factory):
    """Family -> the folder of a classifier that keeps two of four heads; not to be written to."""

    @cache
    def make(family):
        origin, folder = trained_folder(family), tmp_path_factory.mktemp(f"{family}-heads")
        train_data, encoder = tiny.toy_train_data(), tiny.text_encoder(origin)
        smaller = prune(
            open_classifier(origin), encoder, train_data.train_texts[:16], train_data.train_labels[:16], TWO
        )
        save_classifier(smaller, folder, tokenizer_from=origin, max_length=tiny.MAX_LENGTH)
        return folder

    return make


@pytest.fixture(scope="module")
def exported(pruned, tmp_path_factory):
    """Family -> the graph of the pruned classifier, and the classifier that it was exported from; not to be written to."""

    @cache
    def make(family):
        file = tmp_path_factory.mktemp(f"{family}-graph") / "full.onnx"
        return file, export(pruned(family), file)

    return make


def silence(model):
    """Plant importance: nobody listens to the heads that are not in PLANTED."""
    with torch.no_grad():
        for output, loud in zip(attention_heads.outputs(model), PLANTED, strict=True):
            for head in set(range(4)) - set(loud):
                output.weight[:, head * SIZE : (head + 1) * SIZE] = 0.0


def stock_logits(folder, encoder, texts):
    """What plain transformers answers, one text at a time."""
    stock = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        each = [encoder([text]) for text in texts]
        return torch.cat(
            [stock(torch.from_numpy(t.input_ids), torch.from_numpy(t.attention_mask)).logits for t in each]
        )


def ask(file, encoder, texts):
    tokens = encoder(texts)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask})[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_heads_that_say_something_stay_and_nothing_else_changes(opened, family):
    model, encoder, texts, labels = opened(family)
    silence(model)
    before = logits_of(model, encoder, texts)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    (scores,) = estimate_importance(model, [heads_of(model)], encoder, texts, labels)
    assert [tuple(score.nonzero().flatten().tolist()) for score in scores] == list(PLANTED)
    smaller = prune(model, encoder, texts, labels, TWO)
    torch.testing.assert_close(logits_of(smaller, encoder, texts), before, rtol=0, atol=1e-5)
    # Query, key and value lose rows and biases, the output columns: of two heads in two layers.
    assert smaller.num_parameters() == model.num_parameters() - 2 * 2 * SIZE * (4 * 32 + 3)
    # The parent is as it was.
    assert attention_heads.num_heads(model) == 4
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_plain_transformers_opens_the_folder_and_answers_the_same(pruned, trained_folder, opened, family):
    _, encoder, texts, _ = opened(family)
    folder = pruned(family)
    small = open_classifier(folder)
    answers = logits_of(small, encoder, texts)
    torch.testing.assert_close(stock_logits(folder, encoder, texts), answers, rtol=0, atol=1e-4)
    whole = logits_of(open_classifier(trained_folder(family)), encoder, texts)
    assert (answers - whole).abs().max() > 1e-2, "heads that mattered are gone"
    # The file has the stock shapes, the opened model does not.
    stock = {name: tensor.shape for name, tensor in load_file(trained_folder(family) / "model.safetensors").items()}
    assert {name: tensor.shape for name, tensor in load_file(folder / "model.safetensors").items()} == stock
    assert [output.weight.shape for output in attention_heads.outputs(small)] == [(32, 2 * SIZE)] * 2
    assert attention_heads.num_heads(small) == 2


def test_what_was_opened_and_saved_again_is_the_same_to_the_bit(pruned, tmp_path, tiny):
    folder = pruned("bert")
    save_classifier(open_classifier(folder), tmp_path, tokenizer_from=folder, max_length=tiny.MAX_LENGTH)
    for file in ("model.safetensors", "config.json"):
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes()


def test_importance_is_the_change_of_the_loss_to_first_order(opened):
    model, encoder, texts, labels = opened("bert")
    output = attention_heads.outputs(model)[-1]
    scores = estimate_importance(model, [heads_of(model)], encoder, texts[:1], labels[:1])[0][-1]
    truth, share = torch.tensor(labels[:1]), 0.01

    def loss():
        return nn.functional.cross_entropy(logits_of(model, encoder, texts[:1]).double(), truth).item()

    head = int(scores.argmax())
    columns = slice(head * SIZE, (head + 1) * SIZE)
    kept, around = output.weight[:, columns].detach().clone(), []
    for factor in (1 - share, 1 + share):
        with torch.no_grad():
            output.weight[:, columns] = kept * factor
        around.append(loss())
    assert abs(around[0] - around[1]) / (2 * share) == pytest.approx(scores[head].item(), rel=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_graph_has_smaller_attention_and_int8_agrees(exported, opened, tiny, tmp_path, family):
    _, encoder, _, _ = opened(family)
    texts, small = tiny.toy_texts()[0], tmp_path / "int8.onnx"
    full, parent = exported(family)
    expected = logits_of(parent, encoder, texts).numpy()
    assert np.abs(ask(full, encoder, texts) - expected).max() < 1e-3
    graph = onnx.load_model(full).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    attention = [node for node in graph.node if node.op_type == "Attention"]
    assert [shapes[node.input[1]] for node in attention] == [(32, 3 * 2 * SIZE)] * 2
    counts = [attribute.i for node in attention for attribute in node.attribute if attribute.name == "num_heads"]
    assert counts == [2, 2]
    for mode in ("dynamic", "static"):
        options = QuantizeOnnx(name="q", mode=mode)
        quantize_onnx(full, small, options, encoder=encoder, calibration_texts=texts[:32])
        answers = ask(small, encoder, texts)
        assert (answers.argmax(1) == expected.argmax(1)).mean() >= 0.95
        assert [node.op_type for node in onnx.load_model(small).graph.node].count("QAttention") == 2


def test_standard_operators_have_fewer_heads_too(pruned, opened, tmp_path):
    _, encoder, texts, _ = opened("bert")
    parent = export(pruned("bert"), tmp_path / "plain.onnx", fuse=False)
    expected = logits_of(parent, encoder, texts).numpy()
    assert np.abs(ask(tmp_path / "plain.onnx", encoder, texts) - expected).max() < 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_int8_in_torch_holds_no_padding(pruned, opened, tmp_path, family):
    _, encoder, texts, _ = opened(family)
    quantized = quantize(open_classifier(pruned(family)))
    save_int8(quantized, tmp_path / "int8.safetensors")
    names = mean_pooling.FAMILIES[family]
    first = f"{names.layers}.0.{names.query}.weight"
    assert load_file(tmp_path / "int8.safetensors")[first].shape == (2 * SIZE, 32)
    again = open_int8(pruned(family), tmp_path / "int8.safetensors")
    tokens = encoder(texts)
    ids, mask = torch.from_numpy(tokens.input_ids), torch.from_numpy(tokens.attention_mask)
    with torch.inference_mode():
        assert torch.equal(again(ids, mask).logits, quantized(ids, mask).logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_only_what_runs_is_counted_as_work(pruned, exported, family):
    file, _ = exported(family)
    graph = work_of(file.parent, "onnxruntime", [9], model_file=file.name)
    tensors = work_of(pruned(family), "pipeline", [9])
    assert tensors.macs == graph.macs
    assert tensors.bytes == pytest.approx(graph.bytes, rel=0.1)


def test_layers_taken_of_it_keep_its_heads_and_are_distilled(pruned, opened, tmp_path, tiny):
    teacher, encoder, texts, _ = opened("bert")
    train_data = tiny.toy_train_data(train=32)
    student = keep_layers(open_classifier(pruned("bert")), [1])
    before = logits_of(student, encoder, texts)
    answers = logits_of(teacher, encoder, train_data.train_texts)
    distill(
        student, encoder, TeacherOutputs(answers), train_data, tiny.options(Distill, epochs=1), work=tmp_path, seed=3
    )
    expected = logits_of(student, encoder, texts)
    assert (expected - before).abs().max() > 1e-2
    save_classifier(student, tmp_path / "s", tokenizer_from=pruned("bert"), max_length=tiny.MAX_LENGTH)
    torch.testing.assert_close(stock_logits(tmp_path / "s", encoder, texts), expected, rtol=0, atol=1e-4)
    assert [output.in_features for output in attention_heads.outputs(open_classifier(tmp_path / "s"))] == [2 * SIZE]


def test_relations_compare_a_teacher_with_fewer_heads(pruned, opened):
    teacher, encoder, texts, _ = opened("bert")
    student = open_classifier(pruned("bert"))
    tokens = encoder(texts)
    with StudentRelations(student) as relations:
        student(torch.from_numpy(tokens.input_ids), torch.from_numpy(tokens.attention_mask))
        distance = relations.distance(TeacherRelations(teacher, encoder, texts), range(len(texts)))
    assert 0 < distance.item() < 100


def test_layers_neurons_and_heads_go_together_and_again(opened):
    model, encoder, texts, labels = opened("distilbert")
    smaller = prune(model, encoder, texts, labels, Prune(name="p", layers=1, intermediate_size=16, heads=3))
    assert attention_heads.num_heads(smaller) == 3
    least = prune(smaller, encoder, texts, labels, Prune(name="p", heads=1))
    assert [output.in_features for output in attention_heads.outputs(least)] == [SIZE]


def test_a_new_head_on_a_pruned_encoder_keeps_its_attention_heads(pruned, opened, tmp_path, tiny):
    _, encoder, texts, _ = opened("bert")
    model = build_classifier(pruned("bert"), ("a", "b", "c"), seed=1)
    assert attention_heads.outputs(model)[0].in_features == 2 * SIZE
    save_classifier(model, tmp_path, tokenizer_from=pruned("bert"), max_length=tiny.MAX_LENGTH)
    expected = logits_of(model, encoder, texts)
    torch.testing.assert_close(stock_logits(tmp_path, encoder, texts), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("family", "options", "said"),
    [
        ("bert", {"heads": 5}, "p: 5 attention heads can't be kept: there are only 4"),
        ("bert", {"heads": 4}, "p: nothing to remove: give fewer layers than 2, or heads below 4"),
        ("mpnet", {"heads": 2}, "p: the attention heads of 'mpnet' are not supported.*; omit heads"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_weighed(opened, monkeypatch, family, options, said):
    monkeypatch.setattr("packlight.steps.prune.apply.estimate_importance", lambda *_: pytest.fail("weighed"))
    with pytest.raises(RecipeError, match=said):
        prune(*opened(family), Prune(name="p", **options))


@pytest.mark.parametrize("number", [0, 5, "two"])
def test_a_number_of_heads_that_cannot_be_is_refused(pruned, tmp_path, number):
    for file in pruned("bert").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"packlight_heads": number}))
    with pytest.raises(ModelError, match=f"packlight_heads in config.json is {number!r}; expected .* from 1 to 4"):
        open_classifier(tmp_path)


def test_heads_that_were_trained_elsewhere_are_not_cut_off_unsaid(pruned, tmp_path):
    for file in pruned("bert").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["bert.encoder.layer.1.attention.output.dense.weight"][0, -1] = 0.5
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"heads after these are not zero: .* remove packlight_heads"):
        open_classifier(tmp_path)
