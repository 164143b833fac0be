"""Resolve a user's reference to a checked checkpoint."""

from pathlib import Path

from packlight import hub
from packlight.errors import ModelError
from packlight.models.checkpoint import Checkpoint, open_folder
from packlight.models.minilm import MINILM
from packlight.models.mpnet import MPNET
from packlight.models.reference_models import REFERENCES, open_reference
from packlight.models.snapshot import open_snapshot

BUILT_IN = {each.word: each for each in (MINILM, MPNET)}


def resolve(reference: str | Path) -> Checkpoint:
    """Find a model by a word (`minilm`, `mpnet`, `bert-base`, `distilbert`), a folder or a Hub id, and check it.

    A word takes precedence over a folder of the same name (write `./minilm` for that), and a folder over a Hub id.

    Raises:
        ModelError: if it is not available, is incomplete or damaged, or must not be opened because it is a pickle or
            needs its own code.
    """
    if isinstance(reference, Path):
        return open_folder(reference)
    if reference in BUILT_IN:
        return BUILT_IN[reference].open()
    if reference not in REFERENCES:
        return _folder_or_hub(reference)
    try:
        return open_reference(reference)
    except hub.HubUnavailableError as error:
        raise ModelError(f"{reference}: {error}") from error


def _folder_or_hub(reference: str) -> Checkpoint:
    folder = Path(reference).expanduser()
    if reference and folder.exists():
        return open_folder(folder, reference=reference)
    named = hub.parse_id(reference)
    if named is None:
        raise ModelError(
            f"{reference}: no such folder, and not a Hub id; give a model folder, `minilm` or `mpnet`, or a Hub id as org/name or "
            "org/name@revision"
        )
    repo, revision = named
    try:
        return open_snapshot(hub.look_up(repo, revision=revision), reference)
    except hub.HubUnavailableError as error:
        words = ", ".join((*BUILT_IN, *REFERENCES))
        raise ModelError(f"{reference}: {error}; it is not a folder here, nor one of the names {words}") from error
