import logging
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from packlight.errors import ModelError
from packlight.models.hf_model import open_classifier
from packlight.steps.onnx.export_graph import ONE_OPERATOR, export

FAMILIES = ("bert", "roberta", "distilbert", "electra", "mpnet")
FUSED = ("bert", "roberta", "distilbert", "electra")


def session_of(file):
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


def operators(file):
    return [node.op_type for node in onnx.load_model(file).graph.node]


def ragged(model, batch, longest, seed):
    """Ids and mask whose texts have all lengths from 1 to the longest, the longest among them."""
    chance = np.random.default_rng(seed)
    lengths = chance.integers(1, longest + 1, batch)
    lengths[chance.integers(batch)] = longest
    mask = (np.arange(longest) < lengths[:, None]).astype(np.int64)
    ids = chance.integers(5, 100, (batch, longest)) * mask + model.config.pad_token_id * (1 - mask)
    return {"input_ids": ids, "attention_mask": mask}


def difference(model, session, feed):
    with torch.inference_mode():
        expected = model(**{name: torch.from_numpy(value) for name, value in feed.items()}).logits.numpy()
    answer = session.run(["logits"], feed)[0]
    assert answer.dtype == np.float32
    assert answer.shape == expected.shape
    return np.abs(answer - expected).max()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_graph_answers_like_its_parent_at_any_size(trained_folder, onnx_file, tiny, family):
    model, session = open_classifier(trained_folder(family)), session_of(onnx_file(family))
    for batch in (1, 3, 32):
        for longest in range(1, tiny.MAX_LENGTH + 1):
            assert difference(model, session, ragged(model, batch, longest, seed=longest)) < 1e-3


@pytest.mark.parametrize("family", ["bert", "mpnet"])
def test_without_fusion_it_answers_the_same_in_standard_operators(trained_folder, unfused_file, tiny, family):
    graph = onnx.load_model(unfused_file(family))
    assert not {node.domain for node in graph.graph.node} - {"", "ai.onnx"}
    assert {entry.domain: entry.version for entry in graph.opset_import}[""] == 20
    model, session = open_classifier(trained_folder(family)), session_of(unfused_file(family))
    for batch, longest in ((1, 1), (3, 7), (32, tiny.MAX_LENGTH)):
        assert difference(model, session, ragged(model, batch, longest, seed=batch)) < 1e-3


@pytest.mark.parametrize("family", FUSED)
def test_attention_is_one_operator(onnx_file, family):
    found = operators(onnx_file(family))
    assert found.count("Attention") == 2
    assert "MultiHeadAttention" not in found
    assert "Softmax" not in found
    assert found.count("LayerNormalization") >= 5
    assert "SkipLayerNormalization" not in found
    assert found.count("BiasGelu") >= 2


def test_what_fits_no_operator_keeps_its_own_attention(onnx_file):
    assert "mpnet" not in ONE_OPERATOR
    found = operators(onnx_file("mpnet"))
    assert "Attention" not in found
    assert found.count("Softmax") == 2
    assert found.count("LayerNormalization") >= 5


@pytest.mark.parametrize("family", FAMILIES)
def test_batch_and_length_are_dynamic_and_named(onnx_file, tiny, family):
    session = session_of(onnx_file(family))
    assert [(entry.name, entry.shape, entry.type) for entry in session.get_inputs()] == [
        ("input_ids", ["batch", "sequence"], "tensor(int64)"),
        ("attention_mask", ["batch", "sequence"], "tensor(int64)"),
    ]
    (output,) = session.get_outputs()
    assert output.name == "logits"
    assert output.shape[0] == "batch"
    assert output.shape[1] == len(tiny.LABELS)


def test_one_file_is_written_and_nothing_is_said(classifier_folder, tmp_path, monkeypatch, capfd, caplog):
    scratch, here, out = tmp_path / "scratch", tmp_path / "here", tmp_path / "out"
    for folder in (scratch, here):
        folder.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    levels = {name: logging.getLogger(name).level for name in ("torch.onnx", "onnxscript")}
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        parent = export(classifier_folder("distilbert"), out / "onnx" / "model.onnx")
    assert [file for file in out.rglob("*") if file.is_file()] == [out / "onnx" / "model.onnx"]
    assert not list(scratch.iterdir())
    assert not list(here.iterdir())
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert levels == {name: logging.getLogger(name).level for name in levels}
    # The parent is handed back as it was opened, for the parity check.
    again = open_classifier(classifier_folder("distilbert"))
    assert not parent.training
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in parent.state_dict().items())


def test_the_graph_carries_its_weights_and_nothing_of_its_making(onnx_file):
    for family in FAMILIES:
        graph = onnx.load_model(onnx_file(family), load_external_data=False)
        assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in graph.graph.initializer)
        assert {entry.domain: entry.version for entry in graph.opset_import}[""] == 18
        content = onnx_file(family).read_bytes()
        assert not [word for word in (b"site-packages", b".py", b'File "', b"pkg.torch") if word in content]
        held = sum(len(tensor.SerializeToString()) for tensor in graph.graph.initializer)
        assert len(content) - held < 20_000


def test_a_folder_without_a_classifier_is_refused(tmp_path):
    with pytest.raises(ModelError, match="not a sequence classifier"):
        export(tmp_path, tmp_path / "model.onnx")
