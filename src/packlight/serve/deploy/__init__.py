"""Deploy: files that put an artifact behind a port: image, compose, Kubernetes, KServe.

plan         what is deployed: name, workers, memory, image
image        the Dockerfile
wheel        packlight itself, as a file that the image installs
compose      the compose file
kubernetes   Deployment, Service, disruption budget, autoscaler
kserve       an InferenceService
write        all of it into a folder, with the artifact beside it
"""

from packlight.serve.deploy.plan import Deployment, deployment_of
from packlight.serve.deploy.write import write_deployment

__all__ = ["Deployment", "deployment_of", "write_deployment"]
