"""An artifact's origins: the models that training started from, with revision, hash and license."""

from pathlib import Path
from typing import Any

import msgspec

from packlight.files import atomic_write
from packlight.models.base_model import BaseModel
from packlight.runtime.artifact import Manifest

FACT = "base_model"
"""key of an origin in a manifest's facts and in those of its lineage"""

NOTICE = "NOTICE"

LICENSE_TEXTS = {"apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0"}

UNKNOWN = "not stated in its files"


def base_models(manifest: Manifest) -> tuple[BaseModel, ...]:
    """The models that training of an artifact and its ancestors started from, in order, without duplicates."""
    facts: list[dict[str, Any]] = [*(step.get("facts", {}) for step in manifest.lineage), manifest.facts]
    found = [msgspec.convert(each[FACT], BaseModel) for each in facts if FACT in each]
    return tuple({tuple(sorted(model.weights.values())): model for model in reversed(found)}.values())[::-1]


def notice(manifest: Manifest) -> str | None:
    """The text of an artifact's NOTICE; None if no model that it builds on is known by name."""
    known = [model for model in base_models(manifest) if model.id is not None]
    if not known:
        return None
    steps = ", ".join(str(step["step"]) for step in (*manifest.lineage, {"step": manifest.step}))
    parts = [f"{manifest.name}\n\nMade with packlight. It builds on the work of others, changed by: {steps}."]
    return "\n\n".join([*parts, *map(_attribution, known)]) + "\n"


def write_notice(manifest: Manifest, folder: Path) -> None:
    """Write an artifact's NOTICE to its folder, if there is anyone to name, before the folder is finalized."""
    if (text := notice(manifest)) is not None:
        atomic_write(folder / NOTICE, text)


def _attribution(model: BaseModel) -> str:
    lines = [f"{model.id}", f"  https://huggingface.co/{model.id}"]
    lines += [f"  revision {model.revision}"] if model.revision else []
    lines += [f"  {name}: sha256 {digest}" for name, digest in sorted(model.weights.items())]
    text = LICENSE_TEXTS.get(model.license or "")
    lines.append(f"  License: {model.license or UNKNOWN}{f' ({text})' if text else ''}")
    return "\n".join(lines)
