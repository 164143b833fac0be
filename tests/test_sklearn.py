"""`TextClassifier` as scikit-learn sees it, on a tiny encoder that is trained for one epoch."""

import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from packlight.errors import ArtifactError, ModelError, RecipeError, UnsupportedError
from packlight.extras import installed
from packlight.progress import console
from packlight.runtime.artifact import read_manifest
from packlight.runtime.predictor import Predictor

pytestmark = pytest.mark.skipif(not installed("sklearn"), reason="needs the extra sklearn")
TRAINING = {"epochs": 1, "min_updates": 0, "batch_size": 16, "learning_rate": 4e-3, "max_length": 24, "bf16": False}
RECIPE = ({"step": "finetune", "as": "trained", **TRAINING},)
STATIC = {"step": "distill-static", "as": "static", "epochs": 1}
EXPECTED_FAILURES = {
    "check_classifiers_train": "asks for 83 % on points in a plane, which are words to a text classifier",
}


@pytest.fixture(scope="module", autouse=True)
def _quiet():
    console.quiet = True
    yield
    console.quiet = False


@pytest.fixture(scope="module")
def small(tiny, tmp_path_factory):
    """An encoder of one layer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tiny.SIZES, "num_hidden_layers", 1)
        return str(tiny.make_encoder("bert", tmp_path_factory.mktemp("one-layer")))


@pytest.fixture(scope="module")
def make(small, tmp_path_factory):
    from packlight.sklearn import TextClassifier

    folder = str(tmp_path_factory.mktemp("fits"))
    return lambda kind=TextClassifier, **other: kind(small, **({"recipe": RECIPE, "folder": folder} | other))


@pytest.fixture(scope="module")
def toys(tiny):
    return tiny.toy_texts()


@pytest.fixture(scope="module")
def fitted(make, toys):
    return make().fit(*toys)


def test_it_abstains_for_a_stated_loss(make, tiny):
    texts, labels = zip(*(pair for pair in zip(*tiny.toy_texts(), strict=True) if pair[1] != "oos"), strict=True)
    made = make(abstain=0.3).fit(texts, labels)
    assert 0 < made.abstain_below_ < 1
    unsure = made.abstains(texts)
    assert unsure.dtype == bool
    assert 0 < unsure.mean() < 1
    sure = made.predict_proba(texts).max(axis=1) >= made.abstain_below_
    assert (sure != unsure).all()
    assert set(made.predict(texts)) <= set(labels), "always a label"
    assert Predictor.open(made.artifact_path_).predict(list(texts))[0].out_of_scope == bool(unsure[0])


def test_it_never_abstains_unless_asked_to(fitted, make, toys):
    assert fitted.abstain_below_ is None
    assert not fitted.abstains(toys[0]).any()
    with pytest.raises(RecipeError, match=r"--abstain 0\.3: train has texts labelled 'oos'"):
        make(abstain=0.3).fit(*toys)


def test_a_variant_that_cannot_be_built_is_named(make, toys, monkeypatch):
    def fail(*_, **__):
        raise UnsupportedError("PyTorch does not export it")

    monkeypatch.setattr("packlight.steps.export.apply.export", fail)
    with pytest.raises(RecipeError, match="exported: cannot be built from"):
        make(recipe=(*RECIPE, {"step": "export", "as": "exported"})).fit(*toys)


def test_it_passes_the_checks_of_scikit_learn(make):
    from sklearn.utils.estimator_checks import check_estimator
    from sklearn.utils.validation import check_array

    from packlight.sklearn import TextClassifier

    class OfNumbers(TextClassifier):
        """The checks know numbers only; each row is written out as a text."""

        @staticmethod
        def _written(rows):
            return [" ".join(f"{value:.3g}" for value in row) for row in check_array(rows)]

        def fit(self, X, y):  # noqa: N803
            return super().fit(self._written(X), y)

        def predict_proba(self, X):  # noqa: N803
            return super().predict_proba(self._written(X))

        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.input_tags.string = tags.input_tags.one_d_array = False
            tags.input_tags.two_d_array = True
            return tags

    OfNumbers.__qualname__ = "OfNumbers"
    vars(sys.modules[__name__])["OfNumbers"] = OfNumbers  # where pickle looks for it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcomes = check_estimator(
            make(OfNumbers), expected_failed_checks=EXPECTED_FAILURES, on_fail=None, on_skip=None
        )
    failed = {each["check_name"]: each["exception"] for each in outcomes if each["status"] == "failed"}
    assert failed == {}
    assert {each["check_name"] for each in outcomes if each["status"] == "xfail"} == set(EXPECTED_FAILURES)
    assert sum(each["status"] == "passed" for each in outcomes) > 30


def test_its_tags_say_that_it_takes_texts(make):
    from sklearn.utils import get_tags

    tags = get_tags(make())
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array
    assert tags.estimator_type == "classifier"


def test_probabilities_are_in_the_order_of_the_classes(fitted, toys):
    texts, labels = toys
    scores = fitted.predict_proba(texts[:40])
    assert fitted.classes_.tolist() == sorted(set(labels))
    assert scores.shape == (40, len(fitted.classes_))
    assert scores.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-5)
    assert fitted.predict(texts[:40]).tolist() == fitted.classes_[scores.argmax(axis=1)].tolist()
    assert fitted.score(texts, labels) > 0.5  # four classes


def test_numbers_as_labels_stay_numbers(make, toys):
    texts, labels = toys
    numbers = np.array([(10, 2, 33, 4)[sorted(set(labels)).index(label)] for label in labels])
    classifier = make().fit(np.array(texts), numbers)
    assert classifier.classes_.tolist() == [2, 4, 10, 33]
    assert classifier.predict(texts[:3]).dtype == numbers.dtype
    assert classifier.score(texts, numbers) > 0.5


def test_it_is_cross_validated_at_the_end_of_a_pipeline(make, toys):
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    texts, labels = np.array(toys[0]), np.array(toys[1])
    lower = FunctionTransformer(np.char.lower)
    scores = cross_val_score(make_pipeline(lower, make()), texts, labels, cv=2, error_score="raise")
    assert scores.shape == (2,)
    assert (scores > 0.3).all()


def test_a_pickle_holds_the_path_and_no_weights(make, toys):
    static = make(recipe=(*RECIPE, STATIC)).fit(*toys)  # which a new process opens without PyTorch's seconds
    kept = pickle.dumps(static)
    assert len(kept) < 4000
    code = f"import sys, pickle\nagain = pickle.loads(sys.stdin.buffer.read())\nprint(*again.predict({toys[0][:8]!r}))"
    answer = subprocess.run([sys.executable, "-c", code], input=kept, capture_output=True, check=True)
    assert answer.stdout.decode().split() == static.predict(toys[0][:8]).tolist()


def test_an_artifact_that_is_gone_or_another_is_an_error(make, toys, tmp_path):
    classifier = make(folder=tmp_path / "fits", random_state=1).fit(*toys)
    again = pickle.loads(pickle.dumps(classifier))
    again.artifact_sha256_ = "0" * 64
    with pytest.raises(ArtifactError, match="contains a different model"):
        again.predict(toys[0][:1])
    shutil.rmtree(tmp_path / "fits")
    with pytest.raises(ArtifactError, match="is gone; fit again, and set folder="):
        classifier.predict(toys[0][:1])


def test_the_variant_that_predicts_can_be_named(make, toys):
    recipe = (*RECIPE, STATIC)
    assert make(recipe=recipe).fit(*toys).artifact_path_.endswith("static")
    assert make(recipe=recipe, variant="trained").fit(*toys).artifact_path_.endswith("trained")
    with pytest.raises(ValueError, match="variant='other': the recipe makes trained, static"):
        make(recipe=recipe, variant="other").fit(*toys)


@pytest.mark.parametrize(
    ("texts", "labels", "words"),
    [
        ("one text", ["a"], "one-dimensional sequence of texts"),
        ([["a"], ["b"]], ["a", "b"], r"one-dimensional sequence of texts.*got \['a'\]"),
        (["a", 3], ["a", "b"], "got 3"),
        ([], [], "0 sample"),
        (["x", "y"], ["a"], "inconsistent numbers of samples"),
        (["x", "y", "z"], ["a", "a", "a"], "y has one class"),
        (["x", " ", "z"], ["a", "a", "b"], "row 2: the text is empty"),
        (["x", "y"], ["a", "b"], "too few different texts"),
        (["x", "y", "z", "u"], ["a", "a ", "a", "a "], "the same when written out"),
        (["x", "y"], [0.5, 1.5], "Unknown label type"),
    ],
)
def test_what_cannot_be_used_is_a_value_error(make, texts, labels, words):
    with pytest.raises(ValueError, match=words):
        make().fit(texts, labels)


def test_without_scikit_learn_the_install_line_is_given():
    code = (
        "import packlight.extras as extras\n"
        "extras.installed = lambda module: module != 'sklearn'\n"
        "from packlight.errors import MissingExtraError\n"
        "try: import packlight.sklearn\n"
        "except MissingExtraError as error: print(error)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'packlight.sklearn needs sklearn: pip install -e ".[sklearn]"' in answer.stdout


def test_a_classifier_is_taken_with_the_head_that_is_stated(tiny, toys, tmp_path_factory):
    from packlight.sklearn import TextClassifier

    texts, labels = toys
    names = [f"LABEL_{number}" for number in range(4)]
    folder = tiny.make_foreign("bert", tmp_path_factory.mktemp("foreign"), names)
    recipe = [{"step": "finetune", "as": "trained"}]
    numbers = [tiny.LABELS.index(label) for label in labels]
    numbered = TextClassifier(folder, recipe=recipe).fit(texts, numbers)
    with pytest.raises(ModelError, match="labels don't match"):
        TextClassifier(folder, recipe=recipe).fit(texts, labels)
    label_map = dict(zip(names, tiny.LABELS, strict=True))
    mapped = TextClassifier(folder, recipe=recipe, label_map=label_map, max_length=12, long_texts="windows")
    assert mapped.get_params()["label_map"] == label_map
    mapped.fit(texts, labels)
    manifest = read_manifest(Path(mapped.artifact_path_))
    assert (manifest.max_length, manifest.long_texts) == (12, "windows")
    short = [text for text in texts if len(text) < 10]
    assert [tiny.LABELS[number] for number in numbered.predict(short)] == mapped.predict(short).tolist()


def test_names_of_a_model_are_found_by_the_numbers_of_y(tiny, toys, tmp_path_factory):
    from packlight.sklearn import TextClassifier

    texts, labels = toys
    folder = tiny.make_foreign("bert", tmp_path_factory.mktemp("named"), ("no", "yes", "perhaps", "never"))
    numbers = [tiny.LABELS.index(label) for label in labels]
    classifier = TextClassifier(folder, recipe=[{"step": "finetune", "as": "trained"}]).fit(texts, numbers)
    assert set(classifier.predict(texts[:40])) <= {0, 1, 2, 3}
    assert classifier.predict_proba(texts[:3]).shape == (3, 4)
