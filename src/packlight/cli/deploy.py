"""`packlight deploy`: files that put an artifact behind a port."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.cli import options
from packlight.cli.show import show_json
from packlight.progress import info
from packlight.runtime.artifact import Artifact
from packlight.serve.deploy import deployment_of, write_deployment


def deploy(
    artifact: Annotated[
        Path, typer.Argument(help="An artifact's folder, such as runs/latest/variants/student-onnx-static.")
    ],
    out: options.Out,
    name: Annotated[
        str | None, typer.Option(help="Of the model and its service; the artifact's own by default.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="The image's name and tag.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes and processors of each container.")] = 1,
    replicas: Annotated[int, typer.Option(min=1, help="Containers.")] = 2,
    memory: Annotated[
        int | None, typer.Option(min=64, help="MiB of each container; from the weights by default.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Write a Dockerfile, a compose file, Kubernetes manifests and a KServe InferenceService for an artifact.

    Example: `packlight deploy runs/latest/variants/student-onnx-static --out deploy/intent --name intent`
    """
    opened = Artifact.open(artifact)
    planned = deployment_of(opened, name=name, image=image, workers=workers, replicas=replicas, memory_mb=memory)
    files = write_deployment(opened, planned, out)
    if as_json:
        show_json({"deployment": planned, "files": [str(file) for file in files]})
    else:
        info(f"wrote {', '.join(file.name for file in files)} and models/ into {out}; README.md there has the commands")
