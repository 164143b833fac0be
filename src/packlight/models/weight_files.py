"""Names and shapes of the tensors in a model's safetensors files, without PyTorch."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from packlight.errors import ModelError
from packlight.formatting import counted
from packlight.models.weight_names import Naming

FLOATS: Mapping[str, tuple[str, int]] = {
    "F64": ("<u8", 0x7FF0 << 48),
    "F32": ("<u4", 0x7F80 << 16),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
}
"""types of weights: how their bits are read, and the bits of the exponent, all of which are set if a number is not finite"""
SCANNED = 1 << 22
"""numbers that are looked at together"""

Shapes = Mapping[str, tuple[int, ...]]


def read_shapes(path: Path, where: str, *, listed_in: str = "") -> Shapes:
    """The tensors of a file, after checking that its size matches its header.

    The header is 8 bytes of little-endian length, then JSON with the byte range of each tensor
    (https://github.com/huggingface/safetensors#format).

    Args:
        path: the file.
        where: the model's name in messages.
        listed_in: the index that names the file.

    Raises:
        ModelError: if it is missing, damaged or truncated.
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


def missing_weights(names: Sequence[str]) -> str:
    """A description of missing weights: `2 weights are missing (a, b)`."""
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"{counted(len(names), 'weight')} {'is' if len(names) == 1 else 'are'} missing ({shown})"


@dataclass(frozen=True)
class NonFiniteTensor:
    """A tensor with numbers that are infinite or NaN."""

    name: str
    """without wrappers' prefixes"""
    wrong: int
    """number of such numbers"""
    size: int
    """number of all"""
    first_is_nan: bool

    def __str__(self) -> str:
        """What is wrong, and what to do."""
        kind = "not a number (NaN)" if self.first_is_nan else "infinite"
        return (
            f"weights are not finite: {self.name} has {self.wrong:,} of {self.size:,}, the first is {kind}. The training that "
            "made them diverged, or they were too large for float16; give an earlier checkpoint"
        )


def whole_numbers(path: Path) -> str | None:
    """The type of a file's weights that are not floating-point numbers, such as `I8`; None if all are.

    Args:
        path: the file. It was read by `read_shapes` before.
    """
    with path.open("rb") as stream:
        entries = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    kinds = (entry["dtype"] for name, entry in entries.items() if name.endswith("weight"))
    return next((str(kind) for kind in kinds if kind not in FLOATS), None)


def non_finite_tensors(path: Path, naming: Naming) -> Iterator[NonFiniteTensor]:
    """The model's tensors of a safetensors file with numbers that are not finite.

    Args:
        path: the file. It was read by `read_shapes` before.
        naming: how its names differ from transformers'.
    """
    content = np.memmap(path, np.uint8, "r")
    start = 8 + int.from_bytes(content[:8].tobytes(), "little")
    entries = json.loads(content[8:start].tobytes())
    entries.pop("__metadata__", None)
    for name, entry in entries.items():
        if entry["dtype"] not in FLOATS or name in naming.training:
            continue
        kind, exponent = FLOATS[entry["dtype"]]
        first, end = entry["data_offsets"]
        bits = np.frombuffer(content[start + first : start + end], kind)
        wrong = [part[(part & exponent) == exponent] for part in np.split(bits, range(SCANNED, len(bits), SCANNED))]
        if count := sum(map(len, wrong)):
            worst: npt.NDArray[np.unsignedinteger] = next(each for each in wrong if len(each))
            fraction = int(worst[0]) & (exponent & -exponent) - 1
            yield NonFiniteTensor(naming.plain(name), count, len(bits), first_is_nan=fraction != 0)
