import numpy as np
import pytest
import torch

from packlight.models.hf_model import final_layer, open_classifier
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import open_engine
from packlight.steps.artifact_inference import predict_logits
from packlight.steps.inference import BATCH, features_of, logits_of

pytest_plugins = ["tiny_run"]


def test_answers_come_in_the_order_of_the_texts(classifier_folder, tiny):
    folder = classifier_folder("bert")
    model, encoder = open_classifier(folder), tiny.text_encoder(folder)
    texts = tiny.toy_texts()[0]
    assert len(texts) > BATCH
    together = logits_of(model, encoder, texts)
    assert together.shape == (len(texts), len(tiny.LABELS))
    for place in (0, 1, 70, len(texts) - 1):
        torch.testing.assert_close(together[place], logits_of(model, encoder, [texts[place]])[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("variant", ["student", "student-torch-int8"])
def test_an_artifact_answers_in_the_order_of_the_texts(tiny_run, tiny, variant):
    artifact = Artifact.open(tiny_run / "variants" / variant)
    texts = tiny.toy_texts()[0][:50]
    alone = np.concatenate([open_engine(artifact).predict([text]) for text in texts])
    np.testing.assert_allclose(predict_logits(artifact, texts), alone, atol=1e-5)


def test_features_are_what_the_final_layer_sees(classifier_folder, tiny):
    for family in ("bert", "roberta", "xlm-roberta", "distilbert", "mpnet"):
        folder = classifier_folder(family)
        model, encoder = open_classifier(folder), tiny.text_encoder(folder)
        texts = tiny.toy_texts()[0][:10]
        features = features_of(model, encoder, texts)
        with torch.no_grad():
            torch.testing.assert_close(final_layer(model)(features), logits_of(model, encoder, texts))
