"""The commands that reproduce a run, if its folder records what they need."""

import shlex

from packlight.data.dataset import as_options
from packlight.measure.results import REFERENCE
from packlight.report.html.folder import Run


def commands(run: Run) -> tuple[tuple[str, str], ...]:
    """Pairs of a description and a command for a POSIX shell."""
    measured = run.measurements
    threads = {str(row.threads) for row in measured.measurements}
    same = ["--data", measured.data.source, *as_options(measured.data.reading)]
    same += ["--threads", *threads] if len(threads) == 1 else []
    found = []
    if run.has_recipe:
        words = [
            "run",
            "--recipe",
            f"{run.name}/recipe.yaml",
            *_model(run),
            *same,
            *_abstain(run),
            "--out",
            f"{run.name}-again",
        ]
        found.append(("Build and measure every variant again", words))
    if folders := [
        f"{run.name}/variants/{row.variant}" for row in measured.measurements if row.variant in run.manifests
    ]:
        words = ["measure", *folders, *_references(run), *same, "--out", f"{run.name}-measured"]
        found.append(("Measure the same artifacts again, here or on another machine", words))
    found.append(("Write this page again", ["report", run.name]))
    return tuple((what, shlex.join(["packlight", *words])) for what, words in found)


def _model(run: Run) -> list[str]:
    """The model that the first training started from, if its manifest records it."""
    started = {
        str(manifest.facts["started_from"]) for manifest in run.manifests.values() if "started_from" in manifest.facts
    }
    return ["--model", *started] if len(started) == 1 else []


def _abstain(run: Run) -> list[str]:
    """The in-scope accuracy that the run gave up by abstaining, if its manifests record one."""
    stated = {manifest.facts.get("abstention", {}).get("stated") for manifest in run.manifests.values()} - {None}
    return ["--abstain", str(stated.pop())] if len(stated) == 1 else []


def _references(run: Run) -> list[str]:
    names = [row.variant for row in run.measurements.measurements if row.step == REFERENCE and row.artifact is None]
    return [word for name in names for word in ("--reference", name)]
