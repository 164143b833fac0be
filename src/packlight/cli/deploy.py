"""`packlight deploy`: write files that run an artifact's server in containers."""

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
        Path, typer.Argument(help="Folder of an artifact, such as runs/latest/variants/student-onnx-static.")
    ],
    out: options.Out,
    name: Annotated[
        str | None, typer.Option(help="Name of the model and of its service. Defaults to the artifact's name.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="Name and tag of the image.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes per container.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads per process, with a processor each.")] = 1,
    replicas: Annotated[int, typer.Option(min=1, help="Number of replicas.")] = 2,
    memory: Annotated[
        int | None,
        typer.Option(min=64, help="Memory limit of a container in MiB. Estimated from the weights by default."),
    ] = None,
    fixed_user: Annotated[
        bool, typer.Option(help="Set user and group ids in the manifests. OpenShift needs --no-fixed-user.")
    ] = True,
    as_json: options.AsJson = False,
) -> None:
    """Write a Dockerfile, a compose file, Kubernetes manifests and a KServe InferenceService for an artifact.

    Example: `packlight deploy runs/latest/variants/student-onnx-static --out deploy/intent --name intent`
    """
    opened = Artifact.open(artifact)
    planned = deployment_of(
        opened,
        name=name,
        image=image,
        workers=workers,
        threads=threads,
        replicas=replicas,
        memory_mb=memory,
        fixed_user=fixed_user,
    )
    files = write_deployment(opened, planned, out)
    if as_json:
        show_json({"deployment": planned, "files": [str(file) for file in files]})
    else:
        info(f"wrote {', '.join(file.name for file in files)} and models/ to {out}; its README.md has the commands")
