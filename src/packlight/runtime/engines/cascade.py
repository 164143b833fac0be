"""The cascade: a fast model answers what it is sure of, and a better one the rest (Viola & Jones 2001, section 4).

first/, second/                        two whole artifacts
config.json, key packlight_cascade     {"threshold": least probability of an answer that the first may give}
"""

import json
from collections.abc import Sequence, Sized
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from packlight.errors import ArtifactError
from packlight.runtime.artifact import FIRST, SECOND, Artifact
from packlight.runtime.engine import Engine, EngineInfo, Logits

CONFIG_KEY = "packlight_cascade"
TOKENS_PER_CHARACTER = 2
"""no tokenizer makes more of ASCII text, special tokens included: a text this short is whole in the second model too"""


class CascadeThreshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the first model's answer is taken."""

    threshold: float
    """least softmax probability of its likeliest label"""


class Passable(Sized):
    """A text that the first model may pass on to the second."""

    __slots__ = ("_length", "first", "text")

    def __init__(self, text: str, first: Sized, length: int) -> None:
        """Keep the text, and the text as the first model's engine encoded it."""
        self.text, self.first, self._length = text, first, length

    def __len__(self) -> int:
        """Tokens, or words if the first model has no tokens: what the second model's tokens are expected to be."""
        return self._length


class CascadeEngine(Engine[Passable]):
    """A cascade's artifact."""

    info = EngineInfo(
        name="cascade",
        label="cascade",
        colour="#E69F00",
        form="cascade",
        takes_providers=True,
        brings="with both of its models",
        hub_tags=("cascade",),
    )

    def __init__(self, artifact: Artifact, *, threads: int | None = None, providers: Sequence[str] = ("cpu",)) -> None:
        """Open a verified artifact.

        Args:
            artifact: one whose engine is cascade.
            threads: of each engine.
            providers: execution providers, for those of its models that run on ONNX Runtime.

        Raises:
            ArtifactError: when one of the two is damaged, or their labels differ.
        """
        from packlight.runtime.engines import engine_info, open_engine  # the registry finds this module

        self.labels = artifact.labels
        self._switch = read_threshold(artifact.path / "config.json")
        parts = [Artifact.open(artifact.path / name) for name in (FIRST, SECOND)]
        if set(parts[0].labels) != set(parts[1].labels) or parts[1].labels != self.labels:
            raise ArtifactError(f"{artifact.path}: its two models have different labels; make the artifact again")
        self.first, self.second = (
            open_engine(
                part,
                threads=threads,
                providers=providers if engine_info(part.manifest.engine).takes_providers else ("cpu",),
            )
            for part in parts
        )
        alike = parts[0].labels == self.labels
        self._columns = None if alike else [parts[0].labels.index(label) for label in self.labels]
        self.threads = self.second.threads
        self._short = parts[1].manifest.max_length // TOKENS_PER_CHARACTER

    def encode(self, texts: Sequence[str]) -> list[Passable]:
        """Encode for the first model; the second encodes only what is passed on to it."""
        encoded = self.first.encode(texts)
        if self.first.info.pads:
            return [Passable(text, each, len(each)) for text, each in zip(texts, encoded, strict=True)]
        return [Passable(text, each, max(1, len(text.split()))) for text, each in zip(texts, encoded, strict=True)]

    def truncated(self, texts: Sequence[str], encoded: Sequence[Passable]) -> list[bool]:
        """For each text, whether one of the two models takes no more than its beginning."""
        cut = self.first.truncated(texts, [each.first for each in encoded])
        for place, text in enumerate(texts):
            if not (cut[place] or (text.isascii() and len(text) <= self._short)):
                cut[place] = self.second.truncated([text], self.second.encode([text]))[0]
        return cut

    def logits(self, encoded: Sequence[Passable]) -> Logits:
        """Run texts: float32 of shape [texts, labels], each row of the model that answered."""
        answers = self.first.logits([each.first for each in encoded])
        if self._columns is not None:
            answers = answers[:, self._columns]
        unsure = np.flatnonzero(confidence(answers) < self._switch.threshold).tolist()
        if unsure:
            answers[unsure] = self.second.predict([encoded[place].text for place in unsure])
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
