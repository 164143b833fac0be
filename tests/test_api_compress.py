"""`packlight.compress` on a tiny model: what it takes, what its result shows, what its pick does."""

import re

import pytest

import packlight
from packlight.errors import ArtifactError, DataError, ModelError, NothingFitsError, PacklightError, RecipeError
from packlight.runtime.predictor import Predictor
from packlight.steps.export.options import Export
from packlight.steps.finetune.options import Finetune

pytest_plugins = ["tiny_run"]
RECIPE = [
    Finetune(name="teacher", epochs=2, min_updates=0, batch_size=16, learning_rate=4e-3, max_length=24, bf16=False),
    {"step": "export", "as": "shipped"},
]


@pytest.fixture(scope="module")
def asked(tiny, encoder_folder, tmp_path_factory):
    """How `compress` is asked, but for limits."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(zip(*tiny.toy_texts(), strict=True), columns=["utterance", "intent"])
    out = str(tmp_path_factory.mktemp("compressed") / "run")
    return {"model": encoder_folder("bert"), "data": frame, "recipe": RECIPE, "out": out, "seconds": 0, "threads": 1}


@pytest.fixture(scope="module")
def watched(asked):
    """The result, and what the callback heard."""
    heard = []
    return packlight.compress(**asked, on_progress=lambda *what: heard.append(what)), heard


@pytest.fixture(scope="module")
def result(watched):
    return watched[0]


def test_progress_counts_the_steps_and_what_goes_on_within(watched):
    _, heard = watched
    assert [what for what in heard if what[0] == "variants"] == [("variants", done, 2) for done in range(3)]
    stages = {stage for stage, _, _ in heard}
    assert "measuring speed" in stages
    assert "predicting val and test" in stages


def test_the_result_shows_itself_as_text_and_as_a_page(result):
    for name in ("teacher", "shipped"):
        assert name in repr(result.table)
        assert re.search(rf"<tr><th>.*{name}.*</th><td>", result.table._repr_html_())
    assert repr(result.table) in repr(result)
    assert f"Ship {result.pick.name}" in repr(result)
    assert [row["variant"] for row in result.table.rows] == ["teacher", "shipped"]
    assert all(row["size_mb"] > 0 and row["latency_ms"] > 0 for row in result.table.rows)
    assert result.plot()._repr_png_().startswith(b"\x89PNG")
    assert result.report.is_file()


def test_the_pick_predicts_and_is_saved(result, tmp_path):
    (first, second) = result.pick.predict(iter(["wake me at seven", "play the song queen"]))
    assert first.text == "wake me at seven"
    assert 0 < second.score <= 1
    saved = result.pick.save(str(tmp_path / "shipped"))
    assert Predictor.open(saved).predict(["wake me at seven"]) == [first]
    with pytest.raises(ArtifactError, match="exists already"):
        result.pick.save(saved)
    assert result.pick.predict("wake me at seven") == [first]


def test_other_limits_are_answered_from_the_same_run(result, asked):
    sizes = {name: variant.measurement.size_mb for name, variant in result.variants.items()}
    smallest = min(sizes, key=sizes.get)
    small = packlight.compress(**asked, max_size_mb=sizes[smallest] * 1.0001)
    assert small.measurements == result.measurements
    assert small.pick.name == smallest
    none = packlight.compress(**asked, max_size_mb=sizes[smallest] / 2)
    assert none.advice.pick is None
    with pytest.raises(NothingFitsError, match=rf"No variant is within the limits[\s\S]*Nearest\s+{smallest}: size"):
        none.pick  # noqa: B018


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"data": 3}, DataError, "cannot be read as labelled texts"),
        ({"data": "no/such.csv"}, DataError, "there is no no/such.csv"),
        ({"max_latency_ms": -1}, PacklightError, "constraints: max_latency_ms is -1"),
        ({"recipe": "squeeze"}, RecipeError, "no recipe 'squeeze'"),
        ({"recipe": [Export(name="alone")]}, RecipeError, "comes first, but must start from a variant"),
        ({"recipe": [{"step": "export", "to": "x"}]}, RecipeError, "there is no key|is missing"),
        ({"recipe": []}, RecipeError, "has no steps"),
        ({"model": object()}, ModelError, "model is a object: give a Hub id or a folder"),
    ],
)
def test_bad_input_is_refused_before_any_work(asked, change, error, words, tmp_path):
    with pytest.raises(error, match=words):
        packlight.compress(**(asked | {"out": tmp_path / "out"} | change))
    assert not (tmp_path / "out").exists()
