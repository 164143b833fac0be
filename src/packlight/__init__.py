"""packlight: make transformer text classifiers small, fast and cheap enough to ship.

The names below are loaded when they are first used, so that `import packlight` loads neither torch nor transformers
nor onnxruntime.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from packlight.errors import PacklightError
from packlight.spinning import limit_spinning
from packlight.telemetry import switch_off

if TYPE_CHECKING:
    from packlight.analysis.capacity.plan import plan
    from packlight.api.compress import compress
    from packlight.api.distillation import DistillationConfig, DistillationTrainer
    from packlight.api.performance import PerformanceBenchmark
    from packlight.data import Dataset, dataset_from_rows, load_dataset
    from packlight.measure.results import Measurements, read_measurements
    from packlight.pipeline import run
    from packlight.recipes.recipe import Recipe, load_recipe
    from packlight.report import write_report
    from packlight.runtime.artifact import Artifact
    from packlight.runtime.predictor import Prediction, Predictor
    from packlight.scoring import score

__version__ = "0.1.0"

switch_off()
limit_spinning()

_HOME = {
    "Artifact": "packlight.runtime.artifact",
    "Dataset": "packlight.data",
    "DistillationConfig": "packlight.api.distillation",
    "DistillationTrainer": "packlight.api.distillation",
    "Measurements": "packlight.measure.results",
    "PerformanceBenchmark": "packlight.api.performance",
    "Prediction": "packlight.runtime.predictor",
    "Predictor": "packlight.runtime.predictor",
    "Recipe": "packlight.recipes",
    "dataset_from_rows": "packlight.data",
    "compress": "packlight.api.compress",
    "load_dataset": "packlight.data",
    "load_recipe": "packlight.recipes",
    "plan": "packlight.analysis.capacity",
    "read_measurements": "packlight.measure.results",
    "run": "packlight.pipeline",
    "score": "packlight.scoring",
    "write_report": "packlight.report",
}
_NEEDS_TORCH = (
    "packlight.api.compress",
    "packlight.api.performance",
    "packlight.api.distillation",
    "packlight.pipeline",
)

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
    "compress",
    "dataset_from_rows",
    "load_dataset",
    "load_recipe",
    "plan",
    "read_measurements",
    "run",
    "score",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use.

    Raises:
        MissingExtraError: if it needs torch and torch is not installed.
    """
    if name not in _HOME:
        value = None if name.startswith("_") or find_spec(f"packlight.{name}") else _step_function(name)
        if value is None:
            raise AttributeError(f"module 'packlight' has no attribute {name!r}")
        globals()[name] = value
        return value
    if _HOME[name] in _NEEDS_TORCH:
        from packlight.extras import require  # only where it is needed

        require("torch", "transformers", purpose=f"packlight.{name}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """All public names, loaded or not."""
    from packlight.steps import step_types  # only where it is needed

    return sorted({*globals(), *__all__, *(word.replace("-", "_") for word in step_types())})


def _step_function(name: str) -> Any:
    """The function of a step, such as `prune`; None if there is no such step."""
    from packlight.steps import step_types  # only where it is needed

    if name.replace("_", "-") not in step_types():
        return None
    from packlight.api.steps import step_function  # beside the other

    return step_function(name)
