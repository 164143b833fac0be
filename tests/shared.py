"""What takes a minute to make is made once, whichever of pytest-xdist's workers, or of `make test`'s two calls, asks first."""

import os
import shutil
from pathlib import Path

import portalocker

WAIT = 1800.0
"""seconds; another process may be making it"""


def made_once(tmp_path_factory, name, make):
    """The folder that `make(folder)` filled; not to be written to."""
    own = tmp_path_factory.getbasetemp()
    given = os.environ.get("PACKLIGHT_TEST_FOLDER")
    root = Path(given) if given else own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, made = root / name, root / f"{name}.made"
    with portalocker.Lock(root / f"{name}.lock", timeout=WAIT, check_interval=0.1):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one that failed
            folder.mkdir()
            make(folder)
            made.touch()
    return folder
