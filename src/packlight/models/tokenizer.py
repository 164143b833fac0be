"""The fast tokenizer of a checkpoint."""

from pathlib import Path

from packlight.errors import ModelError
from packlight.models import Checkpoint


def tokenizer_folder(checkpoint: Checkpoint, work: Path) -> Path:
    """A folder with the checkpoint's fast tokenizer, which is built from its vocabulary if necessary.

    Raises:
        ModelError: if no fast tokenizer can be built.
    """
    if (checkpoint.path / "tokenizer.json").is_file():
        return checkpoint.path
    from transformers import AutoTokenizer  # takes seconds to import, and is rarely needed

    target = work / "tokenizer"
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
