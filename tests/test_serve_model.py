import json
import shutil
import warnings

import msgspec
import numpy as np
import pytest

from packlight.errors import ArtifactError
from packlight.runtime.artifact import Artifact, BetterThreads, finalize, read_manifest, write_manifest
from packlight.runtime.predictor import Predictor
from packlight.runtime.tokenization import TextEncoder
from packlight.serve.model import Model
from packlight.serve.responses import Name

pytest_plugins = ["tiny_run", "frontier_run"]
TEXTS = [
    "wake me at seven",
    "play the song queen",
    "",
    "will it rain in oslo " * 20,
    "🙂 größer",
    "why is the blue whale",
]
VARIANTS = ("teacher-onnx", "student-onnx-int8", "student-onnx-static", "teacher", "student-torch-int8")


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_answers_as_the_offline_predictor_does(tiny_run, variant):
    compare_with_predictor(tiny_run / "variants" / variant)


@pytest.mark.parametrize("variant", ["student-onnx-static", "teacher"])
def test_it_has_the_threads_that_are_stated_and_one_otherwise(tiny_run, tmp_path, variant):
    shutil.copytree(tiny_run / "variants" / variant, tmp_path / "a")
    known = BetterThreads(requests=2, batches=2)
    write_manifest(tmp_path / "a", msgspec.structs.replace(read_manifest(tmp_path / "a"), threads=known))
    name = Name("m", "1")
    assert Model.open(name, tmp_path / "a")._engine.threads == 1
    assert Model.open(name, tmp_path / "a", threads=2)._engine.threads == 2


@pytest.mark.parametrize("variant", ["calibrated", "onnx", "int8", "static", "static-calibrated", "both"])
def test_calibrated_static_and_cascade_artifacts_are_served_too(frontier_run, variant):
    compare_with_predictor(frontier_run / "variants" / variant)


@pytest.mark.parametrize("variant", ["sure", "sure-onnx", "static-sure", "both"])
def test_what_is_abstained_from_is_out_of_scope_here_too(narrow_run, variant):
    folder = narrow_run / "variants" / variant
    assert any(compare_with_predictor(folder)), "some text is abstained from"


def compare_with_predictor(folder):
    """Served answers against the offline ones; gives which of the texts are out of scope."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Model.open(Name("m", "1"), folder)
    predictor = Predictor.open(folder, threads=1)
    said = predictor.predict(TEXTS, top_k=len(model.labels))
    for text, offline in zip(TEXTS, said, strict=True):
        answers = model.answers(model.logits(model.encode([text])))
        assert answers.chosen == [offline.label]
        assert answers.out_of_scope == [offline.out_of_scope]
        assert answers.confidence[0] == pytest.approx(offline.score, abs=1e-5)
        expected = {each.label: each.score for each in offline.top}
        assert dict(zip(model.labels, answers.scores[0].tolist(), strict=True)) == pytest.approx(expected, abs=1e-5)
    assert predictor.artifact.manifest.batch_invariant == model.batch_invariant
    return [each.out_of_scope for each in said]


def test_a_batch_is_answered_as_each_text_alone(tiny_run):
    model = Model.open(Name("m", "1"), tiny_run / "variants" / "student-onnx-static")
    together = model.logits(model.encode(TEXTS))
    alone = np.concatenate([model.logits(model.encode([text])) for text in TEXTS])
    assert model.answers(together).chosen == model.answers(alone).chosen
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_a_dynamic_artifact_says_why_it_is_run_one_at_a_time(tiny_run):
    with pytest.warns(UserWarning, match="one at a time"):
        model = Model.open(Name("m", "1"), tiny_run / "variants" / "student-onnx-int8")
    assert not model.batch_invariant


def test_a_cascade_whose_first_model_has_no_tokens_counts_words(frontier_run):
    model = Model.open(Name("m", "1"), frontier_run / "variants" / "both")
    assert [len(text) for text in model.encode(["", "play the song"])] == [1, 3]


@pytest.mark.parametrize("variant", ["teacher", "student-onnx-static"])
def test_a_text_is_tokenized_once(tiny_run, variant, monkeypatch):
    model = Model.open(Name("m", "1"), tiny_run / "variants" / variant)
    asked, ids = [], TextEncoder.ids
    monkeypatch.setattr(TextEncoder, "ids", lambda encoder, texts: asked.append(texts) or ids(encoder, texts))
    model.logits(model.encode(TEXTS))
    assert asked == [TEXTS]


def test_a_cascade_whose_first_graph_keeps_weights_elsewhere_is_refused(narrow_run, tmp_path):
    folder = shutil.copytree(narrow_run / "variants" / "both", tmp_path / "both")
    (folder / "first" / "other.onnx").write_bytes(b"x\x0a\x08location\x12")
    manifest = Artifact.open(narrow_run / "variants" / "both").manifest
    finalize(folder, manifest)
    with pytest.raises(ArtifactError, match=r"first/other\.onnx: has weights in another file"):
        Model.open(Name("m", "1"), folder)


def test_a_cascade_whose_second_graph_is_called_otherwise_is_looked_into_too(narrow_run, tmp_path):
    folder = shutil.copytree(narrow_run / "variants" / "both", tmp_path / "both")
    (folder / "second" / "graph.json").write_bytes(b"x\x12\x01a\x0a\x08location")
    part = Artifact.open(narrow_run / "variants" / "both" / "second").manifest
    finalize(folder / "second", msgspec.structs.replace(part, model_file="graph.json"))
    finalize(folder, Artifact.open(narrow_run / "variants" / "both").manifest)
    with pytest.raises(ArtifactError, match=r"second/graph\.json: has weights in another file"):
        Model.open(Name("m", "1"), folder)


def test_a_graph_that_does_not_fit_its_labels_is_refused(tiny_run, tmp_path):
    folder = shutil.copytree(tiny_run / "variants" / "student-onnx-static", tmp_path / "artifact")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"][str(len(config["id2label"]))] = "one too many"
    (folder / "config.json").write_text(json.dumps(config))
    finalize(folder, Artifact.open(tiny_run / "variants" / "student-onnx-static").manifest)
    with pytest.raises(ArtifactError, match="build the artifact again"):
        Model.open(Name("m", "1"), folder)
