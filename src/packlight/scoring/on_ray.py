"""Fragments scored by a Ray cluster: an actor for each core opens the artifact once, and writes whole files.

The folder of the output, and the input, must have the same path or URL on every machine. A machine that is lost takes nothing
with it but the fragments that it was scoring: other actors begin these again.
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
"""actors lost for each worker, after which something else is wrong than a machine"""


class FragmentScorer:
    """What an actor does; on its machine the artifact is unpacked and opened."""

    def __init__(self, packed: Packed, setup: Setup) -> None:
        """Take what `start` opens."""
        self._packed, self._setup = packed, setup

    def start(self) -> PacklightError | None:
        """Open the artifact, on one thread. What the user can fix is given back: Ray would wrap what is raised."""
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
    """Use a cluster while the block runs; gives how many cores it has.

    Args:
        address: of the cluster; None for the one that Ray finds, or else a new one on this machine.

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
    """Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise PacklightError(f"no Ray cluster at {address}: {error}") from error


def score_fragments(todo: Sequence[tuple[int, Fragment]], setup: Setup, workers: int) -> Iterator[Moved | Done]:
    """Score fragments with several actors, and yield what is complete.

    Raises:
        PacklightError: what an actor reports.
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
            # Its machine is lost. Another one starts where there is a free core; those that are left do its work meanwhile.
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
