"""The pipeline from a model and labelled texts to measured artifacts.

`run` is loaded when it is first used, because measuring ONNX artifacts doesn't need PyTorch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packlight.pipeline.runner import RunOutcome, run

__all__ = ["RunOutcome", "run"]


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in __all__:
        raise AttributeError(f"module 'packlight.pipeline' has no attribute {name!r}")
    from packlight.pipeline import runner  # imports torch

    return getattr(runner, name)
