"""How large, how many, how long: every bound that a request can meet."""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of one worker process."""

    body_bytes: Count = 4 << 20
    """a request's body as it is sent"""
    unpacked_bytes: Count = 8 << 20
    """a compressed body once unpacked"""
    texts: Count = 256
    """texts in one request"""
    text_bytes: Count = 64 << 10
    """one text, in UTF-8"""
    queue_texts: Count = 512
    """texts waiting for one model, beyond which requests are refused whatever their size"""
    batch_tokens: Count = 64
    """padded tokens of one micro-batch; a longer text is a batch of its own"""
    deadline_seconds: Seconds = 2.0
    """from arrival to the start of inference"""
    head_seconds: Count = 60
    """for a request's headers, and for an idle connection to be used again; longer than most balancers keep theirs"""
    body_seconds: Seconds = 10.0
    """from the headers to the last byte of the body"""
