"""Words with nearly the same embedding, which generated texts use in place of each other."""

import pytest
import torch
from tokenizers import Tokenizer

from packlight.models.hf_model import open_classifier
from packlight.steps.training.augment import augment
from packlight.steps.training.nearest_words import LEAST_SIMILARITY, NEAREST, nearest_words


@pytest.fixture
def teacher(classifier_folder):
    """Open a tiny teacher whose embedding has `play` and `song` close together; return it with its tokenizer."""

    def opened(family):
        folder = classifier_folder(family)
        model, tokenizer = open_classifier(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
        table = model.get_input_embeddings().weight.data
        torch.manual_seed(0)
        table.normal_()
        first, second = (tokenizer.encode(f"a {word}", add_special_tokens=False).ids[-1] for word in ("play", "song"))
        table[second] = table[first] + 0.01
        return model, tokenizer

    return opened


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_the_nearest_word_comes_first_and_no_word_is_its_own(teacher, family):
    model, tokenizer = teacher(family)
    found = nearest_words(model, tokenizer, ["play the song", "unheardofword"])
    assert found["play"][0] == "song"
    assert found["song"][0] == "play"
    assert "unheardofword" not in found
    assert all(word not in others for word, others in found.items())


def test_every_replacement_is_similar(teacher):
    model, tokenizer = teacher("bert")
    table = model.get_input_embeddings().weight.detach()
    found = nearest_words(model, tokenizer, ["play the song in oslo at seven"])
    assert found
    for word, others in found.items():
        rows = table[[tokenizer.encode(f"a {each}", add_special_tokens=False).ids[-1] for each in (word, *others)]]
        # The mean that is subtracted is that of whole words alone, near 0 in a random table.
        assert torch.cosine_similarity(rows[:1], rows[1:]).min() > LEAST_SIMILARITY - 0.1
        assert len(others) <= NEAREST


def test_texts_without_any_word_of_the_vocabulary_have_none(teacher):
    assert nearest_words(*teacher("bert"), ["", "xq zv"]) == {}


def test_generated_texts_contain_the_nearest_words():
    texts = ["wake me at seven", "play the song queen", "will it rain in oslo"]
    made = augment(texts, 60, seed=0, nearest={"play": ("start",), "rain": ("snow", "hail")})
    words = {word for text in made for word in text.split()}
    known = {word for text in texts for word in text.split()}
    assert words - known == {"start", "snow", "hail"}
    assert made == augment(texts, 60, seed=0, nearest={"play": ("start",), "rain": ("snow", "hail")})
    assert "will it snow in oslo" in made or "will it hail in oslo" in made
