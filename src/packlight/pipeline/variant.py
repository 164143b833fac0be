"""Build one variant: fingerprint, output folder, manifest, check against the parent, and its place on disk.

A variant is done if its folder has a manifest with the right fingerprint. Folders are written atomically, so after a
kill a variant is either done or not started. Training resumes from its last checkpoint in `work`.
"""

import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from packlight.data import Dataset
from packlight.errors import ArtifactError, DataError, ModelError, RecipeError
from packlight.files import atomic_folder, sha256_of
from packlight.formatting import percent, percent_interval
from packlight.measure.statistics import wilson_interval
from packlight.models import Checkpoint, label_mapping, resolve
from packlight.pipeline.announcing import announce_model
from packlight.pipeline.fingerprint import fingerprint
from packlight.pipeline.matching import planned_head
from packlight.pipeline.preflight import check_start
from packlight.pipeline.resolving import Resolved, check_device, complete, here, on_threads
from packlight.pipeline.stopwatch import Stopwatch
from packlight.progress import info, warn
from packlight.runtime.artifact import MANIFEST, Artifact, Manifest, read_labels, read_manifest, write_manifest
from packlight.runtime.engines import form_of
from packlight.steps import apply, next_step_for, step_types
from packlight.steps.abstention import abstention_of, describe
from packlight.steps.context import StepContext
from packlight.steps.finetune.options import Finetune
from packlight.steps.manifest import finalize_variant, manifest_of
from packlight.steps.out_of_scope import has_oos_class
from packlight.steps.step import Step, variant_name


def make_variant(
    step: Step,
    folder: Path,
    work: Path,
    data: Dataset,
    *,
    parent: Artifact | None = None,
    checkpoint: Checkpoint | None = None,
    other_parents: Mapping[str, Artifact] | None = None,
    seed: int = 0,
    resolved: Resolved | None = None,
    abstain: float | None = None,
    on_epoch: Callable[[int, float], None] = lambda _number, _accuracy: None,
    lengths_shown: bool = False,
) -> tuple[Artifact, bool]:
    """Build the step's artifact in `folder`, unless it is there already.

    Args:
        step: the step.
        folder: folder for the artifact.
        work: folder for checkpoints and caches. It is removed when the variant is done, and emptied if the variant's
            fingerprint has changed.
        data: labelled texts.
        parent: the artifact that the step starts from, if it needs one.
        checkpoint: the model that `finetune`, or the student of `distill`, starts from.
        other_parents: the variants that the step uses besides the parent, by name.
        seed: random seed of the run.
        resolved: the values that the step leaves to the machine; this machine's by default.
        abstain: in-scope accuracy on val that a variant without an out-of-scope class gives up by abstaining; None by
            default. If val has out-of-scope texts and train has none, they choose the threshold.
        on_epoch: called after each training epoch with its number, from 1, and the accuracy on val. An exception from
            it stops the training, which the same call resumes later.
        lengths_shown: whether the user has been told already how long texts may be.

    Returns:
        The artifact, and whether it had to be made.

    Raises:
        ArtifactError: if the folder contains something other than an artifact, which is not touched.
        DataError: if a file that the step reads cannot be read.
        ParityError: if its predictions differ too much from its parent's.
        RecipeError: if it must be trained on a device that this machine lacks.
    """
    other_parents, resolved = other_parents or {}, resolved or here()
    step = complete(step, resolved, labels=data.labels, checkpoint=checkpoint)
    wanted_fingerprint = fingerprint_of(
        step,
        data.sha256 if abstain is None else f"{data.sha256} abstain {abstain}",
        parent=parent,
        checkpoint=checkpoint,
        other_parents=other_parents,
        seed=seed,
    )
    if (done := _reusable_artifact(folder, wanted_fingerprint, parent)) is not None:
        # Left by a run that was killed after its last write.
        shutil.rmtree(work, ignore_errors=True)
        info(f"{step.name}: up to date")
        return done, False
    check_device(step)
    _prepare_work_dir(work, wanted_fingerprint)
    origin = parent.name if parent else checkpoint.reference if checkpoint else ""
    adopted = checkpoint is not None and step.adopts(checkpoint, data.labels)
    info(f"{step.name}: {'used as is' if adopted else step.kind} from {origin}")
    watch = Stopwatch(work)

    def keep_epoch(number: int, accuracy: float) -> None:
        watch.keep()
        on_epoch(number, accuracy)

    with on_threads(getattr(step, "threads", None) or resolved.threads), atomic_folder(folder) as draft:
        own = step.own_seed(seed)
        context = StepContext(data, own, checkpoint, parent, work, draft, other_parents, keep_epoch, lengths_shown)
        result = apply(step, context)
        manifest = manifest_of(
            step,
            result,
            fingerprint=wanted_fingerprint,
            data_sha256=data.sha256,
            oos_label=_oos_label(data, draft),
            parent=parent,
        )
        manifest = _with_abstention(draft, finalize_variant(draft, manifest), data, abstain)
        seconds = round(watch.seconds, 3)
        write_manifest(draft, msgspec.structs.replace(manifest, seconds=seconds))
    shutil.rmtree(work)
    artifact = Artifact.open(folder)
    info(
        f"{step.name}: done in {seconds:.0f} s, {artifact.size_bytes / 1e6:.1f} MB"
        f"{_summary_line(artifact, sum(label in data.label_set for label in data.val.labels))}"
    )
    if words := _learnt_nothing(artifact, data):
        warn(f"warning: {step.name}: {words}")
    return artifact, True


def _learnt_nothing(artifact: Artifact, data: Dataset) -> str | None:
    """Why a training was useless; None if it was not, or if nothing was trained."""
    facts, chance = artifact.manifest.facts, data.majority_shares.get("val")
    if chance is None or "epochs" not in facts or facts.get("val_accuracy", 1.0) > chance:
        return None
    return (
        f"no better on val than always predicting {data.majority_label!r} ({percent(chance)}). Check the labels and the model's "
        "language, train for longer, or lower the learning rate"
    )


def _with_abstention(draft: Path, manifest: Manifest, data: Dataset, abstain: float | None) -> Manifest:
    """Choose the threshold for abstaining, if a finished variant has neither that nor an out-of-scope class."""
    artifact = Artifact.open(draft)
    if has_oos_class(data) or manifest.abstain_below is not None or artifact.activation != "softmax":
        return manifest
    if (chosen := abstention_of(artifact, data, loss=abstain, oos_rate=None)) is None:
        return manifest
    info(f"  {describe(chosen, len(data.val))}")
    facts = manifest.facts | {"abstention": msgspec.to_builtins(chosen)}
    return msgspec.structs.replace(manifest, abstain_below=chosen.threshold, facts=facts)


def fingerprint_of(
    step: Step,
    data: str,
    *,
    parent: Artifact | None = None,
    checkpoint: Checkpoint | None = None,
    other_parents: Mapping[str, Artifact] | None = None,
    seed: int = 0,
) -> str:
    """The fingerprint of the variant that `make_variant` builds from a resolved step. `data` is the content hash.

    Raises:
        DataError: if a file that the step reads cannot be read.
    """
    origins = (
        parent.manifest.fingerprint if parent else None,
        checkpoint.sha256 if checkpoint else None,
        *((other_parents or {})[name].manifest.fingerprint for name in step.other_parents),
        *(_content(Path(file)) for file in step.files),
    )
    return fingerprint(
        kind=step.kind,
        generation=step.generation,
        options=step.options(),
        parent="+".join(filter(None, origins)),
        data=data,
        seed=seed,
    )


def open_parent(reference: str, data: Dataset, work: Path) -> Artifact:
    """The artifact in a folder, or any fine-tuned classifier converted to one.

    Args:
        reference: an artifact's folder, a classifier's folder, or a Hub id.
        data: labelled texts. The classifier must have all their labels.
        work: folder for converting a classifier to an artifact.

    Raises:
        ModelError: if the model is not a classifier of the data's labels.
    """
    if (Path(reference) / "packlight.json").is_file():
        return Artifact.open(Path(reference))
    checkpoint = resolve(reference)
    checkpoint.check_task()
    if checkpoint.labels is None:
        raise ModelError(
            f"{reference}: not a fine-tuned classifier; run `packlight finetune --model {shlex.quote(reference)}` first"
        )
    step = Finetune(name=_name_of(checkpoint))
    try:
        planned_head(step, checkpoint, data)
    except ModelError as error:
        raise ModelError(
            f"{error}\n  `packlight finetune --model {shlex.quote(reference)}` takes these options; start from the artifact that it makes, or "
            "give texts with the model's labels in --data."
        ) from error
    check_start(step, checkpoint, data)
    announce_model(step, checkpoint, data)
    return make_variant(step, work / "adopted", work / "adopting", data, checkpoint=checkpoint)[0]


def check_parent(
    step: Step, parent: Artifact, kinds: tuple[str, ...] | None = None, *, shown: str | None = None
) -> None:
    """Check that a step can start from an artifact.

    Args:
        step: the step.
        parent: the artifact to start from.
        kinds: the kinds of model that are allowed; those of the step's parent by default.
        shown: the user's name for the artifact; its folder by default.

    Raises:
        RecipeError: if it needs another kind. The message says what to run first.
    """
    needed = step.needs if kinds is None else kinds
    manifest = parent.manifest
    kind, place = form_of(manifest), shown or str(parent.path)
    if kind not in needed:
        remedy = f"give the variant that it was made from ({manifest.parent})"
        if (converting := next_step_for(kind)) is not None and step_types()[converting].makes in needed:
            out = f"{beside(place)}-{step_types()[converting].artifact_name}"
            remedy = f"run `packlight {converting} {shlex.quote(place)} --out {shlex.quote(out)}` first"
        raise RecipeError(f"{place}: is {kind}, but {step.kind} starts from {' or '.join(needed)}; {remedy}")


def beside(place: str) -> str:
    """A place for what is built from a model: next to its folder, or in `artifacts` if it is on the Hub."""
    return place if Path(place).exists() else f"artifacts/{variant_name(Path(place).name)}"


def _name_of(checkpoint: Checkpoint) -> str:
    """A variant name for a model from elsewhere: the last part of the user's reference."""
    return variant_name(Path(checkpoint.reference).resolve().name)


def _content(file: Path) -> str:
    """Hash of a file that a step reads.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        return sha256_of(file)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); give a file of texts") from error


def _prepare_work_dir(work: Path, wanted_fingerprint: str) -> None:
    """An empty work folder, or the one that this variant left when it was interrupted."""
    owner = work / "fingerprint"
    if work.is_dir() and not (owner.is_file() and owner.read_text() == wanted_fingerprint):
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    owner.write_text(wanted_fingerprint)


def _oos_label(data: Dataset, folder: Path) -> str | None:
    """The model's name for the data's out-of-scope label, which the data may only number."""
    if data.oos_label is None or data.oos_label not in data.label_set:
        return None
    labels = read_labels(folder / "config.json")
    return labels[label_mapping(labels, data.labels).columns[data.label_ids[data.oos_label]]]


def _summary_line(artifact: Artifact, texts: int) -> str:
    """A summary of a step's results on `val`, with 95% intervals for this number of texts."""
    facts = artifact.manifest.facts
    if "val_accuracy" in facts:
        return f", {_share(facts['val_accuracy'], texts)} on val"
    if "val_agreement" in facts:
        return f", {_share(facts['val_agreement'], texts)} of val labels as the parent's"
    if "parity" in facts:
        return f", logits within {facts['parity']['max_abs_difference']:.1g} of the parent's"
    return ""


def _share(share: float, texts: int) -> str:
    return f"{percent(share)} (95% interval {percent_interval(wilson_interval(round(share * texts), texts))})"


def _reusable_artifact(folder: Path, wanted_fingerprint: str, parent: Artifact | None) -> Artifact | None:
    """The finished artifact, if it is complete and has the right fingerprint. An altered one is built again.

    Raises:
        ArtifactError: if there is something else, which must not be replaced.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(
            f"{folder}: exists but is not a packlight artifact; remove it yourself, or give another --out"
        )
    try:
        manifest = read_manifest(folder)
        same = manifest.fingerprint == wanted_fingerprint and manifest.parent == (parent.name if parent else None)
        return Artifact.open(folder) if same else None
    except ArtifactError as error:
        info(f"{error}; building it again")
        return None
