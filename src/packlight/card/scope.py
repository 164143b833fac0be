"""What an artifact does with texts that no class covers, in words: its label, the rule built in, or abstention."""

from typing import Any, NamedTuple

from packlight.artifact import SECOND, Artifact, Manifest, read_manifest
from packlight.figures import percent
from packlight.measurement import Measurements

AFRESH = ("finetune", "distill", "distill-static")
"""steps after which a threshold of before is no longer one"""


class Calibration(NamedTuple):
    """A rule that is built into an artifact."""

    variant: str
    """the one that it was chosen for"""
    facts: dict[str, Any]
    """what that step found out"""


def out_of_scope(artifact: Artifact, measurements: Measurements) -> str:
    """What happens to texts that no class covers."""
    row = measurements[artifact.name]
    label = artifact.manifest.oos_label
    if label is None:
        return _abstains(artifact)
    words = f"Texts that no class covers are answered `{label}`.{_rule(artifact)}"
    if row.oos_recall is None or row.in_scope_accuracy is None:
        return words + " How many are found out was not measured."
    return (
        f"{words} On the test texts **{percent(row.oos_recall)}** of them were found out; the others got the label of some "
        f"class. Texts of a known class were answered rightly in {percent(row.in_scope_accuracy)}."
    )


def calibration_of(artifact: Artifact) -> Calibration | None:
    """The rule that acts in an artifact; of a cascade, in its second model."""
    manifest = artifact.manifest
    if manifest.engine == "cascade":
        manifest = read_manifest(artifact.path / SECOND)
    for name, kind, facts in reversed(_history(manifest)):
        if kind == "calibrate" and "rule" in facts:
            return Calibration(name, facts)
        if kind in AFRESH:
            return None
    return None


def _history(manifest: Manifest) -> list[tuple[str, str, dict[str, Any]]]:
    before = [(step["name"], step["step"], step.get("facts", {})) for step in manifest.lineage]
    return [*before, (manifest.name, manifest.step, manifest.facts)]


def _rule(artifact: Artifact) -> str:
    found = calibration_of(artifact)
    if found is None or found.facts["rule"]["oos"] is None:
        return ""
    rule, rate = found.facts["rule"], found.facts["oos_rate"]
    on_val = f"{percent(found.facts['val_oos_recall'])} of them were found out there"
    return (
        f" The threshold was chosen on `val` (variant `{found.variant}`) for {_traffic(rate)}; {on_val}, "
        f"and {percent(found.facts['val_in_scope_accuracy'])} of the others were answered rightly. It is built into the last "
        f"layer, and acts wherever the file is opened: the label's logit is {rule['slope']:g} times the trained one "
        f"{'plus' if rule['shift'] >= 0 else 'minus'} {abs(rule['shift']):.3g}, and all are divided by a temperature of "
        f"{rule['temperature']:.3g}."
    )


def _traffic(rate: float | str | None) -> str:
    """What a threshold was chosen for."""
    if rate is None:
        return "traffic whose share of out-of-scope texts is not known: its accuracy is the highest at the worst share"
    if isinstance(rate, str):
        return "traffic with as large a share of out-of-scope texts as `val`"
    return f"traffic of which {percent(rate)} is out of scope"


def _abstains(artifact: Artifact) -> str:
    threshold = artifact.manifest.abstain_below
    if threshold is None:
        return (
            "It has no class for texts outside all others: **every text gets one of its labels**, however strange it is. "
            "Look at the probability, and decide what happens below a bound that you chose on texts of your own."
        )
    words = (
        "It has no class for texts outside all others, and **abstains** instead: a text whose likeliest label is less probable "
        f"than {threshold:.3f} is `out_of_scope` in packlight's answers. Other runtimes give the label and know no bound: compare "
        "its softmax probability with that number yourself."
    )
    found = calibration_of(artifact)
    if found is not None and "abstention" in found.facts:
        chosen = found.facts["abstention"]
        words += (
            f" The bound was chosen on `val` (variant `{found.variant}`), of which {percent(chosen['coverage'])} are answered, "
            f"{percent(chosen['risk'])} of these wrongly."
        )
    return words
