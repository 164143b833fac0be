"""The cascade: a fast model classifies texts that it is confident about, a better one the rest (Viola & Jones 2001).

first/, second/                        two complete artifacts
config.json, key packlight_cascade     {"threshold": lowest probability at which the first model's prediction is used}
"""

import json
from collections.abc import Sequence, Sized
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from packlight.errors import ArtifactError
from packlight.formatting import percent
from packlight.runtime.artifact import Artifact, Manifest
from packlight.runtime.engine import Engine, EngineInfo, Logits

FIRST, SECOND = "first", "second"
CONFIG_KEY = "packlight_cascade"
TOKENS_PER_CHARACTER = 2
"""more than tokenizers make of ASCII text: one with fewer characters than half of the second model's maximum is whole there"""


class CascadeThreshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rule for using the first model's prediction."""

    threshold: float
    """lowest softmax probability of its most likely label"""


class Passable(Sized):
    """A text that may be passed on to the second model."""

    __slots__ = ("_length", "first", "text")

    def __init__(self, text: str, first: Sized, length: int) -> None:
        """Keep the text, and the text as the first model's engine encoded it."""
        self.text, self.first, self._length = text, first, length

    def __len__(self) -> int:
        """Number of tokens, or words if the first model has no tokens, as an estimate for the second model."""
        return self._length


def _limitation(manifest: Manifest) -> str:
    switch = manifest.facts["switch"]
    return (
        f"`{manifest.facts['first']}` answers texts for which its probability is at least {switch['threshold']:.3f}, "
        f"`{manifest.parent}` the rest, so some texts take much longer than others. On `val`, the first answered {percent(switch['kept'])} "
        f"of the texts, and accuracy was {percent(switch['accuracy'])}; `{manifest.parent}` alone has "
        f"{percent(switch['second_accuracy'])}. {percent(switch['spoilt'])} of the predictions were wrong although "
        f"`{manifest.parent}` alone is right; this sample bounds that share at {percent(switch['spoilt_limit'])}. "
        f"The harder the texts, the more of them are passed on."
    )


class CascadeEngine(Engine[Passable]):
    """A cascade's artifact."""

    info = EngineInfo(
        name="cascade",
        label="cascade",
        colour="#E69F00",
        form="cascade",
        takes_providers=True,
        parts=(FIRST, SECOND),
        brings="including both of its models",
        hub_tags=("cascade",),
        limitation=_limitation,
    )

    def __init__(self, artifact: Artifact, *, threads: int | None = None, providers: Sequence[str] = ("cpu",)) -> None:
        """Open a verified artifact.

        Args:
            artifact: an artifact of this engine.
            threads: threads of each model's engine.
            providers: execution providers, for models that run on ONNX Runtime.

        Raises:
            ArtifactError: if one of the two is damaged, or if their labels differ.
        """
        from packlight.runtime.engines import engine_info, open_engine  # the registry finds this module

        self.labels = artifact.labels
        self._switch = read_threshold(artifact.path / "config.json")
        parts = [Artifact.open(artifact.path / name) for name in (FIRST, SECOND)]
        if set(parts[0].labels) != set(parts[1].labels) or parts[1].labels != self.labels:
            raise ArtifactError(f"{artifact.path}: its two models have different labels; build the artifact again")
        self.first, self.second = (
            open_engine(
                part,
                threads=threads,
                providers=providers if engine_info(part.manifest.engine).takes_providers else ("cpu",),
            )
            for part in parts
        )
        self.parts = (self.first, self.second)
        alike = parts[0].labels == self.labels
        self._columns = None if alike else [parts[0].labels.index(label) for label in self.labels]
        self.threads = self.second.threads
        self._short = parts[1].manifest.max_length // TOKENS_PER_CHARACTER

    def encode(self, texts: Sequence[str]) -> list[Passable]:
        """Encode for the first model. The second one only encodes texts that are passed on to it."""
        encoded = self.first.encode(texts)
        if self.first.info.pads:
            return [Passable(text, each, len(each)) for text, each in zip(texts, encoded, strict=True)]
        return [Passable(text, each, max(1, len(text.split()))) for text, each in zip(texts, encoded, strict=True)]

    def truncated(self, texts: Sequence[str], encoded: Sequence[Passable]) -> list[bool]:
        """For each text, whether one of the two models truncates it."""
        cut = self.first.truncated(texts, [each.first for each in encoded])
        for place, text in enumerate(texts):
            if not (cut[place] or (text.isascii() and len(text) < self._short)):
                cut[place] = self.second.truncated([text], self.second.encode([text]))[0]
        return cut

    def margins(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """The distance of the first model's confidence in each text, run alone, from the threshold: [texts]."""
        alone = np.concatenate([self.first.logits([each]) for each in self.first.encode(texts)])
        distance: npt.NDArray[np.float64] = np.abs(confidence(alone) - self._switch.threshold)
        return distance

    def logits(self, encoded: Sequence[Passable]) -> Logits:
        """Run texts: float32 of shape [texts, labels], each row from the model that classified the text."""
        answers = self.first.logits([each.first for each in encoded])
        if self._columns is not None:
            answers = answers[:, self._columns]
        unsure = np.flatnonzero(confidence(answers) < self._switch.threshold).tolist()
        if unsure:
            answers[unsure] = self.second.predict([encoded[place].text for place in unsure])
        return answers


def confidence(logits: Logits) -> npt.NDArray[np.float64]:
    """The softmax probability of each row's most likely label, [texts], which is compared with the threshold."""
    wide = logits.astype(float)
    # The exponential of the most likely label is 1.
    probability: npt.NDArray[np.float64] = 1 / np.exp(wide - wide.max(axis=1, keepdims=True)).sum(axis=1)
    return probability


def read_threshold(config: Path) -> CascadeThreshold:
    """A cascade's threshold, from its `config.json`.

    Raises:
        ArtifactError: if it has none.
    """
    try:
        return msgspec.convert(json.loads(config.read_text(encoding="utf-8"))[CONFIG_KEY], CascadeThreshold)
    except (OSError, ValueError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise ArtifactError(f"{config}: needs {CONFIG_KEY} of a cascade ({error!r})") from error
