"""The compiled torch engine: the float32 model through `torch.compile`, with lengths and batch sizes left open.

The compiler writes C++ and hands it to the machine's own compiler, so that opening takes tens of seconds the first time;
what it made is kept in torch's cache, which the command line puts into packlight's. It makes one program for single
texts and one for batches of any size.
"""

import os
import shutil
import sys

from packlight.errors import EngineError
from packlight.runtime.artifact import SAFETENSORS, Artifact
from packlight.runtime.engine import EngineInfo
from packlight.runtime.engines.torch import TRANSFORMERS, TorchEngine

LONGEST = 40
"""words of the longest text that it is tried on"""
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
        golden_engine="torch",  # compiling takes minutes on each machine, and must not change the answers
        hub_tags=("torch-compiled",),
        loading_code=TRANSFORMERS,
    )

    def __init__(self, artifact: Artifact, *, threads: int | None = None) -> None:
        """Open a verified artifact and compile it.

        Raises:
            EngineError: when there is no C++ compiler, or compiling fails.
        """
        check_compiler()
        super().__init__(artifact, threads=threads)
        self._model = self._torch.compile(self._model, dynamic=True)
        try:
            for texts in _shapes():
                self.predict(texts)
        except RuntimeError as error:  # the root of everything that the compiler raises
            reason = str(error).strip().partition("\n")[0]
            raise EngineError(f"{artifact.name}: torch.compile fails on this machine: {reason}") from error


def _shapes() -> list[list[str]]:
    """Texts of many lengths, alone and in padded batches: shapes that need their own compilation are compiled here."""
    alone = ["word " * words for words in range(1, LONGEST + 1)]
    return [*([text] for text in alone), *(alone[:size] for size in BATCHES)]


def check_compiler() -> None:
    """Check that torch finds a C++ compiler.

    Raises:
        EngineError: when it does not; says what to install.
    """
    name = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(name) is None:
        raise EngineError(f"torch.compile needs a C++ compiler and there is no {name}: install it, or name one in CXX")
