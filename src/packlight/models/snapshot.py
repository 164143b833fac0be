"""A checkpoint from the Hub, checked before its weights are downloaded."""

from packlight import hub
from packlight.errors import ModelError
from packlight.models.checkpoint import (
    CARD,
    INDEX,
    WEIGHTS,
    Checkpoint,
    check_names,
    is_pickle,
    open_folder,
    refuse_code,
    small_files,
    weight_files,
)


def open_snapshot(snapshot: hub.Snapshot, reference: str) -> Checkpoint:
    """Download a model's files, configuration first, and check them.

    Raises:
        ModelError: if the model is incomplete, or of a kind that is rejected.
        HubUnavailableError: if a file is not available.
    """
    _check_listing(snapshot, reference)
    folder = hub.download(snapshot, small_files(snapshot.files))
    refuse_code(folder, reference)
    card = [CARD] if CARD in snapshot.files else []
    hub.download(snapshot, [*weight_files(folder, snapshot.files, reference), *card])
    return open_folder(folder, reference=reference, revision=snapshot.commit, repo=snapshot.repo)


def has_safetensors(snapshot: hub.Snapshot) -> bool:
    """Whether a snapshot's weights are in a supported form."""
    return WEIGHTS in snapshot.files or INDEX in snapshot.files


def _check_listing(snapshot: hub.Snapshot, reference: str) -> None:
    if snapshot.online and not has_safetensors(snapshot) and any(map(is_pickle, snapshot.files)):
        raise ModelError(
            f"{reference}: the Hub has only a pickle checkpoint of it, which can run code when it is opened, so "
            f"packlight rejects it; {_remedy(snapshot.repo)}"
        )
    try:
        check_names(snapshot.files, reference)
    except ModelError as error:
        if snapshot.online:
            raise
        raise hub.HubUnreachableError(
            f"the Hub cannot be reached and its local cache is incomplete ({error})"
        ) from error


def _remedy(repo: str) -> str:
    """What to do about a pickle.

    A conversion is anyone's proposal until the owner accepts it, so it is named, but not used.
    """
    if offered := hub.conversion_requests(repo):
        return (
            "the Hub's converter proposes safetensors weights that the owner has not accepted: to use them anyway, pass "
            f"{repo}@{offered[-1]}"
        )
    return (
        "have it converted at https://huggingface.co/spaces/safetensors/convert, which opens a pull request, and pass "
        f"{repo}@refs/pr/N with that request's number"
    )
