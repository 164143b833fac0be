import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from packlight.errors import ParityError
from packlight.models.hf_model import open_classifier
from packlight.steps.agreement import check_agreement
from packlight.steps.export.parity import BATCH_SIZES, check_export


@pytest.fixture(scope="module")
def parent(trained_folder):
    return open_classifier(trained_folder("bert"))


@pytest.fixture(scope="module")
def texts(tiny):
    return tiny.toy_texts()[0]


@pytest.fixture
def check(parent, trained_folder, onnx_file, tiny, texts):
    def call(graph=None, *, tolerance=1e-3, texts=texts):
        encoder = tiny.text_encoder(trained_folder("bert"))
        return check_export(parent, graph or onnx_file("bert"), encoder, texts, tolerance=tolerance, name="exported")

    return call


def test_a_right_export_passes_with_its_figures(check, tiny, texts):
    parity = check()
    assert parity.batch_sizes == BATCH_SIZES == (1, 3, 32)
    assert 0 < parity.max_abs_difference < 1e-4
    assert parity.label_agreement == 1.0
    assert parity.longest == tiny.MAX_LENGTH
    # every text once, and one of each length: 1, 2, 3, 4, 6, 9, 13, 20 and the longest
    assert parity.queries == len(texts) + 9


def wrong(file, target, change):
    model = onnx.load(file)
    bias = next(each for each in model.graph.initializer if list(each.dims) == [4])
    bias.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(bias)).astype(np.float32), bias.name))
    onnx.save(model, target)
    return target


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda bias: bias + 0.5, r"by up to 0\.5, more than the tolerance of 0\.001 \(\d+ of \d+ labels agree\)"),
        (lambda bias: bias * np.nan, r"by up to inf"),
    ],
)
def test_a_wrong_export_is_refused_with_its_figures(check, onnx_file, tmp_path, change, words):
    with pytest.raises(ParityError, match=f"exported: its logits differ from the parent's {words}"):
        check(wrong(onnx_file("bert"), tmp_path / "wrong.onnx", change))


def test_a_tolerance_lets_a_difference_pass(check, onnx_file, tmp_path):
    parity = check(wrong(onnx_file("bert"), tmp_path / "wrong.onnx", lambda bias: bias + 0.5), tolerance=0.6)
    assert parity.max_abs_difference == pytest.approx(0.5, abs=1e-3)
    assert parity.tolerance == 0.6


def test_a_graph_of_fixed_batch_is_found_out(check, parent, tmp_path):
    class Logits(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            return parent(input_ids=input_ids, attention_mask=attention_mask).logits

    ids = torch.ones(1, 7, dtype=torch.long)
    program = torch.onnx.export(
        Logits(), (ids, ids), input_names=["input_ids", "attention_mask"], output_names=["logits"], dynamo=True,
        dynamic_shapes={name: {1: torch.export.Dim.DYNAMIC} for name in ("input_ids", "attention_mask")}, verbose=False,
    )  # fmt: skip
    program.save(tmp_path / "fixed.onnx")
    with pytest.raises(ParityError, match="exported: ONNX Runtime rejects a batch of 3 texts"):
        check(tmp_path / "fixed.onnx")


def test_few_short_texts_are_enough(check):
    assert check(texts=["hi"]).queries == 10


def test_agreement_is_the_share_of_equal_labels():
    assert check_agreement([1, 2, 3, 4], [1, 2, 3, 0], least=0.75, name="x") == 0.75
    with pytest.raises(ParityError, match=r"x: only 75\.0% of 4 validation texts .* fewer than `min_agreement` 90\.0%"):
        check_agreement([1, 2, 3, 4], [1, 2, 3, 0], least=0.9, name="x")
