"""Whose work an artifact builds on: the models that training started from, with revision, hash and license."""

from pathlib import Path
from typing import Any

import msgspec

from packlight.files import atomic_write
from packlight.models.base_model import BaseModel
from packlight.runtime.artifact import Manifest

FACT = "base_model"
"""where a manifest's facts, and those of its lineage, hold one"""

NOTICE = "NOTICE"

LICENSE_TEXTS = {"apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0"}

UNKNOWN = "not stated in its files"


def base_models(manifest: Manifest) -> tuple[BaseModel, ...]:
    """The models that an artifact's training and that of its ancestors started from, each once, the first first."""
    facts: list[dict[str, Any]] = [*(step.get("facts", {}) for step in manifest.lineage), manifest.facts]
    found = [msgspec.convert(each[FACT], BaseModel) for each in facts if FACT in each]
    return tuple({tuple(sorted(model.weights.values())): model for model in reversed(found)}.values())[::-1]


def notice(manifest: Manifest) -> str | None:
    """The text of an artifact's NOTICE; None where no model that it builds on is known by name."""
    known = [model for model in base_models(manifest) if model.id is not None]
    if not known:
        return None
    steps = ", ".join(str(step["step"]) for step in (*manifest.lineage, {"step": manifest.step}))
    parts = [f"{manifest.name}\n\nMade with packlight. It builds on the work of others, changed by: {steps}."]
    return "\n\n".join([*parts, *map(_attribution, known)]) + "\n"


def write_notice(manifest: Manifest, folder: Path) -> None:
    """Write an artifact's NOTICE into its folder, where there is somebody to name; before the folder is sealed."""
    if (text := notice(manifest)) is not None:
        atomic_write(folder / NOTICE, text)


def _attribution(model: BaseModel) -> str:
    lines = [f"{model.id}", f"  https://huggingface.co/{model.id}"]
    lines += [f"  revision {model.revision}"] if model.revision else []
    lines += [f"  {name}: sha256 {digest}" for name, digest in sorted(model.weights.items())]
    text = LICENSE_TEXTS.get(model.license or "")
    lines.append(f"  License: {model.license or UNKNOWN}{f' ({text})' if text else ''}")
    return "\n".join(lines)
