"""Pretrained encoders with built-in names, accepted from any source by the hash of their weights."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from packlight import hub
from packlight.errors import ModelError
from packlight.models.checkpoint import WEIGHTS, Checkpoint, open_folder
from packlight.models.snapshot import open_snapshot


@dataclass(frozen=True, kw_only=True)
class BuiltIn:
    """An encoder's possible sources, and how to recognize it."""

    word: str
    """the name that users write"""
    repo: str
    """its id on the Hub"""
    license: str
    """the license in its model card; a package can have the weights without the card"""
    sha256: str
    """SHA-256 of its weights"""
    packaged: Callable[[], Path]
    """finds the folder in installed packages; raises ModelError if they are not installed"""
    install: Callable[[], str]
    """the command that installs these packages"""

    def open(self) -> Checkpoint:
        """Find the encoder in the Hub's cache, in installed packages or on the Hub, in this order.

        Raises:
            ModelError: if none has it, or if it is a different model. The message says how to get it.
        """
        tried = []
        for source in (self._from_cache, self._from_packages, self._from_hub):
            try:
                return self._accepted(source())
            except (ModelError, hub.HubUnavailableError) as error:
                tried.append(str(error))
        raise ModelError(
            f"{self.word}: the weights of {self.repo} were not found: {'; '.join(tried)}. Without a network: "
            f"{self.install()}; with one: hf download {self.repo}"
        )

    def _from_cache(self) -> Checkpoint:
        held = hub.cached(self.repo)
        if held is None or WEIGHTS not in held.files:
            raise hub.HubUnavailableError("they are not in the Hub's local cache")
        return open_folder(hub.folder_of(held), reference=self.word, revision=held.commit)

    def _from_packages(self) -> Checkpoint:
        return open_folder(self.packaged(), reference=self.word)

    def _from_hub(self) -> Checkpoint:
        return open_snapshot(hub.look_up(self.repo), self.word)

    def _accepted(self, checkpoint: Checkpoint) -> Checkpoint:
        found = checkpoint.files.get(WEIGHTS)
        if found != self.sha256:
            raise ModelError(
                f"{checkpoint.path / WEIGHTS} is a different file (sha256 {found}, expected {self.sha256})"
            )
        return dataclasses.replace(checkpoint, repo=self.repo, license=self.license)


def package_folder(name: str) -> Path:
    """The folder of an installed package. It is not imported, because that could run any code.

    Raises:
        ModelError: if it is not installed.
    """
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("the package that contains them is not installed")
    return Path(spec.submodule_search_locations[0])
