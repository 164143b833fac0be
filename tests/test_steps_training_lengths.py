"""The longest text: chosen from the training texts or stated, and what is cut is counted, said and marked."""

import pytest

from packlight.data import Dataset, Split
from packlight.errors import RecipeError
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.training.lengths import choose_length, length_facts, token_facts
from packlight.steps.training.trainer import TRAIN_TOKENS, micro_batch


@pytest.mark.parametrize(
    ("lengths", "limit", "expected"),
    [
        ([5] * 1000, 512, 8),
        ([9] * 1000, 512, 16),
        ([16] * 1000, 512, 16),
        ([10] * 9_989 + [60] * 11, 512, 64),
        ([10] * 9_999 + [500], 512, 16),
        ([700] * 10, 512, 512),
        ([20] * 10, 22, 22),
    ],
)
def test_the_length_is_that_of_nearly_all_training_texts(lengths, limit, expected):
    assert choose_length(lengths, limit=limit, stated=None, name="teacher") == expected


def test_a_stated_length_is_taken_up_to_the_limit():
    assert choose_length([5], limit=128, stated=100, name="teacher") == 100
    with pytest.raises(RecipeError, match="teacher: max_length 512 is above the model's limit of 128 tokens; use 128"):
        choose_length([5], limit=128, stated=512, name="teacher")


def data_of(train, val, test):
    splits = (Split(tuple(texts), ("a",) * len(texts)) for texts in (train, val, test))
    return Dataset("here", *splits, oos_label=None)


def test_what_is_cut_is_counted_for_each_split_and_said(capsys):
    data = data_of(["x" * 3] * 200, ["x" * 9, *["x"] * 99], ["x" * 9] * 3 + ["x"])
    facts = length_facts(data, lambda texts: [len(text) > 5 for text in texts], max_length=5, unit="words", cut="head")
    assert facts == {
        "max_length": 5,
        "unit": "words",
        "cut": "head",
        "truncated": {"train": 0, "val": 0.01, "test": 0.75},
    }
    said = capsys.readouterr().err
    assert "longest text: 5 words; truncated (head): 0.0% of train, 1.0% of val, 75.0% of test" in said
    assert "warning: 75.0% of the test texts are longer than 5 words and will be truncated" in said


@pytest.fixture
def file(encoder_folder):
    return encoder_folder("bert") / "tokenizer.json"


def test_only_texts_that_lose_something_are_cut(file, capsys):
    whole = TextEncoder(file, 24)
    text = "play the song queen"
    length = len(whole.ids([text])[0])
    assert TextEncoder(file, length).truncated([text], TextEncoder(file, length).ids([text])) == [False]
    shorter = TextEncoder(file, length - 1)
    assert shorter.truncated([text, "song"], shorter.ids([text, "song"])) == [True, False]
    assert token_facts(data_of([text], ["song"], [text]), shorter)["truncated"] == {"train": 1, "val": 0, "test": 1}
    said = capsys.readouterr().err
    assert "warning: 100.0% of the train and 100.0% of the test texts are longer than" in said
    assert "Use --long-texts windows to read all of them, or a larger --max-length if the model takes it" in said


def test_head_and_tail_keep_both_ends_of_a_long_text_and_short_ones_whole(file):
    whole, both = TextEncoder(file, 512), TextEncoder(file, 10, long_texts="head+tail")
    long = "wake me at seven and then play the song queen and will it rain in oslo tomorrow"
    (every,), (kept,) = whole.ids([long]), both.ids([long])
    inner = every[1:-1]
    assert kept == [every[0], *inner[:2], *inner[-6:], every[-1]]
    assert both.ids([long, "song"]) == [kept, whole.ids(["song"])[0]]
    assert both.truncated([long, "song"], both.ids([long, "song"])) == [True, False]


@pytest.mark.parametrize(
    ("batch_size", "longest"), [(32, 20), (32, 256), (32, 257), (32, 512), (16, 8192), (5, 9000), (1, 0)]
)
def test_long_texts_are_trained_on_in_parts_of_a_batch(batch_size, longest):
    together, parts = micro_batch(batch_size, longest)
    assert together * longest <= max(TRAIN_TOKENS, longest)
    assert batch_size <= together * parts < batch_size + parts
    assert (parts == 1) == (batch_size * longest <= TRAIN_TOKENS)
