"""A pretrained encoder that packlight knows by a word, accepted from wherever it comes by the hash of its weights."""

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
    """Where an encoder may be, and how it is recognized."""

    word: str
    """what users write"""
    repo: str
    """its id on the Hub"""
    license: str
    """as its model card states; a package may carry the weights without the card"""
    sha256: str
    """of its weights"""
    packaged: Callable[[], Path]
    """the folder that installed packages contain; raises ModelError if they are not installed"""
    install: Callable[[], str]
    """the command that installs these packages"""

    def open(self) -> Checkpoint:
        """Find the encoder in the Hub's cache, in installed packages or on the Hub, in this order.

        Raises:
            ModelError: when none has it, or what they have is not it; says how to get it.
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
    """The folder of an installed package, which is only found, not imported: that could load anything.

    Raises:
        ModelError: when it is not installed.
    """
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("the package that contains them is not installed")
    return Path(spec.submodule_search_locations[0])
