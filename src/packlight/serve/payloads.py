"""The small documents: health, metadata, the list of models."""

from typing import Any

from packlight import __version__
from packlight.serve.repository import Repository, Served
from packlight.serve.requests import INPUT, LABEL, OUT_OF_SCOPE, SCORES

EXTENSIONS = ["binary_tensor_data", "classification"]


def server() -> dict[str, Any]:
    """`GET /v2`."""
    return {"name": "packlight", "version": __version__, "extensions": EXTENSIONS}


def metadata(served: Served, versions: list[str]) -> dict[str, Any]:
    """`GET /v2/models/{m}`."""
    return {
        "name": served.model.name.model,
        "versions": versions,
        "platform": f"packlight_{served.model.artifact.manifest.engine}",
        "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": LABEL, "datatype": "BYTES", "shape": [-1]},
            {"name": SCORES, "datatype": "FP32", "shape": [-1, len(served.model.labels)]},
            {"name": OUT_OF_SCOPE, "datatype": "BOOL", "shape": [-1]},
        ],
    }


def models(repository: Repository) -> dict[str, Any]:
    """`GET /models`: what the page shows of each model."""
    return {
        "models": [
            {
                "name": served.model.name.model,
                "version": served.model.name.version,
                "versions": repository.versions(served.model.name.model),
                "labels": served.model.labels,
                "oos_label": served.model.artifact.manifest.oos_label,
                "figures": (served.model.artifact.manifest.measurement or {}).get("figures"),
            }
            for served in repository
        ]
    }
