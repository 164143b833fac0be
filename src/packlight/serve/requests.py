"""Parse a request's bytes: the protocol's inference requests, and the simple form."""

from codecs import BOM_UTF8
from typing import Any

import msgspec

from packlight.serve.http_errors import HTTPError, malformed, too_large
from packlight.serve.settings import Limits
from packlight.serve.tensors import Parameters, Tensor, check_sizes, texts_of

INPUT = "text"
LABEL, SCORES, OUT_OF_SCOPE = "label", "scores", "out_of_scope"
OUTPUTS = (LABEL, SCORES, OUT_OF_SCOPE)
MICROSECONDS = 1e-6
MOST_TOP_K = 1_000_000
LONGEST_TIMEOUT = 1 << 63


class RequestedOutput(msgspec.Struct, frozen=True):
    """A requested output."""

    name: str
    binary: bool = False
    classes: int = 0
    """if above 0, the number of most likely labels to return, as `value:index:label`"""


JSON_DEFAULT = (RequestedOutput(LABEL), RequestedOutput(SCORES))
BINARY_DEFAULT = (RequestedOutput(LABEL, binary=True), RequestedOutput(SCORES, binary=True))


class InferRequest(msgspec.Struct, frozen=True):
    """A parsed request."""

    texts: list[str]
    id: str | None = None
    outputs: tuple[RequestedOutput, ...] = JSON_DEFAULT
    timeout: float | None = None
    """the client's own time limit in seconds"""


class PlainRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /predict`."""

    text: str | list[str]
    top_k: int = 1
    model: str | None = None
    version: str | None = None

    @property
    def texts(self) -> list[str]:
        """The texts, one or several."""
        return [self.text] if isinstance(self.text, str) else self.text


class _Output(msgspec.Struct, frozen=True):
    name: str
    parameters: Parameters | None = None


class _Request(msgspec.Struct, frozen=True):
    inputs: list[Tensor]
    id: str | None = None
    parameters: Parameters | None = None
    outputs: list[_Output] | None = None


_request = msgspec.json.Decoder(_Request)
_plain = msgspec.json.Decoder(PlainRequest)


def read_infer(body: bytes, json_length: str | None, limits: Limits) -> InferRequest:
    """Read a request to `…/infer`.

    Args:
        body: unpacked bytes.
        json_length: the header Inference-Header-Content-Length: number of bytes of JSON, before the binary tensors.
        limits: limits on texts.

    Raises:
        HTTPError: 400 with the reason for anything malformed, 413 above a limit.
    """
    json, binary = _split(body, json_length)
    json = _without_mark(json)
    request: _Request = _decode(_request, json)
    if len(request.inputs) != 1 or request.inputs[0].name != INPUT:
        raise malformed(f"there must be one input, named {INPUT!r}")
    tensor = request.inputs[0]
    texts = texts_of(tensor, _slice(tensor, binary), limits)
    parameters = request.parameters
    if parameters is None and request.outputs is None:
        return InferRequest(texts, request.id)
    parameters = parameters or {}
    return InferRequest(texts, request.id, _outputs(request.outputs, parameters), _timeout(parameters))


def read_plain(body: bytes, limits: Limits) -> PlainRequest:
    """Read a request to `/predict`.

    Raises:
        HTTPError: 400 with the reason for anything malformed, 413 above a limit.
    """
    plain: PlainRequest = _decode(_plain, _without_mark(body))
    if not 1 <= plain.top_k <= MOST_TOP_K:
        raise malformed(f"top_k must be from 1 to {MOST_TOP_K}")
    if not plain.texts:
        raise malformed("text is an empty list; give one text or more")
    if len(plain.texts) > limits.texts:
        raise too_large(f"{len(plain.texts)} texts in one request; at most {limits.texts} are taken")
    check_sizes(plain.texts, limits)
    return plain


def _without_mark(data: bytes | memoryview) -> bytes | memoryview:
    """JSON without a byte order mark, which some clients on Windows send (see RFC 8259, section 8.1)."""
    return data[len(BOM_UTF8) :] if data[: len(BOM_UTF8)] == BOM_UTF8 else data


def _decode(decoder: msgspec.json.Decoder[Any], data: bytes | memoryview) -> Any:
    try:
        return decoder.decode(data)
    except RecursionError as error:
        raise malformed("the JSON is nested too deeply") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise malformed(f"not a valid request: {error}") from error


def _split(body: bytes, json_length: str | None) -> tuple[bytes | memoryview, memoryview | None]:
    if json_length is None:
        return body, None
    if (
        not (json_length.isascii() and json_length.isdigit()) or len(json_length) > 12 or int(json_length) > len(body)
    ):  # twelve digits are a terabyte
        raise malformed("Inference-Header-Content-Length is not a length within the body")
    view = memoryview(body)
    return view[: int(json_length)], view[int(json_length) :]


def _slice(tensor: Tensor, binary: memoryview | None) -> memoryview | None:
    """The binary data of the only input, which must be everything after the JSON."""
    size = tensor.parameters.get("binary_data_size") if tensor.parameters else None
    if size is None:
        if binary:
            raise malformed("binary data follows the JSON, but the input says no binary_data_size")
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise malformed("binary_data_size is not a number of bytes")
    if binary is None:
        raise malformed("binary_data_size needs the header Inference-Header-Content-Length")
    if size != len(binary):
        raise malformed(f"binary_data_size is {size}, but {len(binary)} bytes follow the JSON")
    return binary


def _outputs(outputs: list[_Output] | None, parameters: Parameters) -> tuple[RequestedOutput, ...]:
    all_binary = parameters.get("binary_data_output") is True
    if not outputs:
        return BINARY_DEFAULT if all_binary else JSON_DEFAULT
    wanted: list[RequestedOutput] = []
    for output in outputs:
        if output.name not in OUTPUTS:
            raise malformed(f"there is no output {output.name[:40]!r}; there are: {', '.join(OUTPUTS)}")
        if any(other.name == output.name for other in wanted):
            raise malformed(f"output {output.name!r} is requested twice")
        own = output.parameters or {}
        wanted.append(
            RequestedOutput(output.name, own.get("binary_data", all_binary) is True, _classes(output.name, own))
        )
    return tuple(wanted)


def _classes(name: str, parameters: Parameters) -> int:
    classes = parameters.get("classification", 0)
    if not isinstance(classes, int) or isinstance(classes, bool) or classes < 0:
        raise malformed("classification must be a number of classes")
    if classes and name == OUT_OF_SCOPE:
        raise malformed(f"classification is of {SCORES!r} or {LABEL!r}, not of {OUT_OF_SCOPE!r}")
    return classes


def _timeout(parameters: Parameters) -> float | None:
    """Triton's `timeout` in microseconds; 0 for none."""
    timeout = parameters.get("timeout")
    if isinstance(timeout, int) and not isinstance(timeout, bool) and timeout > 0:
        if timeout >= LONGEST_TIMEOUT:
            raise malformed("timeout must be a number of microseconds below 2**63")
        return timeout * MICROSECONDS
    return None


__all__ = ["HTTPError", "InferRequest", "PlainRequest", "RequestedOutput", "read_infer", "read_plain"]
