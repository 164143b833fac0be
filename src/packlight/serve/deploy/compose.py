"""The compose file."""

from typing import Any

from packlight.serve.deploy.plan import PORT, Deployment
from packlight.telemetry import SWITCHES


def compose(deployment: Deployment) -> dict[str, Any]:
    """One container on the loopback interface, with the same restrictions as in a cluster."""
    return {
        "services": {
            deployment.name: {
                "build": ".",
                "image": deployment.image,
                "ports": [f"127.0.0.1:{PORT}:{PORT}"],
                "environment": {"PACKLIGHT_API_KEY": "${PACKLIGHT_API_KEY:-}", **SWITCHES},
                "read_only": True,
                "tmpfs": [f"/tmp:size={deployment.scratch_mb}m,mode=1777"],  # noqa: S108 - inside the container
                "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges:true"],
                "cpus": float(deployment.processors),
                "mem_limit": f"{deployment.memory_mb}m",
                "stop_grace_period": f"{deployment.stop_seconds}s",
                "restart": "unless-stopped",
            }
        }
    }
