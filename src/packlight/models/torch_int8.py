"""Dynamic int8 in PyTorch: linear layers with int8 weights, saved without pickle.

PyTorch packs the weights of a quantized module into an object that needs pickle. Here, a layer is three plain tensors:
int8 `weight` [outputs, inputs], float32 `weight_scale` [outputs], float32 `bias` [outputs]. Weights are scaled
symmetrically per output channel, activations per batch at run time.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.ao.nn.quantized.dynamic import Linear as Int8Linear
from torch.ao.quantization import default_dynamic_qconfig, per_channel_dynamic_qconfig, quantize_dynamic
from transformers import PreTrainedModel

from packlight.errors import ArtifactError
from packlight.models.hf_model import INT8_SCALE, empty_classifier


def quantize(model: PreTrainedModel, *, per_channel: bool = True) -> PreTrainedModel:
    """A copy of the model with int8 weights in its linear layers. Embeddings stay in float32."""
    config = per_channel_dynamic_qconfig if per_channel else default_dynamic_qconfig
    with _quiet():
        quantized: PreTrainedModel = quantize_dynamic(model.eval(), {nn.Linear: config}, dtype=torch.qint8)
    return quantized


def save_int8(model: nn.Module, file: Path) -> None:
    """Write a quantized model's tensors as safetensors."""
    tensors: dict[str, Tensor] = {}
    for name, layer in _int8_layers(model).items():
        weight, bias = layer._packed_params._weight_bias()  # noqa: SLF001 - the only door to the tensors
        tensors[f"{name}.weight"] = weight.int_repr().contiguous()
        tensors[f"{name}{INT8_SCALE}"] = _scales(weight)
        if bias is not None:
            tensors[f"{name}.bias"] = bias.detach().contiguous()
    tensors |= {name: value.contiguous() for name, value in _float_state(model).items()}
    save_file(tensors, file, metadata={"format": "pt", "packlight": "int8 linear layers, per-channel weight_scale"})


def open_int8(folder: Path, file: Path) -> PreTrainedModel:
    """Open a classifier with weights from `save_int8`, described by the folder's `config.json`.

    Raises:
        ArtifactError: if the file is damaged, or if the tensors don't match the model.
    """
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{file}: not a safetensors file ({error}); build the artifact again") from error
    model = quantize(empty_classifier(folder))
    try:
        with _quiet():
            _fill(model, tensors)
    except (KeyError, RuntimeError) as error:
        raise ArtifactError(f"{file}: doesn't match its config.json ({error})") from error
    if tensors:
        raise ArtifactError(f"{file}: doesn't match its config.json ({min(tensors)} is left over)")
    return model


def is_int8(model: nn.Module) -> bool:
    """Whether any linear layer has int8 weights."""
    return bool(_int8_layers(model))


def _fill(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Move tensors into the model, and leave those without a place."""
    for name, layer in _int8_layers(model).items():
        shape = layer.weight().shape
        weight = _joined(tensors.pop(f"{name}.weight"), tensors.pop(f"{name}{INT8_SCALE}"))
        if weight.shape != shape:
            raise RuntimeError(f"{name}.weight has shape {tuple(weight.shape)}, not {tuple(shape)}")
        layer.set_weight_bias(weight, tensors.pop(f"{name}.bias", None))
    for name, value in _float_state(model).items():
        value.copy_(tensors.pop(name))


def _int8_layers(model: nn.Module) -> dict[str, Int8Linear]:
    return {name: module for name, module in model.named_modules() if isinstance(module, Int8Linear)}


def _float_state(model: nn.Module) -> dict[str, Tensor]:
    """All tensors outside int8 layers. They are the model's own, not copies."""
    layers = tuple(f"{name}." for name in _int8_layers(model))
    return {
        name: value.detach()
        for name, value in model.state_dict().items()
        if isinstance(value, Tensor) and not name.startswith(layers)
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide PyTorch's announcement that quantized tensors will move to another package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*quantized tensor creation", category=UserWarning)
        yield


def _scales(weight: Any) -> Tensor:
    if weight.qscheme() in (torch.per_channel_affine, torch.per_channel_symmetric):
        scales: Tensor = weight.q_per_channel_scales().to(torch.float32).contiguous()
        return scales
    return torch.tensor([weight.q_scale()])


def _joined(weight: Tensor, scale: Tensor) -> Tensor:
    if len(scale) == 1 and weight.shape[0] != 1:
        return torch._make_per_tensor_quantized_tensor(weight, float(scale), 0)  # noqa: SLF001 - as above
    zeros = torch.zeros(len(scale), dtype=torch.long)
    return torch._make_per_channel_quantized_tensor(weight, scale.double(), zeros, 0)  # noqa: SLF001 - as above
