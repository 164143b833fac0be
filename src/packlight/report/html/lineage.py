"""The lineage of each variant: the graph of steps, their options, and the training history."""

from collections.abc import Iterator
from typing import Any

import msgspec

from packlight.measure.results import REFERENCE
from packlight.report.html.folder import Run


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A variant in the graph."""

    name: str
    parent: str | None
    step: str
    options: tuple[tuple[str, str], ...]
    """options that were set, as written in a recipe"""
    measured: bool


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's results on the validation split after an epoch."""

    variant: str
    epoch: int
    accuracy: float
    kept: bool
    """whether the variant has the weights of this epoch"""


def nodes_of(run: Run) -> tuple[Node, ...]:
    """Every variant of the run and its ancestors, measured or not; parents first."""
    nodes: dict[str, Node] = {}
    for node in (*_from_manifests(run), *_from_rows(run)):
        nodes.setdefault(node.name, node)
    return tuple(
        msgspec.structs.replace(node, parent=node.parent if node.parent in nodes else None) for node in nodes.values()
    )


def epochs_of(run: Run) -> tuple[Epoch, ...]:
    """The history of every training that has one."""
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
    """Rows whose artifacts are not in the run's folder, without reference rows."""
    for row in run.measurements.measurements:
        if row.step != REFERENCE:
            yield Node(name=row.variant, parent=row.parent, step=row.step, options=(), measured=True)


def _options(options: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((key, _yaml(value)) for key, value in options.items() if value is not None)


def _yaml(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
