"""Long texts read in windows: all of a text counts, and the mean of the windows' logits is the text's."""

import itertools
import json

import numpy as np
import pytest

from packlight.data import dataset_from_rows
from packlight.errors import RecipeError
from packlight.models.hf_model import build_classifier
from packlight.pipeline.runner import build
from packlight.pipeline.variant import make_variant
from packlight.recipes.overrides import with_lengths
from packlight.recipes.recipe import parse_recipe
from packlight.runtime.batches import MOST_TOKENS as BATCH_TOKENS
from packlight.runtime.batches import bounded
from packlight.runtime.engines import open_engine
from packlight.runtime.golden import verify
from packlight.runtime.predictor import Predictor
from packlight.runtime.tokenization import TextEncoder
from packlight.runtime.windows import MOST_TOKENS, Windows, mean_of_windows, parts_of, windows_of
from packlight.steps.distill.options import Distill
from packlight.steps.inference import forward_all, logits_of
from served import Client, serving

LONG = "wake me at seven and then play the song queen and will it rain in oslo tomorrow"


@pytest.fixture
def file(encoder_folder):
    return encoder_folder("bert") / "tokenizer.json"


def test_windows_hold_every_token_between_special_tokens_of_their_own(file):
    whole, windows = TextEncoder(file, 512), TextEncoder(file, 10, long_texts="windows")
    (every,), (row, short) = whole.ids([LONG]), windows.ids([LONG, "song"])
    assert short == whole.ids(["song"])[0]
    assert not isinstance(short, Windows)
    assert {len(part) for part in row.parts} == {10}
    assert all((part[0], part[-1]) == (every[0], every[-1]) for part in row.parts)
    inner = every[1:-1]
    starts = [next(at for at in range(len(inner)) if inner[at : at + 8] == part[1:-1]) for part in row.parts]
    assert starts[0] == 0
    assert starts[-1] == len(inner) - 8
    assert all(0 < later - earlier <= 8 for earlier, later in itertools.pairwise(starts))
    assert len(row.parts) == -(-len(inner) // 8)
    assert windows.longer([LONG, "song"], [row, short]) == [True, False]
    assert windows.truncated([LONG, "song"], [row, short]) == [False, False]


def test_a_text_is_cut_only_beyond_what_windows_read():
    room = 100
    within, beyond = (windows_of(range(count), room, list) for count in (MOST_TOKENS // room * room, MOST_TOKENS + 1))
    assert [within.cut, beyond.cut] == [False, True]
    assert len(within) == len(beyond) <= MOST_TOKENS
    assert len(windows_of(range(20_000), 9_998, list).parts) == 2, "a model of very long texts reads two windows"


def test_the_mean_is_over_the_windows_of_each_text():
    rows = [[1], Windows([[1], [2], [3]]), [4]]
    logits = np.array([[1, 1], [0, 3], [3, 3], [6, 3], [8, 9]], dtype=np.float32)
    assert mean_of_windows(logits, rows).tolist() == [[1, 1], [3, 3], [8, 9]]


@pytest.mark.parametrize("most", [None, 3])
def test_batches_are_bounded_by_padded_tokens(most):
    encoded = [[0] * length for length in (5, 500, 16_000, 30_000, 4000, 4000, 4000, 4000, 4000)]
    encoded.append(Windows([[0] * 4000] * 3))
    slices = list(bounded(encoded, most))
    assert [row for part in slices for row in encoded[part]] == encoded
    for part in slices:
        batch = encoded[part]
        rows, longest = sum(len(parts_of(row)) for row in batch), max(len(parts_of(row)[0]) for row in batch)
        assert rows * longest <= BATCH_TOKENS or len(batch) == 1
        assert most is None or len(batch) <= most
    assert list(bounded([])) == []


def test_a_long_text_has_the_mean_logits_of_its_windows_wherever_it_is_answered(tiny, encoder_folder):
    folder = encoder_folder("bert")
    model = build_classifier(folder, tiny.LABELS, seed=1)
    model.eval()
    encoder = TextEncoder(folder / "tokenizer.json", 10, long_texts="windows")
    texts = ["song", LONG, "rain in oslo", f"{LONG} {LONG}"]
    logits, features = forward_all(model, encoder, texts)
    head = TextEncoder(folder / "tokenizer.json", 10)
    assert np.allclose(logits[0], logits_of(model, head, ["song"])[0], atol=1e-6)
    (row,) = encoder.ids([LONG])
    alone = [forward_all(model, _Given(encoder, part), ["x"]) for part in row.parts]
    assert np.allclose(logits[1], np.mean([each[0][0].numpy() for each in alone], axis=0), atol=1e-5)
    assert np.allclose(features[1], np.mean([each[1][0].numpy() for each in alone], axis=0), atol=1e-5)


class _Given:
    """An encoder of one text whose token ids are given."""

    def __init__(self, encoder, row):
        self.ids, self.pad = lambda _: [row], encoder.pad


RECIPE = """
version: 1
name: windows
steps:
  - {step: finetune, as: teacher, epochs: 2, min_updates: 0, bf16: false}
  - {step: export, as: onnx}
  - {step: quantize-onnx, as: static, mode: static, min_agreement: 0.5}
  - {step: distill, as: student, from: teacher, layers: 1, epochs: 1, min_updates: 0, bf16: false}
  - {step: quantize-torch, as: torch-int8, min_agreement: 0.5}
  - {step: distill-static, as: ngrams, from: teacher, buckets: 1024, epochs: 1}
  - {step: cascade, as: cascade, from: static, first: ngrams, max_accuracy_drop: 0.9}
"""


@pytest.fixture(scope="module")
def rows(tiny):
    """Texts whose label is said at the end, after much that says nothing."""
    texts, labels = tiny.toy_texts()
    return [
        (f"{'seven nine paris ' * (4 * (place % 3))}{text}", label)
        for place, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]


@pytest.fixture(scope="module")
def made(rows, encoder_folder, tmp_path_factory):
    recipe = with_lengths(parse_recipe(RECIPE), max_length=12, long_texts="windows")
    data = dataset_from_rows(rows)
    return data, build(data, recipe, tmp_path_factory.mktemp("run"), model=str(encoder_folder("bert")), train_threads=1)


def test_windows_travel_in_every_artifact_and_answer_alike(made):
    data, artifacts = made
    teacher = artifacts["teacher"].manifest
    assert (teacher.max_length, teacher.long_texts) == (12, "windows")
    lengths = teacher.facts["lengths"]
    assert lengths["cut"] == "windows"
    assert lengths["windowed"]["test"] > 0.3
    assert lengths["truncated"] == {"train": 0, "val": 0, "test": 0}
    texts = list(data.test.texts)
    for name in ("onnx", "static", "student", "torch-int8", "cascade"):
        manifest = artifacts[name].manifest
        assert manifest.long_texts == "windows", name
        verify(artifacts[name].path)
        predictor = Predictor.open(artifacts[name].path, threads=1)
        together, alone = predictor.predict(texts), [predictor(text) for text in texts]
        assert not any(each.truncated for each in together) or name == "cascade"
        if manifest.batch_invariant:
            assert [each.score for each in together] == pytest.approx([each.score for each in alone], abs=1e-4)
    torch, onnx = (open_engine(artifacts[name], threads=1).predict(texts) for name in ("teacher", "onnx"))
    assert np.abs(torch - onnx).max() < 1e-4
    assert artifacts["ngrams"].manifest.long_texts == "head"


def test_what_is_said_at_the_end_counts_in_windows_but_not_at_the_head(made):
    _, artifacts = made
    predictor = Predictor.open(artifacts["onnx"].path, threads=1)
    filler = "seven nine paris " * 8
    ends = [predictor(f"{filler}{end}") for end in ("play the song queen", "will it rain in oslo")]
    assert ends[0].top != ends[1].top
    head = TextEncoder(artifacts["onnx"].tokenizer_path, 12)
    assert head.ids([f"{filler}song"]) == head.ids([f"{filler}rain"])


def test_a_server_answers_long_texts_in_windows_as_the_predictor_does(made):
    data, artifacts = made
    texts = [f"{'seven nine paris ' * 8}{text}" for text in data.test.texts[:6]] + ["song"]
    expected = [each.label for each in Predictor.open(artifacts["static"].path).predict(texts)]
    with serving(artifacts["static"].path) as server:
        body = {"inputs": [{"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}]}
        status, answer = Client(server.url).json("POST", "/v2/models/intent/infer", body)
    assert status == 200
    assert next(output["data"] for output in answer["outputs"] if output["name"] == "label") == expected
    assert "truncated" not in json.dumps(answer)


def test_losses_that_look_inside_a_text_are_refused_beside_windows(made, tmp_path):
    for weight in ("hidden_weight", "relation_weight"):
        step = Distill(name="student", long_texts="windows", **{weight: 1.0})
        assert weight in step.contradiction
    data, artifacts = made
    with pytest.raises(RecipeError, match="reads long texts in windows, with which hidden_weight does not work"):
        make_variant(
            Distill(name="s", layers=1, hidden_weight=1.0),
            tmp_path / "s",
            tmp_path / "work",
            data,
            parent=artifacts["teacher"],
        )
