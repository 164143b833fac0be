"""A model's structure as plain data, known before any step starts to work."""

from dataclasses import dataclass

NO_EXPORT = {
    "xlnet": "its attention cannot be written as an ONNX graph of any length",
    "big_bird": "its block-sparse attention cannot be written as an ONNX graph of any length",
    "longformer": "its sliding attention cannot be written as an ONNX graph of any length",
    "funnel": "its pooling between layers cannot be written as an ONNX graph of any length",
}
"""architectures that PyTorch does not export, by model_type"""


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A classifier's parts; None for a part that cannot be removed from this architecture."""

    model_type: str
    layers: int | None
    """number of encoder layers"""
    neurons: int | None
    """neurons in each feed-forward block"""
    heads: int | None
    """attention heads in each layer"""
    hidden: int | None = None
    """channels of the hidden states"""
    head_width: int | None = None
    """channels of an attention head"""
    first_layer_stays: bool = False
    """whether the first layer is built differently from the others"""
    one_vector: bool = True
    """whether the head's input is one vector per text, and not one per token"""
    layout_known: bool = True
    """whether queries, keys and values can be read"""
    longest_text: int | None = None
    """maximum number of tokens, special tokens included; known for checkpoints that a recipe starts from"""

    def lacks_layers(self, layers: tuple[int, ...] | int) -> str | None:
        """Why these layers, or this number of layers, cannot be kept; None if they can."""
        if self.layers is None:
            return f"{self.model_type} has no list of layers that some could be taken out of"
        if isinstance(layers, int):
            return f"{layers} layers cannot be kept: the model has {self.layers}" if layers > self.layers else None
        if not layers or sorted(set(layers)) != list(layers) or layers[-1] >= self.layers:
            shown = ", ".join(map(str, layers))
            return f"layers {shown} cannot be kept: give increasing indices from 0 to {self.layers - 1}"
        if self.first_layer_stays and layers[0] != 0:
            return f"the first layer of {self.model_type} differs from the others and must be kept: begin layers with 0"
        return None

    def lacks(self, part: str, held: int | None, kept: int) -> str | None:
        """Why this number of a part cannot be kept; None if it can."""
        if held is None:
            return f"the {part} of {self.model_type} are not supported"
        return f"{kept} {part} can't be kept: there are only {held}" if kept > held else None

    def narrowed(self, size: float) -> tuple[int, int]:
        """The channels and attention heads of narrower hidden states, which `lacks_width` has checked.

        Args:
            size: what to keep: channels, or a share of them below 1. It is rounded down to whole heads.
        """
        assert self.hidden is not None  # the caller checks
        assert self.head_width is not None  # a supported architecture has attention heads
        heads = int((size if size >= 1 else size * self.hidden) / self.head_width)
        return heads * self.head_width, heads

    def lacks_width(self, size: float) -> str | None:
        """Why the hidden states cannot be made this narrow; None if they can."""
        if self.hidden is None or self.head_width is None or self.heads is None:
            return f"hidden_size: {self.model_type} is not supported"
        if size > self.hidden:
            return f"hidden_size {size:g} can't be kept: the hidden states have {self.hidden} channels"
        _, heads = self.narrowed(size)
        if not heads:
            return f"hidden_size {size:g} is less than one attention head, which has {self.head_width} channels"
        if heads > self.heads:
            return f"hidden_size {size:g} takes {heads} attention heads, but there are only {self.heads}"
        return None
