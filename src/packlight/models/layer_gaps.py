"""Gaps in the numbered layers of a checkpoint, which show that weights are missing without knowing the architecture.

Only what no architecture leaves out is a gap: a number below the highest, the last numbers up to the depth in the
configuration, and a tensor of a layer in the middle that all other layers have. In some architectures, the first layer
lacks a tensor (ModernBERT), layers share their weights (ALBERT), or two kinds of layer alternate.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from packlight.models.weight_files import Shapes

LISTS = ("layer", "layers", "h", "block", "blocks")
"""what transformers calls a list of layers"""
DEPTHS = ("num_hidden_layers", "n_layers", "n_layer", "num_layers")
"""what it calls their number in a configuration"""
SHARED = ("num_hidden_groups", "block_sizes")
"""entries of configurations whose depth isn't the length of the list"""
LEAST_TENSORS = 4
"""minimum number of tensors in a layer of a transformer; the modules of a head have fewer"""
LEAST_ALIKE = 3
"""number of other layers that must agree before one of them is said to lack something"""
_NUMBERED = re.compile(r"(.*?)\.?\b(\d+)\.(.+)")


def layer_gaps(shapes: Shapes, config: Mapping[str, Any]) -> Iterator[str]:
    """Weights that are missing from the longest list of layers, or the embedding table.

    Args:
        shapes: the weights, by name.
        config: the content of config.json.

    Returns:
        Their names; none if nothing is certain.
    """
    rows = config.get("vocab_size")
    if isinstance(rows, int) and not any(len(shape) > 1 and max(shape) >= rows for shape in shapes.values()):
        yield f"the embedding table with {rows:,} rows"
    where, layers = _longest(shapes)
    if not layers:
        return
    everywhere = set.intersection(*layers.values())
    for number in range(max(max(layers) + 1, depth_of(config))):
        if number not in layers:
            yield from (f"{where}.{number}.{name}" for name in sorted(everywhere))
    yield from (f"{where}.{number}.{name}" for number, names in _lacking(layers) for name in sorted(names))


def number_of_layers(shapes: Shapes) -> int:
    """The number of layers in the longest list of layers; 0 if there is none."""
    return max(_longest(shapes)[1], default=-1) + 1


def _longest(shapes: Shapes) -> tuple[str, Mapping[int, set[str]]]:
    """The name of the longest list of layers, and the tensors of each; no layers if the modules are none."""
    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name in shapes:
        if (match := _NUMBERED.match(name)) and match[1].rpartition(".")[2] in LISTS:
            found[match[1]][int(match[2])].add(match[3])
    where, layers = max(found.items(), key=lambda each: sum(map(len, each[1].values())), default=("", {}))
    return where, layers if layers and min(map(len, layers.values())) >= LEAST_TENSORS else {}


def depth_of(config: Mapping[str, Any]) -> int:
    """The number of layers that a configuration states; 0 if it states none, or if layers are shared."""
    if any(name in config for name in SHARED):
        return 0
    return next((depth for name in DEPTHS if isinstance(depth := config.get(name), int)), 0)


def _lacking(layers: Mapping[int, set[str]]) -> Iterator[tuple[int, set[str]]]:
    """A layer in the middle with less than all others have, which are alike, and nothing more."""
    last = max(layers)
    for number, own in layers.items():
        others = [names for other, names in layers.items() if other not in (0, number, last)]
        if (
            0 < number < last
            and len(others) >= LEAST_ALIKE
            and all(names == others[0] for names in others)
            and own < others[0]
        ):
            yield number, others[0] - own
