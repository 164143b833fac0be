import pytest
import torch

from packlight.models.hf_model import open_classifier
from packlight.steps.training.active_vocabulary import ActiveVocabulary


@pytest.fixture(params=["bert", "roberta", "electra", "mpnet"])
def model(classifier_folder, request):
    return open_classifier(classifier_folder(request.param))


def ask(model, ids):
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long)).logits


def test_the_cut_model_answers_like_the_whole_one(model):
    ids = [9, 700, 12, 9]
    before = ask(model, ids)
    vocabulary = ActiveVocabulary(model, [ids, [13]], pad_id=model.config.pad_token_id)
    assert model.get_input_embeddings().num_embeddings == model.config.pad_token_id + 1 + 4
    assert torch.equal(ask(model, vocabulary.map(ids)), before)
    vocabulary.restore()
    assert torch.equal(ask(model, ids), before)


def test_restoring_without_training_changes_nothing(model):
    table = model.get_input_embeddings()
    before = table.weight.detach().clone()
    ActiveVocabulary(model, [[9, 700]], pad_id=model.config.pad_token_id).restore()
    assert model.get_input_embeddings() is table
    assert torch.equal(table.weight, before)


def test_trained_rows_are_written_back_and_no_other(model):
    before = model.get_input_embeddings().weight.detach().clone()
    vocabulary = ActiveVocabulary(model, [[9, 700]], pad_id=model.config.pad_token_id)
    cut = model.get_input_embeddings()
    with torch.no_grad():
        cut.weight[vocabulary.map([700])] += 1.0
    vocabulary.restore()
    after = model.get_input_embeddings().weight
    torch.testing.assert_close(after[700], before[700] + 1.0)
    untouched = torch.arange(len(before)) != 700
    assert torch.equal(after[untouched], before[untouched])


def test_only_rows_in_use_are_trained(model):
    vocabulary = ActiveVocabulary(model, [[9, 700]], pad_id=model.config.pad_token_id)
    cut = model.get_input_embeddings()
    assert cut.weight.requires_grad
    ids = torch.tensor([vocabulary.map([9, 700])])
    model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum().backward()
    assert set(cut.weight.grad.abs().sum(1).nonzero().flatten().tolist()) == set(vocabulary.map([9, 700]))
