"""The protocol's BYTES tensors: texts in JSON, or as a 4-byte little-endian length and the bytes of each."""

import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from packlight.serve.http_errors import malformed, too_large
from packlight.serve.settings import Limits

Parameters = dict[str, Any]
MAX_ELEMENTS = 1 << 31
LENGTH = struct.Struct("<I")


class Tensor(msgspec.Struct, frozen=True):
    """An input in JSON. `data` is absent if the tensor follows in binary form."""

    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters | None = None
    data: list[str | list[str]] | None = None


def texts_of(tensor: Tensor, binary: memoryview | None, limits: Limits) -> list[str]:
    """The texts of an input of shape [N] or [N, 1].

    Args:
        tensor: the input.
        binary: its bytes if it is in binary form, otherwise None.
        limits: limits on the number of texts and the size of each.

    Raises:
        HTTPError: 400 if datatype, shape and data don't match or a text is not UTF-8, 413 above a limit.
    """
    if tensor.datatype != "BYTES":
        raise malformed(f"input {tensor.name!r} has datatype {tensor.datatype[:20]!r}; texts are BYTES")
    count = _count(tensor, limits)
    if binary is not None:
        if tensor.data is not None:
            raise malformed(f"input {tensor.name!r} has both data and binary data")
        return _unpack(binary, count, limits)
    if tensor.data is None:
        raise malformed(f"input {tensor.name!r} has no data")
    texts = _flat(tensor.data, nested=len(tensor.shape) == 2)  # [N, 1]
    if len(texts) != count:
        raise malformed(f"input {tensor.name!r} has {len(texts)} elements where its shape says {count}")
    check_sizes(texts, limits)
    return texts


def check_sizes(texts: Sequence[str], limits: Limits) -> None:
    """Reject a text above the limit. Characters are counted first, because counting bytes copies the text.

    Raises:
        HTTPError: 413 for a text over the limit.
    """
    cap = limits.text_bytes
    for text in texts:
        if len(text) * 4 > cap and (len(text) > cap or len(text.encode(errors="surrogatepass")) > cap):
            raise too_large(f"a text is larger than {cap} bytes")


def pack(values: Sequence[str]) -> bytes:
    """Texts as a binary BYTES tensor."""
    parts: list[bytes] = []
    for value in values:
        data = value.encode()
        parts += (LENGTH.pack(len(data)), data)
    return b"".join(parts)


def _count(tensor: Tensor, limits: Limits) -> int:
    shape = tensor.shape
    if (
        not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)) or shape[0] < 0 or shape[0] > MAX_ELEMENTS
    ):  # [N] and [N, 1]
        raise malformed(f"input {tensor.name!r} has a shape that is not [N] or [N, 1]")
    if shape[0] == 0:
        raise malformed(f"input {tensor.name!r} is empty")
    if shape[0] > limits.texts:
        raise too_large(f"{shape[0]} texts in one request; at most {limits.texts} are taken")
    return shape[0]


def _flat(data: list[str | list[str]], *, nested: bool) -> list[str]:
    texts: list[str] = []
    for element in data:
        if isinstance(element, str):
            texts.append(element)
        elif nested and len(element) == 1:
            texts.append(element[0])
        else:
            raise malformed("the data is nested in a way that its shape does not say")
    return texts


def _unpack(data: memoryview, count: int, limits: Limits) -> list[str]:
    texts: list[str] = []
    at = 0
    for _ in range(count):
        if at + 4 > len(data):
            raise malformed(f"the binary data holds {len(texts)} texts where the shape says {count}")
        (size,) = LENGTH.unpack_from(data, at)
        at += 4
        if size > limits.text_bytes:
            raise too_large(f"a text is larger than {limits.text_bytes} bytes")
        if at + size > len(data):
            raise malformed("a text's length runs past the binary data")
        try:
            texts.append(str(data[at : at + size], "utf-8"))
        except UnicodeDecodeError as error:
            raise malformed("a text is not UTF-8") from error
        at += size
    if at != len(data):
        raise malformed("there are bytes after the last text of the binary data")
    return texts
