"""The compiled PyTorch engine: the float32 model with `torch.compile`, for any lengths and batch sizes.

It generates C++ and calls the machine's C++ compiler, so opening takes tens of seconds the first time. The result is
kept in PyTorch's cache, which the command line puts into packlight's. There is one program for single texts, and one
for batches of any size.
"""

import os
import shutil
import sys

from packlight.errors import EngineError
from packlight.runtime.artifact import SAFETENSORS, Artifact
from packlight.runtime.engine import EngineInfo
from packlight.runtime.engines.torch import TRANSFORMERS, TorchEngine

LONGEST = 40
"""number of words in the longest warm-up text"""
BATCHES = (2, 3, 32)


class CompiledEngine(TorchEngine):
    """A float32 torch artifact, compiled."""

    info = EngineInfo(
        name="torch-compiled",
        label="torch.compile",
        colour="#882255",
        form="torch-compiled",
        model_files={"fp32": SAFETENSORS},
        modules=("torch", "transformers"),
        opens=("torch",),
        tries_threads=False,  # compiling it once more takes minutes
        golden_engine="torch",  # compiling takes minutes on each machine, and must not change predictions
        opening="opening it, which compiles it",
        hub_tags=("torch-compiled",),
        loading_code=TRANSFORMERS,
    )

    def __init__(self, artifact: Artifact, *, threads: int | None = None) -> None:
        """Open a verified artifact and compile it.

        Raises:
            EngineError: if there is no C++ compiler, or if compiling fails.
        """
        check_compiler()
        super().__init__(artifact, threads=threads)
        self._model = self._torch.compile(self._model, dynamic=True)
        try:
            for texts in _shapes():
                self.predict(texts)
        except RuntimeError as error:  # the base class of everything that the compiler raises
            reason = str(error).strip().partition("\n")[0]
            raise EngineError(f"{artifact.name}: torch.compile fails on this machine: {reason}") from error


def _shapes() -> list[list[str]]:
    """Texts of many lengths, alone and in batches, which compile every shape when they run."""
    alone = ["word " * words for words in range(1, LONGEST + 1)]
    return [*([text] for text in alone), *(alone[:size] for size in BATCHES)]


def check_compiler() -> None:
    """Check that PyTorch finds a C++ compiler.

    Raises:
        EngineError: if it doesn't. The message says what to install.
    """
    name = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(name) is None:
        raise EngineError(f"torch.compile needs a C++ compiler and there is no {name}: install it, or name one in CXX")
