"""`packlight verify`: whether an artifact is whole, and answers here as it did where it was made."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.cli import options
from packlight.cli.show import show_json
from packlight.progress import info
from packlight.runtime.artifact import Artifact


def verify(
    artifact: Annotated[
        Path, typer.Argument(help="An artifact's folder, such as runs/latest/variants/student-onnx-static.")
    ],
    threads: options.Threads = None,
    as_json: options.AsJson = False,
) -> None:
    """Check an artifact's files, and that it answers its golden texts on this machine as it did when it was made.

    The exit status is 2 when a file is missing or altered, token ids differ, or logits differ by more than the artifact
    allows.

    Example: `packlight verify runs/latest/variants/student-onnx-static`
    """
    from packlight.runtime.golden import verify as check  # opens engines, which most verbs do without

    found = check(artifact, threads=threads)
    if as_json:
        show_json(found)
        return
    files = len(Artifact.open(artifact).manifest.files)
    info(
        f"{artifact}: verified. {files} files match their hashes; {found.texts} golden texts, answered in "
        f"{found.seconds:.2f} s: token ids equal, {found.labels_changed} labels changed, logits differ by "
        f"{found.distance:.2g} on average (tolerance {found.tolerance:.2g}), by {found.largest_difference:.2g} at most"
    )
