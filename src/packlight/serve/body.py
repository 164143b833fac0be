"""A request's body: content encodings unpacked under a cap, so that a small bomb cannot fill the memory."""

import zlib

from packlight.serve.limits import Limits
from packlight.serve.refusal import Refusal, malformed, too_large

GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
RAW_DEFLATE = -zlib.MAX_WBITS


def unpack(body: bytes, encoding: str | None, limits: Limits) -> bytes:
    """The body as its sender wrote it.

    Args:
        body: as received.
        encoding: the Content-Encoding header; gzip, deflate (with or without zlib's frame) and identity are known.
        limits: `unpacked_bytes` is the cap.

    Raises:
        Refusal: 415 for another encoding, 413 above the cap, 400 for a damaged or cut stream.
    """
    name = (encoding or "identity").strip().lower()
    if name == "identity":
        return body
    if name in ("gzip", "x-gzip"):
        return _inflate(body, GZIP_OR_ZLIB, limits.unpacked_bytes)
    if name == "deflate":
        # RFC 9110, 8.4.1.2: some senders leave out zlib's frame; its first byte always has the low nibble 8
        framed = body[:1] and body[0] & 0x0F == zlib.DEFLATED and (int.from_bytes(body[:2]) % 31) == 0
        return _inflate(body, zlib.MAX_WBITS if framed else RAW_DEFLATE, limits.unpacked_bytes)
    raise Refusal(
        415, "Content-Encoding is not one of gzip, deflate, identity", headers=((b"accept-encoding", b"gzip, deflate"),)
    )


def _inflate(body: bytes, window: int, cap: int) -> bytes:
    stream = zlib.decompressobj(window)
    try:
        unpacked = stream.decompress(body, cap + 1)
    except zlib.error as error:
        raise malformed("the compressed body is damaged") from error
    if len(unpacked) > cap:
        raise too_large(f"the unpacked body is larger than {cap} bytes")
    if not stream.eof:
        raise malformed("the compressed body ends too early")
    if stream.unused_data:
        raise malformed("there are bytes after the compressed body")
    return unpacked
