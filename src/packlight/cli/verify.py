"""`packlight verify`: check that an artifact is intact and still gives the same predictions."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.cli import options
from packlight.cli.show import show_json
from packlight.progress import info
from packlight.runtime.artifact import Artifact


def verify(
    artifact: Annotated[
        Path, typer.Argument(help="Folder of an artifact, such as runs/latest/variants/student-onnx-static.")
    ],
    threads: options.Threads = None,
    as_json: options.AsJson = False,
) -> None:
    """Check an artifact: its files match their hashes, and its golden texts get the same predictions as when it was made.

    The exit status is 2 if a file is missing or altered, if token ids differ, or if logits differ by more than the
    artifact's tolerance.

    Example: `packlight verify runs/latest/variants/student-onnx-static`
    """
    from packlight.runtime.golden import verify as check  # opens engines, which most verbs do without

    found = check(artifact, threads=threads)
    if as_json:
        show_json(found)
        return
    files = len(Artifact.open(artifact).manifest.files)
    info(
        f"{artifact}: verified. {files} files match their hashes. {found.texts} golden texts in "
        f"{found.seconds:.2f} s: token ids equal, {found.labels_changed} labels changed, logits differ by "
        f"{found.distance:.2g} on average (tolerance {found.tolerance:.2g}), by {found.largest_difference:.2g} at most"
    )
