"""The ONNX Runtime engine. It only needs NumPy, tokenizers and onnxruntime."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from packlight.errors import EngineError
from packlight.runtime import forking
from packlight.runtime.artifact import ONNX_FP32, ONNX_INT8, Artifact, Manifest
from packlight.runtime.engine import EngineInfo, LoadingCode, Logits
from packlight.runtime.token_engine import TokenEngine
from packlight.runtime.tokenization import Ids

CODE = """\
import json
import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import, or onnxruntime sends usage reports
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
tokenizer.enable_truncation({length})
session = onnxruntime.InferenceSession(
    "{file}",
    providers=["CPUExecutionProvider"],
    disabled_optimizers=["SkipLayerNormFusion"],  # slower on a CPU than the separate nodes
)
labels = json.load(open("config.json"))["id2label"]

ids = np.array([tokenizer.encode("{text}").ids], dtype=np.int64)
logits = session.run(["logits"], {{"input_ids": ids, "attention_mask": np.ones_like(ids)}})[0][0]
print(labels[str(logits.argmax())])"""


def _code(manifest: Manifest, text: str) -> str:
    return CODE.format(file=manifest.model_file, length=manifest.max_length, text=text)


class OnnxEngine(TokenEngine):
    """An ONNX artifact on ONNX Runtime."""

    info = EngineInfo(
        name="onnxruntime",
        label="ONNX Runtime",
        colour="#0072B2",
        form="onnx",
        model_files={"fp32": ONNX_FP32, "int8": ONNX_INT8},
        modules=("onnxruntime",),
        takes_providers=True,
        portable=True,
        compared_with_batches=True,
        macs_from="onnx",
        hub_tags=("onnx", "onnxruntime"),
        loading_code=LoadingCode(
            title="ONNX Runtime alone", packages=("onnxruntime", "tokenizers", "numpy"), write=_code
        ),
    )

    def __init__(
        self,
        artifact: Artifact,
        *,
        threads: int | None = None,
        providers: Sequence[str] = ("cpu",),
        cache: Path | None = None,
    ) -> None:
        """Open a verified artifact.

        Args:
            artifact: an artifact of this engine.
            threads: threads per batch. Defaults to the container's CPU limit.
            providers: execution providers in order of preference, as `cpu`, `cuda`, … or by their full names.
            cache: folder for optimized graphs; by default the user's cache folder, `PACKLIGHT_CACHE` if set.

        Raises:
            EngineError: if a provider is not available or does not start.
            ArtifactError: if ONNX Runtime cannot open the file.
        """
        from packlight.runtime.ort_session import default_cache, open_session, provider_names

        super().__init__(artifact, threads=threads)
        names = provider_names(providers)
        self._open = partial(open_session, artifact, self.threads, names, cache or default_cache())
        self._session, self._generation = self._open(), forking.generation()
        if missing := sorted(set(names) - set(self._session.get_providers())):
            raise EngineError(
                f"{missing[0]} is part of this onnxruntime but did not start; its message above says why (often a "
                f"missing driver or library). `--provider cpu` works everywhere",
            )

    def run(self, feed: Mapping[str, Ids]) -> Logits:
        """Run one padded batch."""
        if self._generation != forking.generation():
            self._session, self._generation = self._open(), forking.generation()
        answer: Logits = self._session.run(["logits"], feed)[0]
        return answer
