"""Named, versioned artifacts: an artifact's folder, or a folder of artifacts, reloaded when files change.

    PATH/packlight.json                     one artifact, version 1
    PATH/<name>/packlight.json              several, each of version 1
    PATH/<name>/<version>/packlight.json    several, each in versions; the highest answers unless one is named

A changed or new folder is opened beside the running ones once it has been stable for two checks in a row, and takes
over when it is verified and warm. A broken one is rejected and the old one stays. A starting worker also rejects broken
ones and serves the rest. Requests in the old version's queue are finished by it.
"""

import asyncio
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from packlight.errors import ArtifactError, PacklightError
from packlight.runtime.artifact import MANIFEST, Artifact, not_converted, read_manifest
from packlight.runtime.golden import ReplayError
from packlight.serve.batcher import Batcher
from packlight.serve.external import refuse_external_data
from packlight.serve.http_errors import HTTPError, unavailable
from packlight.serve.model import Model
from packlight.serve.responses import Name

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
ONLY_VERSION = "1"
LOWEST_PRIORITY = 19
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Place:
    """An artifact's folder and the state of its files."""

    path: Path
    stamp: Stamp


@dataclass(frozen=True)
class Served:
    """A model with its queue."""

    model: Model
    batcher: Batcher


class Listener(Protocol):
    """Receives the events of a reload."""

    def loaded(self, name: Name) -> None:
        """A version is ready."""

    def refused(self, name: Name, reason: str) -> None:
        """A version was rejected. The previous one stays."""

    def removed(self, name: Name) -> None:
        """A version was removed with its folder."""


def find(path: Path, name: str | None = None) -> dict[Name, Place]:
    """Find the artifacts at a path, without opening them.

    Args:
        path: an artifact, or a folder of artifacts as shown above.
        name: name of the model, if the path is one artifact. Defaults to the manifest's.
    """
    if (path / MANIFEST).is_file():
        return {Name(name or _own_name(path), ONLY_VERSION): Place(path, _stamp(path))}
    found = {}
    for folder in _folders(path):
        if (folder / MANIFEST).is_file():
            found[Name(folder.name, ONLY_VERSION)] = Place(folder, _stamp(folder))
            continue  # folders below are a cascade's models
        for version in _folders(folder):
            if (version / MANIFEST).is_file():
                found[Name(folder.name, version.name)] = Place(version, _stamp(version))
    return found


def verify(path: Path, name: str | None = None) -> dict[Name, Artifact]:
    """Check every artifact at a path, before a server starts.

    Raises:
        ArtifactError: if there is none, or if one is incomplete, altered, of an unknown version, or has external
            weights.
    """
    found = find(path, name)
    if not found:
        raise _nothing(path)
    artifacts = {key: Artifact.open(place.path) for key, place in found.items()}
    for artifact in artifacts.values():
        refuse_external_data(artifact)
    return artifacts


class Repository:
    """The models of a worker."""

    def __init__(
        self,
        path: Path,
        name: str | None,
        queue: Callable[[Model], Batcher],
        listener: Listener,
        *,
        threads: int = 1,
    ) -> None:
        """Set the path of the artifacts, the factory of queues, the receiver of events, and the threads of each model."""
        self._path = path
        self._name = name
        self._queue = queue
        self._listener = listener
        self._threads = threads
        self._places: dict[Name, Place] = {}
        self._seen: dict[Name, Place] = {}
        self._refused: dict[Name, Place] = {}
        self._served: dict[str, dict[str, Served]] = {}
        self._newest: dict[str, Served] = {}
        self._untrusted: dict[Name, str] = {}
        """versions whose golden texts fail, with the reason"""
        self._opener = ThreadPoolExecutor(1, "opener")

    def open_all(self) -> None:
        """Open everything before the first request. Artifacts that cannot be opened are rejected, as in a reload.

        Raises:
            PacklightError: if there is none, or if none can be opened, with the first one's reason. If only golden
                texts fail, the server starts, but is not ready, and says why.
        """
        self._seen = find(self._path, self._name)
        reasons = []
        for name, place in self._seen.items():
            try:
                self._place(name, place, Model.open(name, place.path, threads=self._threads))
            except Exception as error:  # noqa: BLE001 - whatever one version raises, the others are served
                reasons.append(self._refuse(name, place, error))
        if not self._served and not self._untrusted:
            raise ArtifactError(reasons[0]) if reasons else _nothing(self._path)

    async def refresh(self) -> None:
        """Look for changes, and adopt those that are stable."""
        seen = await asyncio.to_thread(find, self._path, self._name)
        before, self._seen = self._seen, seen
        for name, place in seen.items():
            settled = before.get(name) == place
            if settled and self._places.get(name) != place and self._refused.get(name) != place:
                await self._reload(name, place)
        for name in [name for name in self._places if name not in seen and name not in before]:
            self._remove(name)
        for name in [name for name in self._untrusted if name not in seen and name not in before]:
            del self._untrusted[name]

    def get(self, model: str, version: str | None = None) -> Served:
        """A model's version; the newest by default.

        Raises:
            HTTPError: 404 if it does not exist.
        """
        versions = self._served.get(model, {})
        served = self._newest.get(model) if version is None else versions.get(version)
        if served is None:
            raise HTTPError(404, "there is no model of that name and version")
        return served

    def only(self) -> Served:
        """The model for a `/predict` request that names none.

        Raises:
            HTTPError: 400 if there are several, 503 if there is none.
        """
        if not self._newest:
            raise unavailable("no model is loaded")
        if len(self._newest) > 1:
            raise HTTPError(400, 'several models are served; name one as "model"')
        return next(iter(self._newest.values()))

    def versions(self, model: str) -> list[str]:
        """A model's versions, the oldest first."""
        return sorted(self._served.get(model, {}), key=_natural)

    @property
    def names(self) -> tuple[Name, ...]:
        """Every version of every model."""
        return tuple(self._places)

    def __iter__(self) -> Iterator[Served]:
        """The newest version of each model."""
        return iter(list(self._newest.values()))

    @property
    def queued(self) -> int:
        """The number of texts in all queues."""
        return sum(served.batcher.queued for versions in self._served.values() for served in versions.values())

    async def _reload(self, name: Name, place: Place) -> None:
        try:
            model = await asyncio.get_running_loop().run_in_executor(
                self._opener, _open_quietly, name, place.path, self._threads
            )
        except Exception as error:  # noqa: BLE001 - whatever one version raises, the others are served
            self._refuse(name, place, error)
            return
        self._place(name, place, model)
        self._listener.loaded(name)

    def untrusted(self, model: str | None = None) -> str | None:
        """Why a model (by default any) fails its golden texts and has no other version; None if none does."""
        reasons = (
            reason
            for name, reason in self._untrusted.items()
            if name.model not in self._served and model in (None, name.model)
        )
        return next(reasons, None)

    def _refuse(self, name: Name, place: Place, error: Exception) -> str:
        """Remember that a version cannot be opened, until it changes. Returns the reason."""
        reason = str(error) if isinstance(error, PacklightError) else f"{place.path}: {type(error).__name__}: {error}"
        self._refused[name] = place
        if isinstance(error, ReplayError):
            # Clients that check readiness must not see the folder's path.
            self._untrusted[name] = f"{name.model}, version {name.version}: {reason.removeprefix(f'{place.path}: ')}"
        self._listener.refused(name, reason)
        return reason

    def _place(self, name: Name, place: Place, model: Model) -> None:
        self._places[name] = place
        self._refused.pop(name, None)
        self._untrusted.pop(name, None)
        self._served.setdefault(name.model, {})[name.version] = Served(model, self._queue(model))
        self._choose(name.model)

    def _remove(self, name: Name) -> None:
        del self._places[name]
        del self._served[name.model][name.version]
        self._choose(name.model)
        self._listener.removed(name)

    def _choose(self, model: str) -> None:
        versions = self.versions(model)
        if versions:
            self._newest[model] = self._served[model][versions[-1]]
        else:
            self._newest.pop(model, None)
            self._served.pop(model, None)


def _open_quietly(name: Name, path: Path, threads: int) -> Model:
    """Open on a thread with the lowest priority, so that the running model keeps the processor."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
    return Model.open(name, path, threads=threads)


def _nothing(path: Path) -> ArtifactError:
    if (path / "config.json").is_file():
        return not_converted(path)
    return ArtifactError(
        f"{path}: no artifact in it; give an artifact's folder, or a folder with NAME/VERSION/{MANIFEST} in it"
    )


def _own_name(path: Path) -> str:
    """The manifest's name if it is valid in a URL, otherwise the folder's, otherwise `model`."""
    try:
        named = read_manifest(path).name
    except ArtifactError:
        named = path.resolve().name
    return named if NAME.fullmatch(named) else "model"


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(folder for folder in path.iterdir() if folder.is_dir() and NAME.fullmatch(folder.name))
    except OSError:
        return []


def _stamp(path: Path) -> Stamp:
    entries = []
    for file in sorted(path.rglob("*")):
        try:
            status = file.stat()
        except OSError:
            continue
        entries.append((file.relative_to(path).as_posix(), status.st_size, status.st_mtime_ns))
    return tuple(entries)


def _natural(version: str) -> tuple[tuple[int, int | str], ...]:
    """A sort key that orders numbers by value: 9 before 10, 1.9 before 1.10."""
    parts = re.findall(r"\d+|\D+", version)
    return tuple((1, int(part)) if part.isdigit() else (0, part) for part in parts)
