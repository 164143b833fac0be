import pytest
import torch
from transformers import AutoModelForSequenceClassification

from packlight.errors import ModelError
from packlight.models import mean_pooling
from packlight.models.hf_model import open_classifier

BATCHES = {
    "unpadded": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 1]]),
    "padded": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]),
    "single token": torch.tensor([[1]]),
}


def ask(model, mask):
    ids = torch.arange(5, 5 + mask.numel()).reshape(mask.shape) * mask + model.config.pad_token_id * (1 - mask)
    with torch.inference_mode():
        return model(input_ids=ids, attention_mask=mask).logits


@pytest.mark.parametrize("family", mean_pooling.FAMILIES)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_stock_transformers_answers_like_the_folded_model(classifier_folder, family, attention):
    folder = classifier_folder(family)
    folded = open_classifier(folder, attention=attention)
    stock = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation=attention).eval()
    assert isinstance(folded.get_submodule(mean_pooling.FAMILIES[family].layers)[-1], mean_pooling.MeanPooling)
    assert not any(isinstance(module, mean_pooling.MeanPooling) for module in stock.modules())
    for mask in BATCHES.values():
        expected = ask(stock, mask)
        assert torch.isfinite(expected).all()
        torch.testing.assert_close(ask(folded, mask), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", mean_pooling.FAMILIES)
def test_padding_changes_nothing(classifier_folder, family):
    model = open_classifier(classifier_folder(family))
    ids = torch.tensor([[5, 6, 7]])
    pad = torch.full((1, 4), model.config.pad_token_id)
    with torch.inference_mode():
        alone = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        mask = torch.tensor([[1, 1, 1, 0, 0, 0, 0]])
        padded = model(input_ids=torch.cat([ids, pad], 1), attention_mask=mask).logits
    torch.testing.assert_close(alone, padded, atol=1e-4, rtol=0)


HIDDEN = torch.tensor([[[1.0, 0.0, 3.0, 0.0], [3.0, 2.0, 1.0, 0.0], [9.0, 9.0, 9.0, -9.0]]])
MASKS = {
    "as it came in": torch.tensor([[1, 1, 0]]),
    "sdpa": torch.tensor([[True, True, False]]).expand(3, 3)[None, None],
    "eager": torch.tensor([[0.0, 0.0, torch.finfo(torch.float32).min]]).expand(3, 3)[None, None],
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_every_kind_of_mask_gives_the_mean_of_the_unmasked_tokens(mask):
    pooled = mean_pooling.MeanPooling(4, 1e-12)(HIDDEN, mask)
    wanted = torch.tensor([1.0, 0.0, 3.0, 0.0]) + mean_pooling.SCALE * torch.tensor([2.0, 1.0, 2.0, 0.0])
    assert pooled.shape == (1, 1, 4)
    torch.testing.assert_close(pooled[0, 0], (wanted - wanted.mean()) / wanted.std(correction=0))


def test_without_a_mask_every_token_counts():
    ones = torch.ones(1, 3, dtype=torch.long)
    layer = mean_pooling.MeanPooling(4, 1e-12)
    torch.testing.assert_close(layer(HIDDEN), layer(HIDDEN, ones))


def test_pooling_holds_nothing_to_train_or_save():
    layer = mean_pooling.MeanPooling(4, 1e-12)
    assert not list(layer.parameters())
    assert not layer.state_dict()


def test_layers_are_found_and_pooling_is_not_among_them(classifier_folder, tiny):
    for family in tiny.FAMILIES:
        model = open_classifier(classifier_folder(family))
        assert len(mean_pooling.encoder_layers(model)) == tiny.SIZES["num_hidden_layers"]
        assert mean_pooling.is_pooled(model) is (family != "mpnet")


def test_a_family_without_a_stock_form_is_refused(classifier_folder):
    model = open_classifier(classifier_folder("mpnet"))
    assert mean_pooling.family_of(model) is None
    with pytest.raises(ModelError, match="no standard form for 'mpnet'"):
        mean_pooling.fold(model)
