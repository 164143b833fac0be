"""Check where artifacts can be saved."""

from pathlib import Path

from packlight.errors import ArtifactError


def new_folder(folder: str | Path) -> Path:
    """The path of a folder that doesn't exist yet, or is empty.

    Raises:
        ArtifactError: if something is there already.
    """
    target = Path(folder).expanduser()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ArtifactError(f"{target}: exists already; remove it or choose another folder")
    return target
