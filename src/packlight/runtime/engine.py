"""What an engine is: it encodes texts, and runs batches of encoded texts on a given number of threads."""

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, TypeVar

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
    """the library that does it"""
    packages: tuple[str, ...]
    """what to install"""
    write: Callable[[Manifest, str], str | None]
    """manifest and example text to Python code that runs in the artifact's folder; None where the library can't open it"""


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """Everything that the rest of packlight knows about an engine, readable without its library."""

    name: str
    """as manifests state it: `onnxruntime`"""
    label: str
    """as people write it: `ONNX Runtime`"""
    colour: str
    """in plots, as `#rrggbb`"""
    form: str
    """what steps call its artifacts in `needs` and `makes`: `onnx`, and `onnx-int8` for its other precision"""
    model_files: Mapping[str, str] = field(default_factory=dict)
    """precision to the model's file in an artifact; the first precision is the one that `form` alone means"""
    modules: tuple[str, ...] = ()
    """libraries that must be installed to open an artifact; `extras` knows which extra brings them"""
    opens: tuple[str, ...] = ()
    """other engines whose artifacts it opens too"""
    opens_checkpoints: bool = False
    """whether it opens the folder of any classifier, without a manifest"""
    takes_providers: bool = False
    """whether you can choose ONNX Runtime's execution providers"""
    golden_engine: str | None = None
    """the engine that records the golden answers of its artifacts; None for itself"""
    pads: bool = True
    """whether a batch is padded to its longest text, so that texts of similar length belong together"""
    exact_int8: bool = False
    """whether its int8 results are the same on every processor"""
    compared_with_batches: bool = False
    """whether test texts are predicted one at a time and in batches, and the labels compared"""
    macs_from: Literal["onnx", "safetensors"] | None = None
    """what the multiply-accumulates of the roofline are counted from; None if they can't be counted"""
    length_unit: Literal["tokens", "words"] = "tokens"
    """what `max_length` of its artifacts counts"""
    brings: str = "with its tokenizer"
    """what an artifact's size includes besides the model, for the model card"""
    hub_tags: tuple[str, ...] = ()
    """tags of the model card"""
    loading_code: LoadingCode | None = None


class Engine(Protocol[Encoded]):
    """An artifact, opened. `Encoded` is what one text becomes; it has a length, and only its own engine reads it."""

    info: ClassVar[EngineInfo]
    labels: tuple[str, ...]
    """in the order of the logits"""
    threads: int

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Encode each text, not padded. Encoded texts of several calls can share a batch."""
        ...

    def truncated(self, texts: Sequence[str], encoded: Sequence[Encoded]) -> list[bool]:
        """For each text, whether it was cut because the model takes no longer ones; for `texts` as `encode` gave them."""
        del encoded
        return [False] * len(texts)

    def logits(self, encoded: Sequence[Encoded]) -> Logits:
        """Run one batch: float32 of shape [texts, labels]. The caller chooses the batch."""
        ...

    def predict(self, texts: Sequence[str]) -> Logits:
        """Encode texts and run them: float32 of shape [texts, labels]; as one batch unless they are very long together."""
        encoded = self.encode(texts)
        if len(encoded) == 1:
            return self.logits(encoded)
        return np.concatenate([self.logits(encoded[part]) for part in bounded(encoded)])
