"""The fast tokenizer of a checkpoint."""

from pathlib import Path
from tempfile import TemporaryDirectory

from packlight.errors import ModelError
from packlight.models import Checkpoint

_BUILT: dict[str, TemporaryDirectory[str]] = {}
"""folders of tokenizers that were built from a vocabulary, by the checkpoint's hash; removed when the process ends"""


def tokenizer_file(checkpoint: Checkpoint) -> Path:
    """The checkpoint's `tokenizer.json`. It is built in a temporary folder, once per process, if there is only a vocabulary.

    Raises:
        ModelError: if no fast tokenizer can be built.
    """
    file = checkpoint.path / "tokenizer.json"
    if file.is_file():
        return file
    if checkpoint.sha256 not in _BUILT:
        _BUILT[checkpoint.sha256] = TemporaryDirectory(prefix="packlight-")
    return tokenizer_folder(checkpoint, Path(_BUILT[checkpoint.sha256].name)) / file.name


def tokenizer_folder(checkpoint: Checkpoint, work: Path) -> Path:
    """A folder with the checkpoint's fast tokenizer, which is built from its vocabulary if necessary.

    Raises:
        ModelError: if no fast tokenizer can be built.
    """
    if (checkpoint.path / "tokenizer.json").is_file():
        return checkpoint.path
    from transformers import AutoTokenizer  # takes seconds to import, and is rarely needed

    target = work / "tokenizer"
    if (target / "tokenizer.json").is_file():
        return target
    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.path, local_files_only=True, trust_remote_code=False)
        tokenizer.save_pretrained(target)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{checkpoint.reference}: its files can't be converted to a fast tokenizer: {error}"
        ) from error
    if not (target / "tokenizer.json").is_file():
        raise ModelError(f"{checkpoint.reference}: it has no fast tokenizer; save one as tokenizer.json")
    return target
