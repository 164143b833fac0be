"""Resolve once what a recipe leaves to the machine, so that a run gives the same model wherever it is resumed.

Another number of threads adds floats in another order, bfloat16 rounds differently, and 7-bit weights are not 8-bit
ones. So options that the user did not state are resolved before the fingerprint is taken, recorded in the manifest, and
kept in the run's `resolved.json`, so that the run can be resumed on any machine.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from packlight.errors import ArtifactError, PacklightError, RecipeError
from packlight.files import DAMAGED_JSON, atomic_write
from packlight.models import Checkpoint
from packlight.pipeline.thread_trial import PlannedTraining, fewest_threads, in_words, time_threads
from packlight.progress import info
from packlight.runtime.artifact import MANIFEST, read_manifest
from packlight.runtime.processor import has_vnni, threads_for
from packlight.steps.step import Step
from packlight.steps.training.devices import bf16_here, device_here

FILE = "resolved.json"
OPTIONS = ("device", "threads", "bf16", "reduce_range")
"""what a step can leave to the machine"""

S = TypeVar("S", bound=Step)


class Resolved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The values that replace null in a step's options of the same names."""

    device: str
    """the device for training encoders: cpu, cuda, mps or xpu"""
    threads: int
    """threads for training on the CPU"""
    bf16: bool
    reduce_range: bool
    trial_ms: dict[int, float] = {}
    """how long an update of one layer took with each number of threads; empty if they were not chosen by a trial"""


def here(threads: int | None = None) -> Resolved:
    """This machine's values. OMP_NUM_THREADS counts as stated, as it does for PyTorch."""
    device = device_here()
    return Resolved(
        device=device,
        threads=threads_for(threads or _omp_threads()),
        bf16=bf16_here(device),
        reduce_range=not has_vnni(),
    )


def settle(
    file: Path,
    *,
    threads: int | None = None,
    artifact: Path | None = None,
    training: PlannedTraining | None = None,
) -> Resolved:
    """The values for all steps of a run, from its file. The first call reads them from the machine and writes the file.

    Args:
        file: the run's `resolved.json`.
        threads: stated by the user. They replace those in the file from now on.
        artifact: if there is no file, this artifact's own values take precedence over the machine's.
        training: if nobody has stated the threads, they are chosen by a short trial of this training on the CPU.

    Raises:
        PacklightError: if the file is damaged, or if the number of threads is out of range.
    """
    if threads is not None:
        threads_for(threads)
    try:
        known = msgspec.json.decode(file.read_bytes(), type=Resolved)
    except FileNotFoundError:
        known = _at_first(threads, artifact, training)
        _write(file, known)
        return known
    except (OSError, *DAMAGED_JSON) as error:
        raise PacklightError(
            f"{file}: is damaged ({error}); remove it, or start in another --out, to train with this machine's settings"
        ) from error
    now = here()
    if threads is not None and threads != known.threads:
        info(
            f"training threads: {threads} from now on, {known.threads} before; models trained with the old number "
            f"are trained again"
        )
        known = msgspec.structs.replace(known, threads=threads, trial_ms={})
        _write(file, known)
    elif differing := [
        name for name in OPTIONS if getattr(known, name) != getattr(now, name) and not _as_in_trial(name, known, now)
    ]:
        kept = ", ".join(f"{name} {msgspec.to_builtins(getattr(known, name))}" for name in differing)
        info(
            f"continuing with {kept}, as at the start of this run; this machine's default would be different ({file.name})"
        )
    return known


def _at_first(threads: int | None, artifact: Path | None, training: PlannedTraining | None) -> Resolved:
    """The values at the start of a run."""
    stated = _made_with(artifact) | ({} if threads is None else {"threads": threads})
    known = msgspec.structs.replace(here(), **stated)
    if training is None or "threads" in stated or _omp_threads() or known.device != "cpu" or known.threads == 1:
        return known
    with on_threads(known.threads):
        trial = time_threads(training, known.threads, bf16=known.bf16)
    if not trial:
        return known
    info(in_words(trial))
    return msgspec.structs.replace(known, threads=fewest_threads(trial), trial_ms=trial)


def _as_in_trial(name: str, known: Resolved, now: Resolved) -> bool:
    """Whether a value differs from this machine's default only because a trial chose it."""
    return name == "threads" and now.threads == max(known.trial_ms, default=None)


def _write(file: Path, resolved: Resolved) -> None:
    atomic_write(file, msgspec.json.format(msgspec.json.encode(resolved), indent=2) + b"\n")


def complete(step: S, resolved: Resolved, *, labels: tuple[str, ...] = (), checkpoint: Checkpoint | None = None) -> S:
    """Fill in what a step leaves to the machine. Steps that don't train are unchanged.

    Args:
        step: any step.
        resolved: the run's values.
        labels: the data's labels.
        checkpoint: the model that the step starts from, if that is not an artifact.
    """
    if checkpoint is not None and step.adopts(checkpoint, labels):
        return step
    null = {name for name in OPTIONS if getattr(step, name, ...) is None}
    device = getattr(step, "device", None) or resolved.device
    chosen = {name: value for name, value in msgspec.to_builtins(resolved).items() if name in null}
    if "bf16" in null and device != resolved.device:
        chosen["bf16"] = bf16_here(device)
    if hasattr(step, "device") and device != "cpu":
        # CPU threads only load the texts there.
        chosen.pop("threads", None)
    return msgspec.structs.replace(step, **chosen)


def check_device(step: Step) -> None:
    """Check that a resolved step can be carried out here.

    Raises:
        RecipeError: if it trains on a device that this machine lacks.
    """
    device = getattr(step, "device", None)
    if device not in (None, "cpu", device_here()):
        raise RecipeError(
            f"{step.name}: trains on {device}, which this machine doesn't have; continue on one that does, set "
            "`device: cpu` for this step in the recipe, or start in another --out"
        )


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Run PyTorch on a number of threads within the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads_for(count))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _made_with(artifact: Path | None) -> dict[str, Any]:
    """The values in an artifact's options; empty if there is no artifact yet."""
    if artifact is None or not (artifact / MANIFEST).is_file():
        return {}
    try:
        options = read_manifest(artifact).options
    except ArtifactError:
        return {}
    return {name: options[name] for name in OPTIONS if options.get(name) is not None}


def _omp_threads() -> int | None:
    """The number of threads that OMP_NUM_THREADS states for the outermost level."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdigit() and int(first) > 0 else None
