"""The cascade: a fast model answers what it is sure of, and a better one the rest (Viola & Jones 2001, section 4).

first/, second/                        two whole artifacts
config.json, key packlight_cascade     {"threshold": least probability of an answer that the first may give}
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from packlight.errors import ArtifactError
from packlight.runtime.artifact import FIRST, SECOND, Artifact
from packlight.runtime.engine import Engine, Logits

CONFIG_KEY = "packlight_cascade"
OpenEngine = Callable[..., Engine]


class CascadeThreshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the first model's answer is taken."""

    threshold: float
    """least softmax probability of its likeliest label"""


class CascadeEngine:
    """A cascade's artifact."""

    name = "cascade"

    def __init__(
        self, artifact: Artifact, open_engine: OpenEngine, *, threads: int | None, providers: Sequence[str]
    ) -> None:
        """Open a verified artifact.

        Args:
            artifact: one whose engine is cascade.
            open_engine: opens each of the two artifacts in it.
            threads: of each engine.
            providers: execution providers of those that are ONNX Runtime's.

        Raises:
            ArtifactError: when one of the two is damaged, or their labels differ.
        """
        self.labels = artifact.labels
        self._switch = read_threshold(artifact.path / "config.json")
        parts = [Artifact.open(artifact.path / name) for name in (FIRST, SECOND)]
        if set(parts[0].labels) != set(parts[1].labels) or parts[1].labels != self.labels:
            raise ArtifactError(f"{artifact.path}: its two models have other labels; make the artifact again")
        self._first, self._second = (
            open_engine(
                part, threads=threads, providers=providers if part.manifest.engine == "onnxruntime" else ("cpu",)
            )
            for part in parts
        )
        alike = parts[0].labels == self.labels
        self._columns = None if alike else [parts[0].labels.index(label) for label in self.labels]
        self.threads = self._second.threads

    def logits(self, texts: Sequence[str]) -> Logits:
        """Answer texts: float32 of shape [texts, labels], each row of the model that answered."""
        answers = self._first.logits(texts)
        if self._columns is not None:
            answers = answers[:, self._columns]
        unsure = np.flatnonzero(confidence(answers) < self._switch.threshold).tolist()
        if unsure:
            answers[unsure] = self._second.logits([texts[place] for place in unsure])
        return answers


def confidence(logits: Logits) -> npt.NDArray[np.float64]:
    """The softmax probability of each row's likeliest label, [texts]: what the switch looks at."""
    wide = logits.astype(float)
    # The likeliest label's own exponential is 1.
    probability: npt.NDArray[np.float64] = 1 / np.exp(wide - wide.max(axis=1, keepdims=True)).sum(axis=1)
    return probability


def read_threshold(config: Path) -> CascadeThreshold:
    """A cascade's switch, from its `config.json`.

    Raises:
        ArtifactError: when that does not say it.
    """
    try:
        return msgspec.convert(json.loads(config.read_text(encoding="utf-8"))[CONFIG_KEY], CascadeThreshold)
    except (OSError, ValueError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise ArtifactError(f"{config}: needs {CONFIG_KEY} of a cascade ({error!r})") from error
