"""Options of `compile`."""

from packlight.runtime.engines.torch_compiled import check_compiler
from packlight.steps.step import Step


class Compile(Step, frozen=True, kw_only=True, tag="compile"):
    """Keep the model as it is, but run it with `torch.compile`.

    Each machine compiles the model when it opens it, which takes tens of seconds the first time and needs a C++ compiler.
    """

    needs = ("torch",)
    makes = "torch-compiled"
    modules = ("torch", "transformers")
    keeps_model = True
    artifact_name = "compiled"
    example = "artifacts/student --data intents.csv --out artifacts/student-compiled"

    def check_machine(self) -> None:
        """Check the libraries, and that there is a C++ compiler.

        Raises:
            EngineError: if there is no compiler.
            MissingExtraError: if PyTorch is not installed.
        """
        super().check_machine()
        check_compiler()
