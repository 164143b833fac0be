"""Attention in float32, inside a training in bfloat16 on a CPU.

PyTorch's attention for CPUs is slow in bfloat16 when gradients are computed: 32 texts of 15 tokens take 22 ms forwards and backwards,
and 4 ms in float32 (`benchmarks/attention_precision.py`). Matrix products outside of it stay in bfloat16.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Float32Attention(TorchFunctionMode):
    """While it is entered, `scaled_dot_product_attention` on a CPU computes in float32 where it would in bfloat16.

    The result is in bfloat16 again. With dropout, PyTorch computes attention in another way, which isn't slow, and nothing changes.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func`, or the attention in float32 in its place."""
        attends = func is torch.nn.functional.scaled_dot_product_attention
        return (_attention if attends else func)(*args, **(kwargs or {}))


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,  # noqa: FBT001, FBT002 - its place in PyTorch
    **rest: Any,
) -> Tensor:
    """PyTorch's attention, with its arguments: query, key and value are [batch, heads, tokens, width]."""
    attend = torch.nn.functional.scaled_dot_product_attention
    in_bf16 = query.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")
    if query.device.type != "cpu" or not in_bf16 or dropout_p or not torch.is_grad_enabled():
        return attend(query, key, value, attn_mask, dropout_p, is_causal, **rest)
    if attn_mask is not None and attn_mask.is_floating_point():
        attn_mask = attn_mask.float()
    with torch.autocast("cpu", enabled=False):
        return attend(query.float(), key.float(), value.float(), attn_mask, 0.0, is_causal, **rest).to(torch.bfloat16)
