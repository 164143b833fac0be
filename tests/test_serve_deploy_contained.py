"""What `packlight deploy` wrote, started as Docker and Kubernetes start it: `make test-deploy`, which needs root on Linux."""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from contained import MODELS, Container
from packlight.runtime.artifact import Artifact
from packlight.serve.deploy import deployment_of, write_deployment
from packlight.serve.deploy.plan import PORT, USER

pytest_plugins = ["tiny_run"]
pytestmark = pytest.mark.root
V4, V6 = f"http://127.0.0.1:{PORT}", f"http://[::1]:{PORT}"
RANDOM_UID = 1000680000
"""as OpenShift chooses them: no passwd entry, group 0"""
TEXT = "wake me at seven"


@pytest.fixture(scope="module", autouse=True)
def _root():
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.fail("these tests need root on Linux: they make namespaces and mounts")


@pytest.fixture(scope="module")
def deployed(tiny_run, tmp_path_factory):
    """A deployment that was written under umask 077."""
    artifact = Artifact.open(tiny_run / "variants" / "student-onnx-static")
    out = tmp_path_factory.mktemp("deploy")
    before = os.umask(0o077)
    try:
        write_deployment(artifact, deployment_of(artifact, name="intent"), out)
    finally:
        os.umask(before)
    return out


def entrypoint(deployed):
    """The image's command and its environment, as the Dockerfile says."""
    text = (deployed / "Dockerfile").read_text()
    words = json.loads(re.search(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[1])
    assert words[:3] == ["packlight", "serve", "/models"]
    variables = dict(re.findall(r"^(?:ENV|   ) ([A-Z_]+)=(\S+)", text, re.MULTILINE))
    del variables["PATH"]
    return [sys.executable, "-m", "packlight", "serve", MODELS, *words[3:]], variables


def health(deployed):
    line = next(line for line in (deployed / "Dockerfile").read_text().splitlines() if line.startswith("HEALTHCHECK"))
    return json.loads(line.partition("CMD ")[2])[2]


def ends_in_order(running, seconds=20):
    began = time.monotonic()
    running.inside.send_signal(signal.SIGTERM)
    running.process.wait(seconds)
    return running.process.returncode, time.monotonic() - began


def handles_term(pid):
    """Whether a process has a handler for SIGTERM, by the kernel's own account."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def loaded(pid):
    """The shared libraries that a process has loaded."""
    return {line.split()[-1] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if ".so" in line}


def test_the_image_as_docker_starts_it(deployed):
    words, environment = entrypoint(deployed)
    container = Container(models=deployed / "models", uid=USER, gid=USER, environment=environment)
    with container.start(*words) as running:
        running.until_ready(V4)
        assert running.inside.uids().effective == USER
        assert running.predict(V4, TEXT) == "alarm"
        proxy = "http://127.0.0.1:9"
        assert running.ask(health(deployed), http_proxy=proxy, HTTP_PROXY=proxy, no_proxy="").returncode == 0
        status, seconds = ends_in_order(running)
        assert status == 0
        assert seconds < 15


def test_the_image_as_openshift_starts_it(deployed):
    """Another user each time, without a passwd entry; and without a home, as nothing promises one."""
    words, environment = entrypoint(deployed)
    for left_out in ((), ("HOME",), ("HOME", "PACKLIGHT_CACHE")):
        kept = {name: value for name, value in environment.items() if name not in left_out}
        container = Container(models=deployed / "models", uid=RANDOM_UID, gid=0, environment=kept)
        with container.start(*words) as running:
            running.until_ready(V4)
            assert running.predict(V4, TEXT) == "alarm"


@pytest.mark.parametrize("after", [0.02, 0.1, 0.2, 0.3, 0.5, 0.8, 1.5])
def test_a_signal_at_any_time_ends_the_first_process(deployed, after):
    words, environment = entrypoint(deployed)
    with Container(models=deployed / "models", environment=environment).start(*words) as running:
        first = running.inside
        until = time.monotonic() + 60
        while not handles_term(first.pid):  # Python itself takes a moment before it runs anything
            assert time.monotonic() < until
            time.sleep(0.001)
        assert len(loaded(first.pid)) < 40, "the handler stands before libraries are imported"
        time.sleep(after)
        status, seconds = ends_in_order(running)
        assert status in (0, 143)
        assert seconds < 15


def test_nothing_can_be_written_at_all(deployed):
    words, environment = entrypoint(deployed)
    environment["TMPDIR"] = "/nowhere"
    container = Container(models=deployed / "models", scratch=False, environment=environment)
    status, _, errors = container.run(*words)
    assert status == 2
    last = errors.splitlines()[-1]
    assert last.startswith("error: no temporary folder is writable")
    assert "TMPDIR" in last
    assert "Traceback" not in errors


@pytest.mark.parametrize("left_out", [(), ("HOME", "PACKLIGHT_CACHE")])
def test_predict_needs_to_write_nothing_and_no_network(deployed, left_out):
    _, environment = entrypoint(deployed)
    kept = {name: value for name, value in environment.items() if name not in left_out}
    container = Container(
        models=deployed / "models", uid=RANDOM_UID, gid=0, scratch=False, network=":", environment=kept
    )
    status, out, errors = container.run(sys.executable, "-m", "packlight", "predict", f"{MODELS}/intent/1", TEXT)
    assert status == 0, errors
    assert "alarm" in out


@pytest.mark.parametrize(
    ("network", "url"),
    [
        ("ip link set lo up; ip -4 addr del 127.0.0.1/8 dev lo", V6),
        ("ip link set lo up; sysctl -qw net.ipv6.conf.all.disable_ipv6=1 || :", V4),
        ("ip link set lo up", V4),
        ("ip link set lo up", V6),
    ],
    ids=["IPv6 alone", "IPv4 alone", "IPv4 of both", "IPv6 of both"],
)
def test_every_kind_of_network(deployed, network, url):
    words, environment = entrypoint(deployed)
    container = Container(models=deployed / "models", network=network, environment=environment)
    with container.start(*words) as running:
        running.until_ready(url)
        assert running.predict(url, TEXT) == "alarm"
        assert running.ask(health(deployed)).returncode == 0
