"""Named, versioned artifacts: one artifact's folder, or a folder of them, reloaded when files change.

    PATH/packlight.json                     one artifact, version 1
    PATH/<name>/packlight.json              several, each of version 1
    PATH/<name>/<version>/packlight.json    several, each in versions; the highest answers unless one is named

A changed or new folder is opened beside the running ones once two looks in a row found it the same, and takes its
place when it is verified and warm. A broken one is refused and the old one stays; so it is where a worker starts, which
serves the rest. Requests that are queued on the
old one are finished by it.
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
from packlight.runtime.artifact import MANIFEST, Artifact, read_manifest
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
    """An artifact's folder and what its files looked like."""

    path: Path
    stamp: Stamp


@dataclass(frozen=True)
class Served:
    """A model with its queue."""

    model: Model
    batcher: Batcher


class Listener(Protocol):
    """Who is told what a reload did."""

    def loaded(self, name: Name) -> None:
        """A version answers from now on."""

    def refused(self, name: Name, reason: str) -> None:
        """A version was refused; what was there before stays."""

    def removed(self, name: Name) -> None:
        """A version is gone with its folder."""


def find(path: Path, name: str | None = None) -> dict[Name, Place]:
    """The artifacts at a path, opened by nobody yet.

    Args:
        path: an artifact, or a folder of them as drawn above.
        name: of the model, where the path is one artifact; by default the manifest's.
    """
    if (path / MANIFEST).is_file():
        return {Name(name or _own_name(path), ONLY_VERSION): Place(path, _stamp(path))}
    found = {}
    for folder in _folders(path):
        if (folder / MANIFEST).is_file():
            found[Name(folder.name, ONLY_VERSION)] = Place(folder, _stamp(folder))
            continue  # what lies below are a cascade's parts
        for version in _folders(folder):
            if (version / MANIFEST).is_file():
                found[Name(folder.name, version.name)] = Place(version, _stamp(version))
    return found


def verify(path: Path, name: str | None = None) -> dict[Name, Artifact]:
    """Check every artifact at a path as a server's start does.

    Raises:
        ArtifactError: when there is none, or one is incomplete, altered, of an unknown version or keeps
            weights in another file.
    """
    found = find(path, name)
    if not found:
        raise _nothing(path)
    artifacts = {key: Artifact.open(place.path) for key, place in found.items()}
    for artifact in artifacts.values():
        refuse_external_data(artifact)
    return artifacts


class Repository:
    """The models of one worker."""

    def __init__(self, path: Path, name: str | None, queue: Callable[[Model], Batcher], listener: Listener) -> None:
        """Say where artifacts are, how a model gets its queue, and who is told of reloads."""
        self._path = path
        self._name = name
        self._queue = queue
        self._listener = listener
        self._places: dict[Name, Place] = {}
        self._seen: dict[Name, Place] = {}
        self._refused: dict[Name, Place] = {}
        self._served: dict[str, dict[str, Served]] = {}
        self._newest: dict[str, Served] = {}
        self._untrusted: dict[Name, str] = {}
        """versions that do not answer their golden texts as they should, and why"""
        self._opener = ThreadPoolExecutor(1, "opener")

    def open_all(self) -> None:
        """Open everything that is there, before the first request; what does not open is refused as by a reload.

        Raises:
            PacklightError: when none can be opened, with the first's reason, or there is none; but where golden texts are
                answered otherwise, the server starts, is not ready, and says why.
        """
        self._seen = find(self._path, self._name)
        reasons = []
        for name, place in self._seen.items():
            try:
                self._place(name, place, Model.open(name, place.path))
            except Exception as error:  # noqa: BLE001 - whatever one version raises, the others are served
                reasons.append(self._refuse(name, place, error))
        if not self._served and not self._untrusted:
            raise ArtifactError(reasons[0]) if reasons else _nothing(self._path)

    async def refresh(self) -> None:
        """Look for changes and take over those that are settled."""
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
        """A model's version, by default its newest.

        Raises:
            HTTPError: 404 when there is none of that name.
        """
        versions = self._served.get(model, {})
        served = self._newest.get(model) if version is None else versions.get(version)
        if served is None:
            raise HTTPError(404, "there is no model of that name and version")
        return served

    def only(self) -> Served:
        """The model that `/predict` means when it names none.

        Raises:
            HTTPError: 400 when there are several, 503 when there is none.
        """
        if not self._newest:
            raise unavailable("no model is loaded")
        if len(self._newest) > 1:
            raise HTTPError(400, 'several models are served; name one as "model"')
        return next(iter(self._newest.values()))

    def versions(self, model: str) -> list[str]:
        """A model's versions, the oldest first."""
        return sorted(self._served.get(model, {}), key=_natural)

    def __iter__(self) -> Iterator[Served]:
        """The newest version of each model."""
        return iter(list(self._newest.values()))

    @property
    def queued(self) -> int:
        """Texts that wait in all queues."""
        return sum(served.batcher.queued for versions in self._served.values() for served in versions.values())

    async def _reload(self, name: Name, place: Place) -> None:
        try:
            model = await asyncio.get_running_loop().run_in_executor(self._opener, _open_quietly, name, place.path)
        except Exception as error:  # noqa: BLE001 - whatever one version raises, the others are served
            self._refuse(name, place, error)
            return
        self._place(name, place, model)
        self._listener.loaded(name)

    def untrusted(self, model: str | None = None) -> str | None:
        """Why a model, by default any, cannot be trusted here and no other version answers for it; None where all is well."""
        reasons = (
            reason
            for name, reason in self._untrusted.items()
            if name.model not in self._served and model in (None, name.model)
        )
        return next(reasons, None)

    def _refuse(self, name: Name, place: Place, error: Exception) -> str:
        """Remember that a version does not open, until it changes; gives the reason."""
        reason = str(error) if isinstance(error, PacklightError) else f"{place.path}: {type(error).__name__}: {error}"
        self._refused[name] = place
        if isinstance(error, ReplayError):
            # Clients that ask for readiness need not know where the folder is.
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


def _open_quietly(name: Name, path: Path) -> Model:
    """Open on a thread of the lowest priority, so that the running model keeps the processor."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
    return Model.open(name, path)


def _nothing(path: Path) -> ArtifactError:
    return ArtifactError(
        f"{path}: no artifact in it; give an artifact's folder, or a folder with NAME/VERSION/{MANIFEST} in it"
    )


def _own_name(path: Path) -> str:
    """The manifest's name where it can be one in a URL, else the folder's, else `model`."""
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
    """Order by numbers where there are numbers: 9 before 10, 1.9 before 1.10."""
    parts = re.findall(r"\d+|\D+", version)
    return tuple((1, int(part)) if part.isdigit() else (0, part) for part in parts)
