import warnings

import numpy as np
import pytest

from packlight.predictor import Predictor
from packlight.serve.answers import Name
from packlight.serve.model import Model

pytest_plugins = ["tiny_run"]
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
    folder = tiny_run / "variants" / variant
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Model.open(Name("m", "1"), folder)
    predictor = Predictor.open(folder, threads=1)
    said = predictor.predict(TEXTS, top_k=len(model.labels))
    for text, offline in zip(TEXTS, said, strict=True):
        answers = model.answers([text], model.logits([text], model.rows([text])))
        assert answers.chosen == [offline.label]
        assert answers.out_of_scope == [offline.out_of_scope]
        assert answers.confidence[0] == pytest.approx(offline.score, abs=1e-5)
        expected = {each.label: each.score for each in offline.top}
        assert dict(zip(model.labels, answers.scores[0].tolist(), strict=True)) == pytest.approx(expected, abs=1e-5)
    assert predictor.artifact.manifest.batch_invariant == model.batch_invariant


def test_a_batch_is_answered_as_each_text_alone(tiny_run):
    model = Model.open(Name("m", "1"), tiny_run / "variants" / "student-onnx-static")
    together = model.logits(TEXTS, model.rows(TEXTS))
    alone = np.concatenate([model.logits([text], model.rows([text])) for text in TEXTS])
    assert model.answers(TEXTS, together).chosen == model.answers(TEXTS, alone).chosen
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_a_dynamic_artifact_says_why_it_is_run_one_at_a_time(tiny_run):
    with pytest.warns(UserWarning, match="one at a time"):
        model = Model.open(Name("m", "1"), tiny_run / "variants" / "student-onnx-int8")
    assert not model.batch_invariant
