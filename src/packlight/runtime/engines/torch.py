"""The torch engine: float32, or dynamic int8."""

from collections.abc import Mapping, Sequence
from typing import Any

from packlight.runtime.artifact import SAFETENSORS, SAFETENSORS_INT8, Artifact, Manifest
from packlight.runtime.engine import Engine, EngineInfo, LoadingCode, Logits
from packlight.runtime.processor import threads_for
from packlight.runtime.tokenization import Ids, encoder_of

CODE = """\
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

model = AutoModelForSequenceClassification.from_pretrained(".").eval()
tokenizer = AutoTokenizer.from_pretrained(".")

tokens = tokenizer("{text}", return_tensors="pt", truncation=True, max_length={length})
with torch.inference_mode():
    logits = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits[0]
print(model.config.id2label[int(logits.argmax())])"""


def _code(manifest: Manifest, text: str) -> str | None:
    """None for int8, since transformers can't open packlight's int8 weights."""
    return CODE.format(length=manifest.max_length, text=text) if manifest.model_file == SAFETENSORS else None


TRANSFORMERS = LoadingCode(title="transformers", packages=("torch", "transformers"), write=_code)


class TorchEngine(Engine[list[int]]):
    """A PyTorch artifact, float32 or dynamic int8, with a fast tokenizer."""

    info = EngineInfo(
        name="torch",
        label="PyTorch",
        colour="#D55E00",
        form="torch",
        model_files={"fp32": SAFETENSORS, "int8": SAFETENSORS_INT8},
        modules=("torch", "transformers"),
        opens=("torch-compiled",),
        macs_from="safetensors",
        hub_tags=("pytorch",),
        loading_code=TRANSFORMERS,
    )

    def __init__(self, artifact: Artifact, *, threads: int | None = None) -> None:
        """Open a verified artifact. The threads apply to PyTorch in the whole process."""
        import torch

        from packlight.models.hf_model import open_classifier
        from packlight.models.torch_int8 import open_int8

        self._torch = torch
        self.threads = threads_for(threads)
        torch.set_num_threads(self.threads)
        self._encoder = encoder_of(artifact)
        int8 = artifact.manifest.precision == "int8"
        self._model: Any = open_int8(artifact.path, artifact.model_path) if int8 else open_classifier(artifact.path)
        self.labels = artifact.labels

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""
        return self._encoder.ids(texts)

    def truncated(self, texts: Sequence[str], encoded: Sequence[list[int]]) -> list[bool]:
        """For each text, whether it is longer than the model's maximum."""
        return self._encoder.truncated(texts, encoded)

    def logits(self, encoded: Sequence[list[int]]) -> Logits:
        """Run one batch of token ids: float32 of shape [texts, labels]."""
        return self._encoder.logits(encoded, self._run)

    def _run(self, feed: Mapping[str, Ids]) -> Logits:
        with self._torch.inference_mode():
            answer = self._model(**{name: self._torch.from_numpy(values) for name, values in feed.items()})
        logits: Logits = answer.logits.float().numpy()
        return logits
