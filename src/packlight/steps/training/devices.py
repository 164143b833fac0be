"""The device for training on this machine.

PyTorch is imported when it is needed, so that a run can reject bad input before that takes seconds.
"""


def device_here() -> str:
    """The default device of this machine: its kind of accelerator, or `cpu`."""
    import torch

    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator.type if accelerator else "cpu"


def bf16_here(device: str) -> bool:
    """Whether bfloat16 is worth it on a device of this machine."""
    import torch

    if device != "cpu":
        return device == "cuda" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
