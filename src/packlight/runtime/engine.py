"""The engine interface: encode texts, and run batches of encoded texts on a given number of threads."""

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from packlight.runtime.artifact import Manifest
from packlight.runtime.batches import bounded

Logits = npt.NDArray[np.float32]
Encoded = TypeVar("Encoded", bound=Sized)


@dataclass(frozen=True, kw_only=True)
class LoadingCode:
    """How to run an artifact without packlight."""

    title: str
    """the library's name"""
    packages: tuple[str, ...]
    """packages to install"""
    write: Callable[[Manifest, str], str | None]
    """maps a manifest and an example text to Python code that runs in the artifact's folder; None if the library can't
    open it"""


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """Everything that the rest of packlight knows about an engine, without importing its library."""

    name: str
    """name in manifests: `onnxruntime`"""
    label: str
    """name for readers: `ONNX Runtime`"""
    colour: str
    """colour in plots, as `#rrggbb`"""
    form: str
    """name of its artifacts in the `needs` and `makes` of steps: `onnx`, and `onnx-int8` for its other precision"""
    model_files: Mapping[str, str] = field(default_factory=dict)
    """maps each precision to the model's file in an artifact. The first precision is the one that `form` stands for"""
    modules: tuple[str, ...] = ()
    """libraries needed to open an artifact; `extras` maps them to an extra"""
    opens: tuple[str, ...] = ()
    """other engines whose artifacts it can open"""
    opens_checkpoints: bool = False
    """whether it opens the folder of any classifier, without a manifest"""
    takes_providers: bool = False
    """whether you can choose ONNX Runtime's execution providers"""
    portable: bool = False
    """whether plain ONNX Runtime can run its artifacts"""
    parts: tuple[str, ...] = ()
    """folders of the complete artifacts in one of its artifacts. The last of them has the final say on a text"""
    golden_engine: str | None = None
    """the engine that records the golden logits of its artifacts; None for itself"""
    pads: bool = True
    """whether a batch is padded to its longest text, so that batching texts of similar length pays"""
    exact_int8: bool = False
    """whether its int8 results are the same on every processor"""
    compared_with_batches: bool = False
    """whether test texts are predicted one at a time and in batches, and the labels compared"""
    macs_from: Literal["onnx", "safetensors"] | None = None
    """the source for counting multiply-accumulates; None if they can't be counted"""
    tries_threads: bool = True
    """whether a measured artifact is also timed on all threads: not if it has one anyway, or needs minutes to open"""
    length_unit: Literal["tokens", "words"] = "tokens"
    """unit of its artifacts' `max_length`"""
    note: str = ""
    """what a comparison of engines says of its artifacts"""
    opening: str = "opening it"
    """what is done before the first prediction, for a message"""
    brings: str = "with its tokenizer"
    """what an artifact's size includes besides the model, in words, for the model card"""
    hub_tags: tuple[str, ...] = ()
    """tags of the model card"""
    loading_code: LoadingCode | None = None
    limitation: Callable[[Manifest], str] | None = None
    """writes what a model card says of the limits of one of its artifacts; None if there is nothing to say"""


class Engine(Protocol[Encoded]):
    """An opened artifact. `Encoded` is an encoded text. It has a length, and only its engine can read it."""

    info: ClassVar[EngineInfo]
    labels: tuple[str, ...]
    """in the order of the logits"""
    threads: int
    parts: "tuple[Engine[Any], ...]" = ()
    """the engines of the artifact's parts, if it consists of several models"""

    def take_threads(self) -> None:
        """Set the number of threads again, if it applies to the whole process and another engine may have changed it."""
        for part in self.parts:
            part.take_threads()

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Encode each text, not padded. Encoded texts of several calls can share a batch."""
        ...

    def truncated(self, texts: Sequence[str], encoded: Sequence[Encoded]) -> list[bool]:
        """For each text, whether it was truncated to the model's maximum length. `texts` come from `encode`."""
        del encoded
        return [False] * len(texts)

    def margins(self, texts: Sequence[str]) -> npt.NDArray[np.float64] | None:
        """How far each text is from being passed on to another model, in probability, [texts]; None if none ever is."""
        del texts
        return None

    def logits(self, encoded: Sequence[Encoded]) -> Logits:
        """Run one batch: float32 of shape [texts, labels]. The caller chooses the batch."""
        ...

    def predict(self, texts: Sequence[str]) -> Logits:
        """Encode and run texts: float32 of shape [texts, labels]. They form one batch, unless they are very long."""
        encoded = self.encode(texts)
        if len(encoded) == 1:
            return self.logits(encoded)
        return np.concatenate([self.logits(encoded[part]) for part in bounded(encoded)])
