"""Names and shapes of the tensors in a model's safetensors files, without PyTorch."""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from packlight.errors import ModelError

COMPILED = re.compile(r"(^|\.)_orig_mod\.")
"""what `torch.compile` puts before the names of the module that it wraps"""
WRAPPERS = ("module.", "model.")
"""what DistributedDataParallel and Lightning put before every name"""

Shapes = Mapping[str, tuple[int, ...]]


def read_shapes(path: Path, where: str, *, listed_in: str = "") -> Shapes:
    """The tensors of a file, once it is known to be as long as its own header says.

    The header is 8 bytes of little-endian length, then JSON with the byte range of each tensor
    (https://github.com/huggingface/safetensors#format).

    Args:
        path: the file.
        where: what messages call the model.
        listed_in: the index that names the file.

    Raises:
        ModelError: when it is missing, damaged or cut short.
    """
    if not path.is_file():
        raise ModelError(f"{where}: {path.name}, which {listed_in} names, is missing; download or save the model again")
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(8)
        if start == b"version ":
            raise ModelError(f"{where}: {path.name} is only a git-lfs pointer; run `git lfs pull` in the folder")
        length = int.from_bytes(start, "little")
        header = stream.read(length) if length <= size - 8 else b""
    try:
        entries = {name: entry for name, entry in json.loads(header).items() if name != "__metadata__"}
        end = max(entry["data_offsets"][1] for entry in entries.values())
        shapes = {name: tuple(map(int, entry["shape"])) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelError(f"{where}: {path.name} is not a safetensors file; download or save the model again") from error
    if 8 + length + end != size:
        raise ModelError(
            f"{where}: {path.name} has {size:,} bytes, but its header says {8 + length + end:,}; download it again"
        )
    return shapes


def wrapper_of(names: Collection[str]) -> str:
    """What a training framework put before all names, such as `module.` or `model._orig_mod.`; empty for nothing."""
    left, found = list(names), ""
    while left:
        prefix = next((each for each in ("_orig_mod.", *WRAPPERS) if all(name.startswith(each) for name in left)), "")
        if not prefix:
            break
        left, found = [name.removeprefix(prefix) for name in left], found + prefix
    return found


def renaming(names: Collection[str]) -> dict[str, str]:
    """Regular expressions that take wrappers' names away, with what takes their place, as transformers' `key_mapping`."""
    wrapper = wrapper_of(names)
    mapping = {f"^{re.escape(wrapper)}": ""} if wrapper else {}
    if any(COMPILED.search(name.removeprefix(wrapper)) for name in names):
        mapping[COMPILED.pattern] = r"\1"
    return mapping


def plain_shapes(shapes: Shapes) -> Shapes:
    """The same tensors under the names that they have without wrappers."""
    wrapper = wrapper_of(shapes)
    return {COMPILED.sub(r"\1", name.removeprefix(wrapper)): shape for name, shape in shapes.items()}
