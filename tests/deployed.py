"""A deployment that needs no artifact."""

import pytest

from packlight.serve.deploy import Deployment


@pytest.fixture
def deployment():
    return Deployment(
        name="intent",
        image="registry.example/intent:1",
        package="packlight-1.0-py3-none-any.whl[serve]",
        workers=2,
        memory_mb=512,
        scratch_mb=128,
        replicas=2,
        grace_seconds=5,
        drain_seconds=20,
    )
