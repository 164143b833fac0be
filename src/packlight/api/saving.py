"""Where artifacts that Python users save may go."""

from pathlib import Path

from packlight.errors import ArtifactError


def new_folder(folder: str | Path) -> Path:
    """The path of a folder that is still to be made, or is empty.

    Raises:
        ArtifactError: when something is there already.
    """
    target = Path(folder).expanduser()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ArtifactError(f"{target}: exists already; remove it, or give another folder")
    return target
