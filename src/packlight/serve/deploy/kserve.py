"""A KServe InferenceService: the same container as a custom predictor for version 2 of the protocol."""

from typing import Any

from packlight.serve.deploy.kubernetes import MOST_REPLICAS, container, pod
from packlight.serve.deploy.plan import Deployment


def inference_service(deployment: Deployment) -> dict[str, Any]:
    """The InferenceService."""
    # KServe identifies the predictor's container by this name
    predictor = pod(deployment) | {"containers": [container(deployment, "kserve-container")]}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": deployment.name,
            "annotations": {"serving.kserve.io/deploymentMode": "RawDeployment"},
        },
        "spec": {
            "predictor": predictor
            | {"minReplicas": deployment.replicas, "maxReplicas": max(MOST_REPLICAS, deployment.replicas)}
        },
    }
