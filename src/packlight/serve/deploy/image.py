"""The Dockerfile: slim, not as root, no writes outside /tmp, with a health check from the standard library."""

import json

from packlight.origin import WHEEL
from packlight.serve.deploy.plan import PORT, USER, Deployment
from packlight.telemetry import SWITCHES

PYTHON = "3.12-slim"
IGNORED = f"*\n!{WHEEL}\n!models\n!models/**\n"
""".dockerignore: only packlight's wheel and the models go to the builder"""

HEALTH = f"""\
import http.client, sys
for host in ('127.0.0.1', '::1'):
    try:
        connection = http.client.HTTPConnection(host, {PORT}, timeout=1)
        connection.request('GET', '/v2/health/live')
        sys.exit(connection.getresponse().status != 200)
    except OSError:
        pass
sys.exit(1)
"""
"""the health check: a direct request to the server, over IPv4 or IPv6, that ignores proxies"""


def dockerfile(deployment: Deployment) -> str:
    """An image with packlight and the model."""
    check = json.dumps(["python", "-c", HEALTH])
    entry = ", ".join(f'"{word}"' for word in ("packlight", "serve", "/models", *deployment.arguments))
    switches = "".join(f" \\\n    {name}={value}" for name, value in SWITCHES.items())
    return f"""\
# syntax=docker/dockerfile:1
FROM python:{PYTHON} AS build
COPY {WHEEL} ./
RUN python -m venv /opt/packlight \\
 && /opt/packlight/bin/pip install --no-cache-dir "./{deployment.package}"

FROM python:{PYTHON}
COPY --from=build /opt/packlight /opt/packlight
COPY --chown=root:root models /models
ENV PATH=/opt/packlight/bin:$PATH \\
    PYTHONDONTWRITEBYTECODE=1 \\
    PYTHONUNBUFFERED=1 \\
    HOME=/tmp \\
    PACKLIGHT_CACHE=/tmp/packlight{switches}
USER {USER}:{USER}
EXPOSE {PORT}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD {check}
ENTRYPOINT [{entry}]
"""
