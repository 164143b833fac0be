"""The InferenceService against what KServe understands.

Always by a schema of the fields that KServe adds to a pod; with KServe's own classes where `make test-kserve` made an
environment for them.
"""

import copy
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from packlight.serve.deploy.kserve import inference_service

pytest_plugins = ["deployed"]
PYTHON = os.environ.get("PACKLIGHT_KSERVE_PYTHON")
POD = "automountServiceAccountToken", "terminationGracePeriodSeconds", "securityContext", "volumes"
COUNT = {"type": "integer", "minimum": 0}
PREDICTOR = {
    "type": "object",
    "additionalProperties": False,
    "required": ["containers"],
    "properties": {
        # fields of a pod, which kubernetes-validate judges in test_serve_deploy.py
        **dict.fromkeys(POD, True),
        "containers": {
            "type": "array",
            "minItems": 1,
            "contains": {"type": "object", "properties": {"name": {"const": "kserve-container"}}, "required": ["name"]},
        },
        # fields of KServe's ComponentExtensionSpec
        "minReplicas": COUNT,
        "maxReplicas": COUNT,
        "scaleTarget": COUNT,
        "scaleMetric": {"enum": ["cpu", "memory", "concurrency", "rps"]},
        "containerConcurrency": COUNT,
        "timeout": COUNT,
        "canaryTrafficPercent": {"type": "integer", "minimum": 0, "maximum": 100},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "serving.kserve.io/v1beta1"},
        "kind": {"const": "InferenceService"},
        "metadata": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"},
                "annotations": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "serving.kserve.io/deploymentMode": {"enum": ["RawDeployment", "Standard"]},
                    },
                },
            },
        },
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["predictor"],
            "properties": {"predictor": PREDICTOR},
        },
    },
}


@pytest.fixture
def service(deployment):
    return inference_service(deployment)


def put(document, path, value):
    """The document with one field put, or taken away where the value is None."""
    changed = copy.deepcopy(document)
    place = changed
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


PREDICTOR_AT = ("spec", "predictor")
CONTAINER_AT = (*PREDICTOR_AT, "containers", 0)
WRONG_SERVICE = [
    (("spec", "predicter"), {}),
    ((*PREDICTOR_AT, "minReplica"), 2),
    ((*PREDICTOR_AT, "maxReplicas"), "10"),
    (("replicas",), 2),
]
WRONG_POD = [
    ((*CONTAINER_AT, "port"), 8080),
    ((*CONTAINER_AT, "name"), None),
    ((*CONTAINER_AT, "readinessProbe", "periodSecs"), 2),
    ((*CONTAINER_AT, "readinessProbe", "periodSeconds"), "2"),
    ((*PREDICTOR_AT, "containers"), {"name": "kserve-container"}),
    ((*PREDICTOR_AT, "securityContext", "runAsNonroot"), True),
    ((*PREDICTOR_AT, "volumes", 0, "emptyDir", "size"), "1Gi"),
]


def errors_of(document):
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    return [error.message for error in jsonschema.Draft202012Validator(SERVICE).iter_errors(document)]


def test_the_service_has_kserves_fields_and_no_others(service):
    assert errors_of(service) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *WRONG_SERVICE,
        ((*CONTAINER_AT, "name"), "packlight"),
        (("apiVersion",), "serving.kserve.io/v1"),
        (("metadata", "annotations", "serving.kserve.io/deploymentMode"), "Raw"),
    ],
)
def test_a_service_with_a_wrong_field_is_found_out(service, path, value):
    assert errors_of(put(service, path, value))


def ask_kserve(document, tmp_path):
    manifest = tmp_path / "kserve.yaml"
    manifest.write_text(yaml.safe_dump(document))
    script = Path(__file__).parent / "kserve" / "check_manifest.py"
    return subprocess.run(
        [PYTHON, str(script), str(manifest)], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.skipif(not PYTHON, reason="needs kserve in an environment of its own: make test-kserve")
def test_kserves_own_classes_take_the_service(service, tmp_path):
    said = ask_kserve(service, tmp_path)
    assert (said.returncode, said.stdout) == (0, "intent\n"), said.stderr


@pytest.mark.skipif(not PYTHON, reason="needs kserve in an environment of its own: make test-kserve")
@pytest.mark.parametrize(("path", "value"), [*WRONG_SERVICE, *WRONG_POD])
def test_kserves_own_classes_refuse_a_wrong_field(service, tmp_path, path, value):
    said = ask_kserve(put(service, path, value), tmp_path)
    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    assert str(path[-1] if isinstance(path[-1], str) else path[-2]) in said.stderr
