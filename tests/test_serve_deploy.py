import dataclasses
import json
import os
import shutil
import subprocess
import sys

import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from packlight.cli.app import app
from packlight.errors import PacklightError
from packlight.origin import WHEEL
from packlight.runtime.artifact import MANIFEST, Artifact
from packlight.serve.deploy import compose, deployment_of, kubernetes, write_deployment
from packlight.serve.deploy.plan import PORT, USER
from packlight.serve.loadtest.target import served
from packlight.serve.repository import find
from packlight.telemetry import SWITCHES

pytest_plugins = ["tiny_run"]
SCHEMA = "1.30"


@pytest.fixture(scope="module")
def artifact(tiny_run):
    return Artifact.open(tiny_run / "variants" / "student-onnx-static")


@pytest.fixture(scope="module")
def folder(artifact, tmp_path_factory):
    out = tmp_path_factory.mktemp("deploy")
    write_deployment(artifact, deployment_of(artifact, name="intent", workers=2, replicas=3), out)
    return out


def documents(folder, name):
    return list(yaml.safe_load_all((folder / name).read_text()))


def test_every_kubernetes_document_keeps_its_schema(folder):
    validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")
    found = documents(folder, "kubernetes.yaml")
    assert [each["kind"] for each in found] == [
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
    ]
    for document in found:
        validate.validate(document, SCHEMA, strict=True)


def test_kserves_predictor_is_a_pod_of_the_schema(folder):
    validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")
    (service,) = documents(folder, "kserve.yaml")
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    spec = dict(service["spec"]["predictor"])
    assert (spec.pop("minReplicas"), spec.pop("maxReplicas")) == (3, 10)
    assert spec["containers"][0]["name"] == "kserve-container"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "intent"}, "spec": spec}
    validate.validate(pod, SCHEMA, strict=True)


def test_an_image_has_what_the_models_engine_needs(tiny_run, tmp_path):
    wanted = {"student-onnx-static": f"{WHEEL}[serve]", "teacher": f"{WHEEL}[serve,compress]"}
    for name, package in wanted.items():
        artifact = Artifact.open(tiny_run / "variants" / name)
        write_deployment(artifact, deployment_of(artifact), tmp_path / name)
        assert f'pip install --no-cache-dir "./{package}"' in (tmp_path / name / "Dockerfile").read_text()


def test_the_temporary_folder_holds_every_workers_graph(artifact):
    large = msgspec.structs.replace(
        artifact.manifest,
        files={
            name: msgspec.structs.replace(each, size=400_000_000)
            for name, each in artifact.manifest.files.items()
            if name.endswith(".onnx")
        },
    )
    planned = deployment_of(dataclasses.replace(artifact, manifest=large), workers=2)
    assert planned.scratch_mb > 3 * 400
    assert kubernetes.pod(planned)["volumes"][0]["emptyDir"]["sizeLimit"] == f"{planned.scratch_mb}Mi"
    assert compose.compose(planned)["services"][planned.name]["tmpfs"] == [f"/tmp:size={planned.scratch_mb}m,mode=1777"]


def test_the_artifact_stays_whole_and_only_it_is_copied(artifact, tmp_path):
    own = tmp_path / "own"
    artifact.copy(own)
    (own / ".cache").mkdir()
    (own / ".cache" / "token").write_text("secret")
    opened = Artifact.open(own)
    for inside in (own, own / "deploy"):
        with pytest.raises(PacklightError, match="is inside the artifact"):
            write_deployment(opened, deployment_of(opened), inside)
    Artifact.open(own)
    write_deployment(opened, deployment_of(opened, name="intent"), tmp_path / "deploy")
    assert not list(tmp_path.joinpath("deploy").rglob("token"))


def test_containers_are_locked_up(folder):
    spec = documents(folder, "kubernetes.yaml")[0]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"] == container["resources"]["requests"]
    assert container["resources"]["limits"]["cpu"] == "2"
    assert container["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": PORT}
    assert container["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"
    (service,) = documents(folder, "compose.yaml")[0]["services"].values()
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert service["tmpfs"][0].startswith("/tmp")


def test_everything_that_is_written_switches_usage_reports_off(folder):
    image = (folder / "Dockerfile").read_text()
    compose = documents(folder, "compose.yaml")[0]["services"]["intent"]["environment"]
    pods = [documents(folder, "kubernetes.yaml")[0]["spec"]["template"]["spec"]]
    pods.append(documents(folder, "kserve.yaml")[0]["spec"]["predictor"])
    for name, value in SWITCHES.items():
        assert f"    {name}={value}" in image
        assert compose[name] == value
        for pod in pods:
            assert {"name": name, "value": value} in pod["containers"][0]["env"]
    assert not any("RAY" in file.read_text() for file in folder.iterdir() if file.is_file() and file.suffix != ".whl")


def test_there_is_time_to_drain(folder):
    spec = documents(folder, "kubernetes.yaml")[0]["spec"]["template"]["spec"]
    lines = (folder / "Dockerfile").read_text().splitlines()
    entry = json.loads(next(line for line in lines if line.startswith("ENTRYPOINT")).removeprefix("ENTRYPOINT "))
    waits = {entry[index - 1]: int(word) for index, word in enumerate(entry) if word.isdigit()}
    assert spec["terminationGracePeriodSeconds"] > waits["--grace"] + waits["--drain"]
    assert waits["--workers"] == 2


def test_workers_of_several_threads_get_as_many_processors(artifact, tmp_path):
    write_deployment(artifact, deployment_of(artifact, workers=2, threads=3), tmp_path / "d")
    limits = documents(tmp_path / "d", "kubernetes.yaml")[0]["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert limits["requests"]["cpu"] == limits["limits"]["cpu"] == "6"
    (service,) = documents(tmp_path / "d", "compose.yaml")[0]["services"].values()
    assert service["cpus"] == 6
    assert '"--workers", "2", "--threads", "3"' in (tmp_path / "d" / "Dockerfile").read_text()
    assert "2 worker process(es), 6 processor(s)" in (tmp_path / "d" / "README.md").read_text()


def test_the_image_starts_the_command_as_it_is(folder):
    text = (folder / "Dockerfile").read_text()
    lines = text.splitlines()
    assert f"USER {USER}:{USER}" in lines
    assert f"COPY {WHEEL} ./" in lines
    entry = json.loads(next(line for line in lines if line.startswith("ENTRYPOINT")).removeprefix("ENTRYPOINT "))
    said = CliRunner().invoke(app, [*entry[1:], "--help"])
    assert said.exit_code == 0, said.output
    health = next(line for line in lines if line.startswith("HEALTHCHECK"))
    compile(json.loads(health.partition("CMD ")[2])[2], "health", "exec")


def test_the_models_folder_is_one_that_the_server_takes(folder, artifact):
    ((name, place),) = find(folder / "models").items()
    assert name == ("intent", "1")
    assert Artifact.open(place.path).manifest == artifact.manifest


def test_a_folder_with_another_model_is_refused(artifact, tmp_path):
    for _ in range(2):
        write_deployment(artifact, deployment_of(artifact, name="intent"), tmp_path)
    with pytest.raises(PacklightError, match=r"models/ also holds intent, which the container would serve too"):
        write_deployment(artifact, deployment_of(artifact, name="topic"), tmp_path)
    assert "intent" in (tmp_path / "compose.yaml").read_text()


def test_what_was_written_is_updated(artifact, tmp_path):
    for replicas in (2, 3):
        write_deployment(artifact, deployment_of(artifact, name="intent", replicas=replicas), tmp_path)
    assert documents(tmp_path, "kubernetes.yaml")[0]["spec"]["replicas"] == 3


def test_a_manifest_of_another_layout_is_no_change_of_the_user(artifact, tmp_path):
    shutil.copytree(artifact.path, tmp_path / "artifact")
    manifest = tmp_path / "artifact" / MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text())))
    other = Artifact.open(tmp_path / "artifact")
    for replicas in (2, 3):
        write_deployment(other, deployment_of(other, name="intent", replicas=replicas), tmp_path / "out")
    assert documents(tmp_path / "out", "kubernetes.yaml")[0]["spec"]["replicas"] == 3


@pytest.mark.parametrize(
    "name", ["compose.yaml", "Dockerfile", "models/intent/1/README.md", "models/intent/1/notes.txt"]
)
def test_a_file_that_the_user_wrote_is_not_replaced(artifact, tmp_path, name):
    write_deployment(artifact, deployment_of(artifact, name="intent"), tmp_path)
    (tmp_path / name).write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(PacklightError, match=f"{name} would be replaced, .* move it away, or give another --out"):
        write_deployment(artifact, deployment_of(artifact, name="intent", replicas=3), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    (tmp_path / name).unlink()
    write_deployment(artifact, deployment_of(artifact, name="intent", replicas=3), tmp_path)


def test_files_of_another_origin_are_not_replaced(artifact, tmp_path):
    (tmp_path / "README.md").write_text("# my project")
    with pytest.raises(PacklightError, match=r"README\.md would be replaced, but packlight did not write it"):
        write_deployment(artifact, deployment_of(artifact, name="intent"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_the_verb(artifact, tmp_path):
    said = CliRunner().invoke(app, ["deploy", str(artifact.path), "--out", str(tmp_path / "d"), "--json"])
    assert said.exit_code == 0, said.output
    planned = json.loads(said.stdout)["deployment"]
    assert planned["name"] == "student-onnx-static"
    assert planned["memory_mb"] % 64 == 0
    assert (tmp_path / "d" / "README.md").is_file()


def test_names_that_dns_does_not_take_are_refused(artifact):
    for name in ("Intent", "1st", "a_b", "-a", "a-", "x" * 60):
        with pytest.raises(PacklightError, match="is not a valid service name"):
            deployment_of(artifact, name=name)


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"workers": 10_000}, {"threads": 0}, {"replicas": -1}, {"memory_mb": 0}]
)
def test_numbers_have_bounds(artifact, wrong):
    with pytest.raises(PacklightError, match="give a whole number from 1 to"):
        deployment_of(artifact, **wrong)


def test_modes_do_not_follow_the_umask(artifact, tmp_path):
    before = os.umask(0o077)
    try:
        write_deployment(artifact, deployment_of(artifact, name="intent"), tmp_path / "d")
    finally:
        os.umask(before)
    models = tmp_path / "d" / "models"
    for path in (models, *models.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_pods_may_leave_the_user_to_the_cluster(artifact, tmp_path):
    write_deployment(artifact, deployment_of(artifact, name="intent", fixed_user=False), tmp_path)
    for pod in (
        documents(tmp_path, "kubernetes.yaml")[0]["spec"]["template"]["spec"],
        documents(tmp_path, "kserve.yaml")[0]["spec"]["predictor"],
    ):
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert f"USER {USER}:{USER}" in (tmp_path / "Dockerfile").read_text().splitlines(), (
        "a number, as runAsNonRoot needs"
    )


def test_the_health_check_asks_the_server_itself(folder, artifact):
    line = next(line for line in (folder / "Dockerfile").read_text().splitlines() if line.startswith("HEALTHCHECK"))
    command = json.loads(line.partition("CMD ")[2])
    with served(artifact.path, workers=1) as server:
        port = server.url.rpartition(":")[2]
        code = command[2].replace(str(PORT), port)
        proxied = os.environ | {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
        assert subprocess.run([sys.executable, "-c", code], env=proxied, check=False, timeout=30).returncode == 0
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=30).returncode != 0


def test_containers_listen_on_every_address(folder):
    assert '"--host", "::"' in (folder / "Dockerfile").read_text()
