"""Fragments scored by a Ray cluster: an actor for each core opens the artifact once, and writes whole files.

The input and the output folder must have the same path or URL on every machine. If a machine is lost, other actors
score its fragments again.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from packlight.errors import ArtifactError, PacklightError
from packlight.extras import load
from packlight.scoring.packed import Packed, pack, unpacked
from packlight.scoring.settings import Done, Fragment, Moved, Setup

CONNECT_SECONDS = 10
MOST_LOST = 10
"""number of lost actors for each worker after which the cause can't be a lost machine"""


class FragmentScorer:
    """An actor. It unpacks and opens the artifact on its machine."""

    def __init__(self, packed: Packed, setup: Setup) -> None:
        """Store what `start` opens."""
        self._packed, self._setup = packed, setup

    def start(self) -> PacklightError | None:
        """Open the artifact on one thread. User errors are returned, because Ray would wrap an exception."""
        import pyarrow as pa

        from packlight.scoring.scorer import Scorer

        pa.set_cpu_count(1)
        try:
            self._scorer = Scorer(unpacked(self._packed), self._setup.scorer)
        except PacklightError as error:
            return error
        return None

    def score(self, number: int, fragment: Fragment) -> Done | PacklightError:
        """Score one fragment, after `start`."""
        from packlight.scoring.fragment_job import run_fragment

        try:
            return run_fragment(number, fragment, self._scorer, self._setup, lambda _: None)
        except PacklightError as error:
            return error


@contextmanager
def connected(address: str | None) -> Iterator[int]:
    """Use a cluster while the block runs, and yield its number of cores.

    Args:
        address: address of the cluster; None for the one that Ray finds, or a new one on this machine.

    Raises:
        MissingExtraError: if Ray is not installed.
        PacklightError: if there is no cluster at the address.
    """
    ray = load("ray", "scoring on Ray")
    mine = not ray.is_initialized()
    if mine:
        _check_listening(address)
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise PacklightError(f"no Ray cluster at {address}: {error}") from error
    try:
        yield int(ray.cluster_resources().get("CPU", 1))
    finally:
        if mine:
            ray.shutdown()


def _check_listening(address: str | None) -> None:
    """Check that something listens there, because Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise PacklightError(f"no Ray cluster at {address}: {error}") from error


def score_fragments(todo: Sequence[tuple[int, Fragment]], setup: Setup, workers: int) -> Iterator[Moved | Done]:
    """Score fragments with several actors, and yield what is complete.

    Raises:
        PacklightError: if an actor reports one.
    """
    ray = load("ray", "scoring on Ray")
    artifact = pack(setup.artifact)
    if artifact.sha256 != setup.sha256:
        raise ArtifactError(f"{setup.artifact}: changed while it was in use; start again with another --out")
    packed = ray.put(artifact)
    kind = ray.remote(num_cpus=1)(FragmentScorer)
    starting = {one.start.remote(): one for one in [kind.remote(packed, setup) for _ in range(workers)]}
    running: dict[Any, tuple[Any, tuple[int, Fragment]]] = {}
    idle: list[Any] = []
    waiting, lost = list(reversed(todo)), 0
    while waiting or running:
        while waiting and idle:
            actor, task = idle.pop(), waiting.pop()
            running[actor.score.remote(*task)] = actor, task
        (ready,), _ = ray.wait([*running, *starting], num_returns=1)
        actor, given = running.pop(ready) if ready in running else (starting.pop(ready), None)
        try:
            done = ray.get(ready)
        except ray.exceptions.RayActorError as error:
            # Its machine is lost. A new actor starts where a core is free; until then, the others do its work.
            lost += 1
            if lost > MOST_LOST * workers:
                raise PacklightError(f"{lost} Ray actors were lost one after the other: {error}") from error
            another = kind.remote(packed, setup)
            starting[another.start.remote()] = another
            if given is not None:
                waiting.append(given)
            continue
        if isinstance(done, PacklightError):
            raise done
        idle.append(actor)
        if done is not None:
            yield Moved(rows=done.counts.rows)
            yield done
