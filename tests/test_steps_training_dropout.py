"""The dropout of a training."""

import pytest
import torch

from packlight.models.hf_model import open_classifier
from packlight.steps.training.dropout import set_dropout


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "mpnet"])
def test_without_dropout_training_mode_changes_nothing(classifier_folder, tiny, family):
    folder = classifier_folder(family)
    model, tokens = open_classifier(folder), tiny.text_encoder(folder)(["wake me at seven", "play"])
    feed = {name: torch.from_numpy(values) for name, values in tokens.feed().items()}

    @torch.no_grad()
    def logits():
        return model(**feed).logits

    model.eval()
    expected = logits()
    model.train()
    set_dropout(model, 0.5)
    torch.manual_seed(0)
    assert (logits() - expected).abs().max() > 1e-3
    set_dropout(model, 0.0)
    torch.testing.assert_close(logits(), expected)
