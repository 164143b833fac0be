"""`packlight push`: upload an artifact to the Hub."""

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
        Path, typer.Argument(help="Folder of an artifact, such as runs/latest/variants/student-onnx-static.")
    ],
    repo: Annotated[str, typer.Argument(help="Hub repository: `org/name`, or `org/name@branch`.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Upload. Without it, packlight only shows what it would send.")
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Make the repository public if it has to be created. Private by default.")
    ] = False,
    message: Annotated[str | None, typer.Option(help="Commit message.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Verify an artifact and upload it with its model card to the Hub. A dry run unless you give --yes.

    Example: `packlight push runs/latest/variants/student-onnx-static my-team/intents-small --yes`
    """
    plan = pushing.pack(artifact, repo, private=not public)
    for remark in plan.remarks:
        info(f"note: {remark}")
    if not yes and not as_json:
        target = plan.repo + (f"@{plan.revision}" if plan.revision else "")
        print_tables(Text(f"{artifact} -> {target}", style="bold"), _table(plan))
    url = pushing.push(plan, message=message) if yes else None
    if as_json:
        files = [{"name": name, "size": size} for name, size in plan.files]
        show_json({"repo": plan.repo, "files": files, "remarks": plan.remarks, "uploaded": yes, "commit": url})
    elif yes:
        info(f"uploaded: {url}")
    else:
        info("dry run; add --yes to upload")


def _table(plan: pushing.UploadPlan) -> Table:
    table = Table("file", box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column("size", justify="right", footer=megabytes(plan.size_bytes / 1e6))
    for name, size in plan.files:
        table.add_row(name, megabytes(size / 1e6) if size >= 1e5 else f"{size:,} B")  # 0.1 MB
    return table
