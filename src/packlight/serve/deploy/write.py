"""Write all files of a deployment to a folder, with the artifact."""

from pathlib import Path
from typing import Any

import yaml

from packlight.errors import PacklightError
from packlight.files import atomic_folder, atomic_write, sha256_of
from packlight.origin import WHEEL
from packlight.runtime.artifact import CARD, MANIFEST, Artifact, manifest_content
from packlight.serve.deploy.compose import compose
from packlight.serve.deploy.image import IGNORED, dockerfile
from packlight.serve.deploy.kserve import inference_service
from packlight.serve.deploy.kubernetes import documents
from packlight.serve.deploy.plan import PORT, Deployment
from packlight.serve.deploy.record import check_unchanged, hash_of, write_record
from packlight.serve.deploy.wheel import packed_wheel

VERSION = "1"
FILES = (WHEEL, "Dockerfile", ".dockerignore", "compose.yaml", "kubernetes.yaml", "kserve.yaml", "README.md")


def write_deployment(artifact: Artifact, deployment: Deployment, out: Path) -> tuple[Path, ...]:
    """Write every file, and copy the artifact to `models/NAME/1`.

    Args:
        artifact: a verified artifact. Only files in its manifest are copied, with the manifest and the card.
        deployment: from `deployment_of`.
        out: a folder, created if necessary. Other files in it are kept.

    Returns:
        The files that were written.

    Raises:
        PacklightError: if the folder is the artifact's own, or inside it, if it holds another model, or if a file to
            replace is not as packlight wrote it. Nothing has been written then.
    """
    if out.resolve().is_relative_to(artifact.path.resolve()):
        raise PacklightError(f"{out}: is inside the artifact; give another --out")
    others = {path.name for path in out.glob("models/*")} - {deployment.name}
    if others:
        raise PacklightError(
            f"{out}: models/ also holds {', '.join(sorted(others))}, which the container would serve too; "
            "remove it, or give another --out"
        )
    contents: dict[str, str | bytes] = {
        WHEEL: packed_wheel(),
        "Dockerfile": dockerfile(deployment),
        ".dockerignore": IGNORED,
        "compose.yaml": _yaml([compose(deployment)]),
        "kubernetes.yaml": _yaml(documents(deployment)),
        "kserve.yaml": _yaml([inference_service(deployment)]),
        "README.md": readme(deployment),
    }
    model = f"models/{deployment.name}/{VERSION}"
    hashes = {name: hash_of(content) for name, content in contents.items()}
    hashes |= {f"{model}/{name}": digest for name, digest in _hashes(artifact).items()}
    check_unchanged(out, hashes, model)
    for name in FILES:
        atomic_write(out / name, contents[name])
    with atomic_folder(out / model) as draft:
        artifact.copy(draft)
    _let_everybody_read(out / "models", out / "models" / deployment.name)
    Artifact.open(out / model)
    write_record(out, hashes)
    return tuple(out / name for name in FILES)


def _hashes(artifact: Artifact) -> dict[str, str]:
    """The hash of each file that `Artifact.copy` writes. It writes the manifest again, so that can differ from the artifact's."""
    hashes = {name: entry.sha256 for name, entry in artifact.manifest.files.items()}
    hashes[MANIFEST] = hash_of(manifest_content(artifact.manifest))
    if (artifact.path / CARD).is_file():
        hashes[CARD] = sha256_of(artifact.path / CARD)
    return hashes


def _let_everybody_read(models: Path, model: Path) -> None:
    """Set the modes that the image needs, whatever the umask, because its user owns none of these files."""
    for path in (models, model, *model.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def readme(deployment: Deployment) -> str:
    """The commands, in the order to run them."""
    name, image = deployment.name, deployment.image
    return f"""\
# {name}

Made by `packlight deploy`. The image holds packlight, installed from {WHEEL}
beside this file, and the model. It runs as an unprivileged user on a read-only file system; only /tmp can be written.

On this machine:

    docker compose up --build --detach
    curl http://127.0.0.1:{PORT}/v2/health/ready
    curl -d '{{"text": "hello"}}' http://127.0.0.1:{PORT}/predict

In Kubernetes (push the image to a registry of yours first, and put its name into the file):

    docker build --tag {image} .
    kubectl create secret generic {name}-key --from-literal=api-key=...   # optional: without it the server is open
    kubectl apply --filename kubernetes.yaml
    kubectl rollout status deployment/{name}

With KServe, instead of kubernetes.yaml:

    kubectl apply --filename kserve.yaml
    kubectl wait --for=condition=Ready inferenceservice/{name}

Each container has {deployment.workers} worker process(es), {deployment.processors} processor(s) and {deployment.memory_mb} MiB. After SIGTERM readiness fails for
{deployment.grace_seconds} s while requests are still answered; running requests then have {deployment.drain_seconds} s to finish.
"""


def _yaml(documents: list[dict[str, Any]]) -> str:
    # without aliases: some readers of manifests do not know them
    dumper = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": lambda self, data: True})  # noqa: ARG005 - its signature
    return yaml.dump_all(documents, Dumper=dumper, sort_keys=False)
