"""packlight: make transformer text classifiers small, fast and cheap enough to ship.

The names below are loaded when they are first used, so that `import packlight` loads neither torch nor transformers
nor onnxruntime.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from packlight.errors import PacklightError
from packlight.telemetry import switch_off

if TYPE_CHECKING:
    from packlight.artifact import Artifact
    from packlight.benchmark.performance import PerformanceBenchmark
    from packlight.capacity import plan
    from packlight.dataset import Dataset, dataset_from_rows, load_dataset
    from packlight.distillation import DistillationConfig, DistillationTrainer
    from packlight.measurement import Measurements, read_measurements
    from packlight.pipeline import run
    from packlight.predictor import Prediction, Predictor
    from packlight.recipe import Recipe, load_recipe
    from packlight.report import write_report

__version__ = "0.1.0"

switch_off()

_HOME = {
    "Artifact": "packlight.artifact",
    "Dataset": "packlight.dataset",
    "DistillationConfig": "packlight.distillation",
    "DistillationTrainer": "packlight.distillation",
    "Measurements": "packlight.measurement",
    "PerformanceBenchmark": "packlight.benchmark.performance",
    "Prediction": "packlight.predictor",
    "Predictor": "packlight.predictor",
    "Recipe": "packlight.recipe",
    "dataset_from_rows": "packlight.dataset",
    "load_dataset": "packlight.dataset",
    "load_recipe": "packlight.recipe",
    "plan": "packlight.capacity",
    "read_measurements": "packlight.measurement",
    "run": "packlight.pipeline",
    "write_report": "packlight.report",
}
_NEEDS_TORCH = ("packlight.benchmark.performance", "packlight.distillation", "packlight.pipeline")

__all__ = [
    "Artifact",
    "Dataset",
    "DistillationConfig",
    "DistillationTrainer",
    "Measurements",
    "PacklightError",
    "PerformanceBenchmark",
    "Prediction",
    "Predictor",
    "Recipe",
    "__version__",
    "dataset_from_rows",
    "load_dataset",
    "load_recipe",
    "plan",
    "read_measurements",
    "run",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use.

    Raises:
        MissingExtraError: when it needs torch and that is not installed.
    """
    if name not in _HOME:
        raise AttributeError(f"module 'packlight' has no attribute {name!r}")
    if _HOME[name] in _NEEDS_TORCH:
        from packlight.extras import require  # noqa: PLC0415 - only where it is needed

        require("torch", "transformers", purpose=f"packlight.{name}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """What the package offers, loaded or not."""
    return sorted({*globals(), *__all__})
