"""Kubernetes: Deployment, Service, disruption budget and autoscaler for an artifact."""

from typing import Any

from packlight.serve.deploy.plan import PORT, USER, Deployment
from packlight.telemetry import SWITCHES

Document = dict[str, Any]
BUSY_PERCENT = 60
"""CPU use at which another replica is started. Beyond that, waiting grows steeply."""
MOST_REPLICAS = 10


def documents(deployment: Deployment) -> list[Document]:
    """All documents, in the order to apply them."""
    return [_deployment(deployment), _service(deployment), _budget(deployment), _autoscaler(deployment)]


def container(deployment: Deployment, name: str) -> Document:
    """The restricted container with its probes."""
    resources = {"cpu": str(deployment.processors), "memory": f"{deployment.memory_mb}Mi"}
    return {
        "name": name,
        "image": deployment.image,
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "env": [
            {
                "name": "PACKLIGHT_API_KEY",
                "valueFrom": {
                    "secretKeyRef": {"name": f"{deployment.name}-key", "key": "api-key", "optional": True},
                },
            },
            *({"name": switch, "value": value} for switch, value in SWITCHES.items()),
        ],
        # equal requests and limits reserve a whole processor for each thread
        "resources": {"requests": resources, "limits": resources},
        "startupProbe": _probe("live", period=1, failures=60),
        "livenessProbe": _probe("live", period=10, failures=3),
        "readinessProbe": _probe("ready", period=2, failures=1),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - inside the container
    }


def pod(deployment: Deployment) -> Document:
    """The pod, without its container."""
    user = {"runAsUser": USER, "runAsGroup": USER} if deployment.fixed_user else {}
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": deployment.stop_seconds,
        "securityContext": {"runAsNonRoot": True, **user, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": f"{deployment.scratch_mb}Mi"}}],
    }


def _deployment(deployment: Deployment) -> Document:
    labels = {"app.kubernetes.io/name": deployment.name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": deployment.name, "labels": labels},
        "spec": {
            "replicas": deployment.replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {
                        "prometheus.io/scrape": "true",
                        "prometheus.io/port": str(PORT),
                        "prometheus.io/path": "/metrics",
                    },
                },
                "spec": pod(deployment) | {"containers": [container(deployment, "packlight")]},
            },
        },
    }


def _service(deployment: Deployment) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": deployment.name},
        "spec": {
            "selector": {"app.kubernetes.io/name": deployment.name},
            "ports": [{"name": "http", "port": 80, "targetPort": PORT, "protocol": "TCP"}],
        },
    }


def _budget(deployment: Deployment) -> Document:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": deployment.name},
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {"app.kubernetes.io/name": deployment.name}},
        },
    }


def _autoscaler(deployment: Deployment) -> Document:
    target = {"type": "Utilization", "averageUtilization": BUSY_PERCENT}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": deployment.name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment.name},
            "minReplicas": deployment.replicas,
            "maxReplicas": max(MOST_REPLICAS, deployment.replicas),
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }


def _probe(what: str, *, period: int, failures: int) -> Document:
    return {
        "httpGet": {"path": f"/v2/health/{what}", "port": PORT},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }
