"""The one place where the manifest of a variant is written, for a run, a single step or the trainer."""

from pathlib import Path

from packlight import __version__
from packlight.measure import environment
from packlight.runtime.artifact import FORMAT, Artifact, Manifest
from packlight.runtime.golden import finalize_with_golden
from packlight.runtime.provenance import FACT, write_notice
from packlight.steps import step_types
from packlight.steps.context import StepResult
from packlight.steps.step import Step


def manifest_of(
    step: Step,
    result: StepResult,
    *,
    fingerprint: str,
    data_sha256: str,
    oos_label: str | None,
    parent: Artifact | None = None,
) -> Manifest:
    """The manifest of a variant, without its files.

    Args:
        step: with its options.
        result: what the step reports about the folder that it filled.
        fingerprint: hash of everything that determined the variant.
        data_sha256: content hash of the labelled texts.
        oos_label: the data's label for out-of-scope texts; by default the parent's.
        parent: the variant that it was built from.
    """
    trained = {"trained_on": environment.describe().cpu} if getattr(step, "threads", None) else {}
    return Manifest(
        format=FORMAT,
        name=step.name,
        parent=parent.name if parent else None,
        step=step.kind,
        options=step.options(),
        lineage=lineage_of(parent),
        fingerprint=fingerprint,
        data_sha256=data_sha256,
        engine=result.engine,
        precision=result.precision,
        model_file=result.model_file,
        max_length=result.max_length,
        long_texts=result.long_texts or (parent.manifest.long_texts if parent else "head"),
        oos_label=oos_label or (parent.manifest.oos_label if parent else None),
        batch_invariant=result.batch_invariant,
        abstain_below=result.abstain_below,
        libraries={"packlight": __version__, **environment.library_versions()},
        facts=result.facts | trained,
    )


def finalize_variant(folder: Path, manifest: Manifest) -> Manifest:
    """Turn a folder that a step filled into an artifact: write its NOTICE, golden texts, and manifest with every hash.

    Raises:
        ArtifactError: if the folder holds a file that can carry code, or if no engine can open it.
    """
    write_notice(manifest, folder)
    return finalize_with_golden(folder, manifest)


def lineage_of(parent: Artifact | None) -> tuple[dict[str, object], ...]:
    """A manifest's record of the steps before it: the parent's history, and the parent's own step."""
    if parent is None:
        return ()
    manifest = parent.manifest
    entry: dict[str, object] = {"name": manifest.name, "step": manifest.step, "options": manifest.options}
    # Calibration and license apply to whatever is built from it.
    step = step_types().get(manifest.step)
    kept = (FACT, "abstention", "lengths", *(step.lasting_facts if step else ()))
    if facts := {key: value for key, value in manifest.facts.items() if key in kept}:
        entry["facts"] = facts
    return (*manifest.lineage, entry)
