"""The steps as Python functions."""

from pathlib import Path

import pytest

import packlight
from packlight.errors import RecipeError
from packlight.runtime.artifact import Artifact


def test_a_function_does_what_its_verb_does(tiny, trained_folder, tmp_path):
    texts, heard = tiny.toy_texts(), []
    out = tmp_path / "pruned"
    pruned = packlight.prune(
        trained_folder("bert"),
        texts,
        intermediate_size=16,
        texts=8,
        out=str(out),
        on_progress=lambda *each: heard.append(each),
    )
    assert isinstance(pruned, Artifact)
    assert pruned.path == out
    assert (pruned.manifest.step, pruned.manifest.options["intermediate_size"]) == ("prune", 16)
    assert heard
    graph = packlight.export(pruned, texts, out=Path(tmp_path / "onnx"))
    assert (graph.manifest.parent, graph.manifest.engine) == ("pruned", "onnxruntime")
    packlight.quantize_onnx(
        graph, texts, out=tmp_path / "int8", min_agreement=0.1, on_progress=lambda *each: heard.append(each)
    )
    assert {"predicting val", "checking processors without VNNI"} <= {stage for stage, *_ in heard}


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, RecipeError, "prune: nothing to remove"),
        ({"layers": 0}, RecipeError, "prune: layers is 0, but must be a whole number of at least 1"),
        ({"layers": "three"}, RecipeError, "layers"),
        ({"layer": 3}, TypeError, "layer"),
    ],
)
def test_wrong_options_are_refused_before_any_work(options, error, said):
    with pytest.raises(error, match=said):
        packlight.prune("nowhere", [], **options)


def test_two_artifacts_of_one_name_are_told_apart_by_hand():
    with pytest.raises(RecipeError, match="have the same name"):
        packlight.distill("teacher", [], start="a/student", teachers=["b/student"])


def test_a_name_that_is_no_step_is_no_attribute():
    with pytest.raises(AttributeError, match="squeeze"):
        packlight.squeeze  # noqa: B018 - asked for, not used
