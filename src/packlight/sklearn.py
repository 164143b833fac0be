"""`TextClassifier`: a compressed transformer as a scikit-learn classifier.

    from packlight.sklearn import TextClassifier

    scores = cross_val_score(TextClassifier(), texts, labels, cv=5)

An estimator is pickled without its model: the pickle holds the path of the artifact and the hash of its model file.
"""

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from packlight.data import Dataset, read_rows
from packlight.data.oos_label import scope_label
from packlight.data.splits import hold_out
from packlight.errors import ArtifactError, DataError, RecipeError
from packlight.extras import require
from packlight.models.labels import label_mapping
from packlight.recipes.overrides import with_head, with_lengths
from packlight.recipes.recipe import Recipe, load_recipe, recipe_of
from packlight.runtime.artifact import Artifact
from packlight.runtime.decision import probabilities
from packlight.runtime.predictor import Predictor
from packlight.steps import Step

require("sklearn", purpose="packlight.sklearn")

from sklearn.base import BaseEstimator, ClassifierMixin  # noqa: E402 - the check above says what to install
from sklearn.utils.multiclass import check_classification_targets  # noqa: E402
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d  # noqa: E402

DEFAULT_STEPS = ({"step": "finetune", "as": "fine-tuned"}, {"step": "export", "as": "exported"})
BATCH = 32
OPENED = 4
"""artifacts that stay open for the next prediction"""


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A transformer text classifier, trained and compressed by a recipe.

    `X` is a sequence of texts: a list, a one-dimensional array or a pandas Series. A stratified tenth is held out to
    choose the best epoch.

    Args:
        model: the model to start from: a Hub id, a folder, `minilm` or `mpnet`.
        recipe: a built-in recipe, a YAML file, or a list as for `packlight.compress`. By default the model
            is fine-tuned and exported to ONNX.
        variant: the variant that predicts; the recipe's last one by default.
        folder: folder for the artifacts. Each fit gets a subfolder, and an identical fit reuses it. Defaults to a
            temporary folder that is removed when Python exits, so set one if you want to unpickle the estimator later.
        label_map: maps labels of a fine-tuned classifier to labels of `y`.
        new_head: train a new classification head, and discard the model's own.
        extend_labels: keep the labels that a fine-tuned classifier knows, and add the other labels of `y` to its head.
        max_length: truncate texts to this many tokens. Chosen from the texts by default, up to the model's limit.
        long_texts: what to do with longer texts: `head`, `head+tail` or `windows`.
        abstain: accuracy on the held-out tenth to give up by abstaining from uncertain texts, such as 0.02. `abstains` then says
            which texts these are. Only if `y` has no out-of-scope label.
        threads: threads per prediction, as in `Predictor.open`.
        random_state: random seed.

    Attributes:
        classes_: the labels [classes], sorted.
        artifact_path_: the artifact's folder, which `packlight serve` takes.
        artifact_sha256_: hash of its model file.
        abstain_below_: the probability below which it abstains; None if it never does.
    """

    def __init__(
        self,
        model: str | Path = "minilm",
        *,
        recipe: str | Path | Recipe | Sequence[Step | Mapping[str, Any]] | None = None,
        variant: str | None = None,
        label_map: Mapping[str, str] | str | Path | None = None,
        new_head: bool = False,
        extend_labels: bool = False,
        max_length: int | None = None,
        long_texts: str | None = None,
        abstain: float | None = None,
        folder: str | Path | None = None,
        threads: int | None = None,
        random_state: int = 0,
    ) -> None:
        self.model = model
        self.recipe = recipe
        self.variant = variant
        self.label_map = label_map
        self.new_head = new_head
        self.extend_labels = extend_labels
        self.max_length = max_length
        self.long_texts = long_texts
        self.abstain = abstain
        self.folder = folder
        self.threads = threads
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Train on texts and their labels, which may be strings or numbers.

        Raises:
            ValueError: if the texts or the labels cannot be used.
            PacklightError: if the model or the recipe cannot be used.
        """
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        texts = _texts(X)
        targets = column_or_1d(y, warn=True)
        check_consistent_length(texts, targets)
        check_classification_targets(targets)
        self.classes_, places = np.unique(targets, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class, {self.classes_[0]!r}: a classifier needs two or more")
        try:
            rows = read_rows([(text, str(self.classes_[place])) for text, place in zip(texts, places, strict=True)])
            train, val = hold_out(rows, seed=self.random_state)
        except DataError as error:
            raise ValueError(str(error)) from error
        self._labels = [label for _, label in sorted(dict(zip(places.tolist(), rows.labels, strict=True)).items())]
        if len(set(self._labels)) < len(self._labels):
            raise ValueError(f"two of these labels are the same when written out: {', '.join(map(repr, self._labels))}")
        # Nothing is measured, so `test` is never read, but a data set must have it.
        data = Dataset("fit", train, val, val, scope_label(self._labels, None))
        artifact = self._built(data)
        self.artifact_path_ = str(artifact.path.resolve())
        self.artifact_sha256_ = _model_sha256(artifact)
        self.abstain_below_ = artifact.manifest.abstain_below
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        """The most likely label of each text, [texts].

        Raises:
            ArtifactError: if the artifact is gone or has been replaced.
        """
        check_is_fitted(self)
        labels: npt.NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return labels

    def abstains(self, X: Any) -> npt.NDArray[np.bool_]:  # noqa: N803
        """Whether the model is too uncertain about each text to answer, [texts]. `predict` still gives the most likely label.

        Raises:
            ArtifactError: if the artifact is gone or has been replaced.
        """
        unsure: npt.NDArray[np.bool_] = self.predict_proba(X).max(axis=1) < (self.abstain_below_ or 0.0)
        return unsure

    def predict_proba(self, X: Any) -> npt.NDArray[np.float32]:  # noqa: N803
        """The probability of each class, [texts, classes], in the order of `classes_`.

        Raises:
            ArtifactError: if the artifact is gone or has been replaced.
        """
        check_is_fitted(self)
        texts = _texts(X)
        predictor = _opened(self.artifact_path_, self.artifact_sha256_, self.threads)
        artifact, engine = predictor.artifact, predictor.engine
        size = BATCH if artifact.manifest.batch_invariant else 1
        chunks = [engine.predict(texts[start : start + size]) for start in range(0, len(texts), size)]
        scores = probabilities(np.concatenate(chunks), artifact.activation)
        # A model that was used as is may name what `y` only numbers.
        chosen: npt.NDArray[np.float32] = scores[:, list(label_mapping(engine.labels, self._labels).columns)]
        return chosen

    def _built(self, data: Dataset) -> Artifact:
        from packlight.pipeline.runner import build  # imports torch, which predicting does without

        recipe = with_head(
            self.recipe if isinstance(self.recipe, Recipe) else _recipe(self.recipe),
            label_map=str(self.label_map) if isinstance(self.label_map, Path) else self.label_map,
            new_head=self.new_head,
            extend_labels=self.extend_labels,
        )
        recipe = with_lengths(recipe, max_length=self.max_length, long_texts=self.long_texts)
        names = [step.name for step in recipe.steps]
        wanted = self.variant or names[-1]
        if wanted not in names:
            raise ValueError(f"variant={wanted!r}: the recipe makes {', '.join(names)}")
        settings = repr((data.sha256, str(self.model), recipe, self.abstain, self.random_state))
        name = hashlib.sha256(settings.encode()).hexdigest()[:16]
        folder = Path(self.folder) if self.folder is not None else _temporary()
        built = build(data, recipe, folder / name, model=str(self.model), seed=self.random_state, abstain=self.abstain)
        if wanted not in built:
            raise RecipeError(
                f"{wanted}: cannot be built from {self.model}; the lines above say why; choose another variant"
            )
        return built[wanted]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags


def _recipe(given: str | Path | Sequence[Step | Mapping[str, Any]] | None) -> Recipe:
    if given is None:
        return recipe_of(DEFAULT_STEPS)
    return load_recipe(given) if isinstance(given, str | Path) else recipe_of(given)


def _texts(given: Any) -> list[str]:
    """The texts of one prediction or fit.

    Raises:
        ValueError: if they are not one-dimensional, not all strings, or empty.
    """
    texts = [given] if isinstance(given, str) else list(given) if hasattr(given, "__iter__") else [given]
    wrong = next((text for text in texts if not isinstance(text, str)), None)
    if isinstance(given, str) or wrong is not None:
        shown = repr(given if isinstance(given, str) else wrong)[:60]
        raise ValueError(f"X must be a one-dimensional sequence of texts, such as ['wake me up', 'stop']; got {shown}")
    if not texts:
        raise ValueError("Found array with 0 sample(s): X has no texts, and a minimum of 1 is required.")
    return [str(text) for text in texts]


def _model_sha256(artifact: Artifact) -> str:
    return artifact.manifest.files[artifact.manifest.model_file].sha256


@lru_cache(maxsize=OPENED)
def _opened(path: str, sha256: str, threads: int | None) -> Predictor:
    """Verify and open an artifact. It is kept outside the estimator, whose state stays small and unchanged."""
    if not Path(path).is_dir():
        raise ArtifactError(
            f"{path}: the artifact of this TextClassifier is gone; fit again, and set folder=... to keep it"
        )
    predictor = Predictor.open(path, threads=threads, batches=True)
    if _model_sha256(predictor.artifact) != sha256:
        raise ArtifactError(
            f"{path}: contains a different model from the one that this TextClassifier was fitted with; fit again"
        )
    return predictor


def _temporary() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="packlight-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
