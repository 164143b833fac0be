"""The Dockerfile: slim, not root, nothing written outside /tmp, health by the standard library."""

from packlight.origin import WHEEL
from packlight.serve.deploy.plan import PORT, USER, Deployment
from packlight.telemetry import SWITCHES

PYTHON = "3.12-slim"
IGNORED = f"*\n!{WHEEL}\n!models\n!models/**\n"
"""what .dockerignore says: only packlight's wheel and the models go to the builder"""


def dockerfile(deployment: Deployment) -> str:
    """An image with packlight and the model in it."""
    ask = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/v2/health/live', timeout=2)"
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
    PACKLIGHT_CACHE=/tmp/packlight{switches}
USER {USER}:{USER}
EXPOSE {PORT}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", "{ask}"]
ENTRYPOINT [{entry}]
"""
