"""Names and shapes of the tensors in a model's safetensors files, without PyTorch."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from packlight.errors import ModelError

INNER = re.compile(r"(^|\.)(?:(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.)+")
"""what `torch.compile`, FSDP and activation checkpointing put before the names of each module that they wrap"""
WRAPPERS = (
    "_orig_mod.",
    "_fsdp_wrapped_module.",
    "_checkpoint_wrapped_module.",
    "_forward_module.",
    "module.",
    "model.",
)
"""what these, Lightning, DeepSpeed and DistributedDataParallel put before every name"""
BARE = re.compile(
    r"(?:(?:bert|roberta|distilbert|electra|mpnet|deberta|albert|mobilebert|longformer|transformer|model)\.)?"
    r"(?:embeddings|word_embedding|wte|embed_tokens)\."
)
"""the embeddings under a name that transformers knows: of an encoder by itself, or below a head"""

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
    """What was put before all names, such as `module.` or `model._orig_mod.`; empty for nothing.

    Beside what frameworks are known to put there, it is whatever a class of the user's own called its model, as long as names
    that transformers knows come after it.
    """
    known = _peeled(names, _framework)
    found = known + _peeled([name.removeprefix(known) for name in names], _own)
    found += _peeled([name.removeprefix(found) for name in names], _framework)
    rest = [INNER.sub(r"\1", name.removeprefix(found)) for name in names]
    return found if any(BARE.match(name) for name in rest) else known


def _peeled(names: Collection[str], next_prefix: Callable[[list[str]], str]) -> str:
    """Prefixes that all names have in common, joined."""
    left, found = list(names), ""
    while left and (prefix := next_prefix(left)):
        left, found = [name.removeprefix(prefix) for name in left], found + prefix
    return found


def _framework(names: list[str]) -> str:
    """What a framework put before all names."""
    return next((each for each in WRAPPERS if all(name.startswith(each) for name in names)), "")


def _own(names: list[str]) -> str:
    """The first part of all names, where none of them is one that transformers knows."""
    if any(BARE.match(INNER.sub(r"\1", name)) for name in names):
        return ""
    first = f"{names[0].partition('.')[0]}."
    return first if all(name.startswith(first) for name in names) else ""


def renaming(names: Collection[str]) -> dict[str, str]:
    """Regular expressions that take wrappers' names away, with what takes their place, as transformers' `key_mapping`."""
    wrapper = wrapper_of(names)
    mapping = {f"^{re.escape(wrapper)}": ""} if wrapper else {}
    if any(INNER.search(name.removeprefix(wrapper)) for name in names):
        mapping[INNER.pattern] = r"\1"
    return mapping


def plain_shapes(shapes: Shapes) -> Shapes:
    """The same tensors under the names that they have without wrappers."""
    wrapper = wrapper_of(shapes)
    return {INNER.sub(r"\1", name.removeprefix(wrapper)): shape for name, shape in shapes.items()}
