"""`packlight push`: an artifact to the Hub, once it was looked at."""

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from packlight.cli import options
from packlight.cli.show import print_tables, show_json
from packlight.formatting import megabytes
from packlight.progress import info
from packlight.serve import push as pushing


def push(
    artifact: Annotated[
        Path, typer.Argument(help="An artifact's folder, such as runs/latest/variants/student-onnx-static.")
    ],
    repo: Annotated[str, typer.Argument(help="`org/name`, or `org/name@branch`.")],
    yes: Annotated[bool, typer.Option("--yes", help="Upload. Without it only what would be sent is shown.")] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Let everybody see a repository that has to be created.")
    ] = False,
    message: Annotated[str | None, typer.Option(help="Of the commit.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Upload a verified artifact and its model card to the Hub; a dry run unless --yes is given.

    Example: `packlight push runs/latest/variants/student-onnx-static my-team/intents-small --yes`
    """
    parcel = pushing.pack(artifact, repo, private=not public)
    for remark in parcel.remarks:
        info(f"mind: {remark}")
    if not yes and not as_json:
        target = parcel.repo + (f"@{parcel.revision}" if parcel.revision else "")
        print_tables(Text(f"{artifact} -> {target}", style="bold"), _table(parcel))
    url = pushing.push(parcel, message=message) if yes else None
    if as_json:
        files = [{"name": name, "size": size} for name, size in parcel.files]
        show_json({"repo": parcel.repo, "files": files, "remarks": parcel.remarks, "uploaded": yes, "commit": url})
    elif yes:
        info(f"uploaded: {url}")
    else:
        info("nothing was sent; add --yes to upload")


def _table(parcel: pushing.UploadPlan) -> Table:
    table = Table("file", box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column("size", justify="right", footer=megabytes(parcel.size_bytes / 1e6))
    for name, size in parcel.files:
        table.add_row(name, megabytes(size / 1e6) if size >= 1e5 else f"{size:,} B")  # 0.1 MB
    return table
