"""Where each variant comes from: the graph of steps, their options, and how training went."""

from collections.abc import Iterator
from typing import Any

import msgspec

from packlight.report.html.folder import Run


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One variant in the graph."""

    name: str
    parent: str | None
    step: str
    options: tuple[tuple[str, str], ...]
    """that were set, as they are written in a recipe"""
    measured: bool


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """How a variant did on the validation split after one pass over the training texts."""

    variant: str
    epoch: int
    accuracy: float
    kept: bool
    """whether the weights of this epoch are the variant's"""


def nodes_of(run: Run) -> tuple[Node, ...]:
    """Every variant of the run, and what these were made from even where it was not measured; parents first."""
    nodes: dict[str, Node] = {}
    for node in (*_from_manifests(run), *_from_rows(run)):
        nodes.setdefault(node.name, node)
    return tuple(
        msgspec.structs.replace(node, parent=node.parent if node.parent in nodes else None) for node in nodes.values()
    )


def epochs_of(run: Run) -> tuple[Epoch, ...]:
    """The history of every training that kept one."""
    return tuple(
        Epoch(
            variant=name,
            epoch=int(each["epoch"]),
            accuracy=float(each["val_accuracy"]),
            kept=each["epoch"] == manifest.facts.get("best_epoch"),
        )
        for name, manifest in run.manifests.items()
        for each in manifest.facts.get("epochs", ())
    )


def _from_manifests(run: Run) -> Iterator[Node]:
    measured = {row.variant for row in run.measurements.measurements}
    for manifest in run.manifests.values():
        steps = [*manifest.lineage, {"name": manifest.name, "step": manifest.step, "options": manifest.options}]
        parent = None
        for step in steps:
            name = str(step["name"])
            yield Node(
                name=name,
                parent=parent,
                step=str(step["step"]),
                options=_options(step["options"]),
                measured=name in measured,
            )
            parent = name


def _from_rows(run: Run) -> Iterator[Node]:
    """Rows whose artifacts do not lie in the run's folder; reference rows come from nowhere and stay out."""
    for row in run.measurements.measurements:
        if row.step != "reference":
            yield Node(name=row.variant, parent=row.parent, step=row.step, options=(), measured=True)


def _options(options: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((key, _yaml(value)) for key, value in options.items() if value is not None)


def _yaml(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
