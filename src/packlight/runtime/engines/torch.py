"""The torch engine: float32, or dynamic int8."""

from collections.abc import Mapping
from typing import Any

from packlight.runtime.artifact import SAFETENSORS, SAFETENSORS_INT8, Artifact, Manifest
from packlight.runtime.engine import EngineInfo, LoadingCode, Logits
from packlight.runtime.token_engine import TokenEngine
from packlight.runtime.tokenization import Ids

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


class TorchEngine(TokenEngine):
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

        super().__init__(artifact, threads=threads)
        self._torch = torch
        self.take_threads()
        int8 = artifact.manifest.precision == "int8"
        self._model: Any = open_int8(artifact.path, artifact.model_path) if int8 else open_classifier(artifact.path)

    def take_threads(self) -> None:
        """PyTorch has one number of threads in a process."""
        self._torch.set_num_threads(self.threads)

    def run(self, feed: Mapping[str, Ids]) -> Logits:
        """Run one padded batch."""
        with self._torch.inference_mode():
            answer = self._model(**{name: self._torch.from_numpy(values) for name, values in feed.items()})
        logits: Logits = answer.logits.float().numpy()
        return logits
