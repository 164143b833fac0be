"""A trimmed variant through the pipeline and the command line: its folder, its facts, its answers."""

import csv
import json

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from packlight.data import dataset_from_rows
from packlight.errors import DataError, UnsupportedError
from packlight.pipeline.variant import make_variant, open_parent
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import open_engine
from packlight.steps.trim_vocabulary.options import TrimVocabulary

pytest_plugins = ["command"]


@pytest.fixture(scope="module")
def parent(trained_folder, data, tmp_path_factory):
    return open_parent(str(trained_folder("roberta")), data, tmp_path_factory.mktemp("parent"))


@pytest.fixture
def trim(parent, data, tmp_path):
    """Make a trimmed variant of the parent."""

    def make(name="trimmed", **options):
        step = TrimVocabulary(name=name, **options)
        return make_variant(step, tmp_path / name, tmp_path / "work", data, parent=parent)[0]

    return make


def test_the_variant_is_smaller_and_answers_training_texts_as_its_parent(trim, parent, data):
    artifact = trim()
    assert artifact.size_bytes < 0.6 * parent.size_bytes
    texts = list(data.train.texts)
    answers = [torch.from_numpy(open_engine(each).predict(texts)) for each in (artifact, parent)]
    torch.testing.assert_close(*answers, rtol=0, atol=1e-5)


def test_the_manifest_says_what_was_cut_and_what_it_did(trim, parent):
    manifest = trim().manifest
    facts = manifest.facts
    assert (manifest.step, manifest.parent, manifest.precision) == ("trim-vocabulary", parent.name, "fp32")
    assert manifest.max_length == parent.manifest.max_length
    assert facts["pieces"]["before"] == 1024
    assert facts["pieces"]["after"] < 200
    # The toy texts share their words, so nothing of val or test is cut otherwise.
    for split in ("val", "test"):
        assert facts[split]["texts_cut_otherwise"] == 0
        assert facts[split]["unknown_rate"] == {"before": 0, "after": 0}
        assert facts[split]["pieces_per_text"]["before"] == facts[split]["pieces_per_text"]["after"] > 3
    assert facts["val_agreement"] == 1
    assert facts["val"]["accuracy"]["before"] == facts["val"]["accuracy"]["after"] > 0.9
    assert facts["val"]["oos_recall"]["before"] == facts["val"]["oos_recall"]["after"] > 0.5


def test_fewer_pieces_cut_texts_otherwise_and_the_facts_say_so(trim):
    with pytest.raises(UnsupportedError, match=r"give at least \d+$") as error:
        trim(vocab_size=2)
    least = int(str(error.value).rpartition(" ")[2])
    facts = trim(vocab_size=least).manifest.facts
    assert facts["pieces"]["after"] == least
    assert facts["val"]["texts_cut_otherwise"] > 0.9
    assert facts["val"]["pieces_per_text"]["after"] > facts["val"]["pieces_per_text"]["before"]
    assert facts["val"]["unknown_rate"]["after"] == 0
    assert facts["val_agreement"] < 1
    assert facts["val"]["accuracy"]["after"] < facts["val"]["accuracy"]["before"]


def test_the_folder_is_a_stock_checkpoint(trim):
    artifact = trim()
    model = AutoModelForSequenceClassification.from_pretrained(artifact.path)
    tokenizer = AutoTokenizer.from_pretrained(artifact.path)
    inputs = tokenizer(["alarm oslo", "play the song queen"], padding=True, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    with torch.inference_mode():
        logits = model.eval()(**inputs).logits
    assert model.config.vocab_size == len(tokenizer) == artifact.manifest.facts["pieces"]["after"]
    expected = open_engine(artifact).predict(["alarm oslo", "play the song queen"])
    torch.testing.assert_close(logits, torch.from_numpy(expected), rtol=0, atol=1e-4)


def test_pieces_of_the_corpus_stay_too(parent, tiny, tmp_path):
    rows = [row for row in zip(*tiny.toy_texts(), strict=True) if "mozart" not in row[0]]
    (tmp_path / "corpus.txt").write_text("Mozart\n\nand MOZART again\n")
    kept = []
    for corpus in (None, str(tmp_path / "corpus.txt")):
        step = TrimVocabulary(name="trimmed", corpus=corpus)
        data = dataset_from_rows(rows, source="tiny")
        artifact, _ = make_variant(step, tmp_path / "trimmed", tmp_path / "work", data, parent=parent)
        kept.append(Tokenizer.from_file(str(artifact.tokenizer_path)).get_vocab().keys())
    assert kept[1] - kept[0] == {"mozart"}


def test_a_corpus_that_cannot_be_read_is_said(trim, tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.txt: cannot be read"):
        trim(corpus=str(tmp_path / "nowhere.txt"))
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(DataError, match="no texts"):
        trim(corpus=str(tmp_path / "empty.txt"))


def test_a_corpus_that_changed_makes_the_variant_again(parent, data, tmp_path):
    step = TrimVocabulary(name="trimmed", corpus=str(tmp_path / "corpus.txt"))
    made = []
    for words in ("alarm", "alarm", "queen"):
        (tmp_path / "corpus.txt").write_text(words)
        made.append(make_variant(step, tmp_path / "trimmed", tmp_path / "work", data, parent=parent)[1])
    assert made == [True, False, True]


@pytest.fixture
def texts_file(tiny, tmp_path):
    with (tmp_path / "texts.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *zip(*tiny.toy_texts(), strict=True)])
    return tmp_path / "texts.csv"


def test_the_command_makes_the_same_and_says_what_it_did(packlight, parent, texts_file, tmp_path):
    words = ["trim-vocabulary", parent.path, "--data", texts_file, "--vocab-size", "100", "--out", tmp_path / "cut"]
    answer = packlight(*words)
    assert answer.status == 0, answer.err
    assert "100 of 1,024 tokens stay" in answer.err
    assert "accuracy on val" in answer.err
    assert "recall of its out-of-scope texts" in answer.err
    assert f"next: packlight export {tmp_path / 'cut'}" in answer.err
    assert Artifact.open(tmp_path / "cut").manifest.options == {"vocab_size": 100, "corpus": None}
    again = packlight(*words, "--json")
    assert json.loads(again.out)["made"] is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--vocab-size", "3"], "special tokens and single characters without which texts would become unknown"),
        (["--vocab-size", "0"], "must be a whole number of at least 1 or null"),
        (["--corpus", "nowhere.txt"], "nowhere.txt: cannot be read"),
    ],
)
def test_a_users_error_is_one_line(packlight, parent, texts_file, tmp_path, words, said):
    answer = packlight("trim-vocabulary", parent.path, "--data", texts_file, *words, "--out", tmp_path / "refused")
    assert answer.status == 2
    assert said in answer.err.splitlines()[-1]
    assert not (tmp_path / "refused").exists()
