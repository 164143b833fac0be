"""Small documents: health, metadata, the list of models."""

from packlight import __version__
from packlight.serve.interface import Model, Models, ServedModel, Server, TensorInfo
from packlight.serve.repository import Repository, Served
from packlight.serve.requests import INPUT, LABEL, OUT_OF_SCOPE, SCORES

EXTENSIONS = ["binary_tensor_data", "classification"]


def server() -> Server:
    """`GET /v2`."""
    return Server("packlight", __version__, EXTENSIONS)


def metadata(served: Served, versions: list[str]) -> Model:
    """`GET /v2/models/{m}`."""
    return Model(
        name=served.model.name.model,
        versions=versions,
        platform=f"packlight_{served.model.artifact.manifest.engine}",
        inputs=[TensorInfo(INPUT, "BYTES", [-1])],
        outputs=[
            TensorInfo(LABEL, "BYTES", [-1]),
            TensorInfo(SCORES, "FP32", [-1, len(served.model.labels)]),
            TensorInfo(OUT_OF_SCOPE, "BOOL", [-1]),
        ],
    )


def models(repository: Repository) -> Models:
    """`GET /models`: each model's description for the page."""
    return Models([_served(served, repository.versions(served.model.name.model)) for served in repository])


def _served(served: Served, versions: list[str]) -> ServedModel:
    name, manifest = served.model.name, served.model.artifact.manifest
    return ServedModel(
        name=name.model,
        version=name.version,
        versions=versions,
        labels=served.model.labels,
        oos_label=manifest.oos_label,
        figures=(manifest.measurement or {}).get("figures"),
    )
