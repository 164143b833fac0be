"""Deploy: the files to run an artifact as a service: image, compose, Kubernetes, KServe.

plan         the deployment: name, workers, memory, image
image        the Dockerfile
wheel        packlight as a wheel, for the image
compose      the compose file
kubernetes   Deployment, Service, disruption budget, autoscaler
kserve       an InferenceService
record       what was written last, so that nothing else is replaced
write        writes everything to a folder, with the artifact
"""

from packlight.serve.deploy.plan import Deployment, deployment_of
from packlight.serve.deploy.write import write_deployment

__all__ = ["Deployment", "deployment_of", "write_deployment"]
