"""The application that every verb is registered on."""

from typing import Annotated

import typer

from packlight import __version__
from packlight.cli import (
    compare,
    deploy,
    engines,
    frontier,
    load,
    measure,
    plan,
    predict,
    push,
    recipes,
    results,
    run,
    search,
    serve,
    steps,
    trim,
    verify,
)
from packlight.cli.quiet import with_quiet
from packlight.errors import Exit

app = typer.Typer(
    name="packlight",
    help="Make a transformer text classifier small, fast and cheap enough to ship, with the evidence.",
    epilog="Exit status: " + "; ".join(f"{status.value} {status.meaning}" for status in Exit) + ".",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"packlight {__version__}")
        raise typer.Exit


@app.callback()
def packlight(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it and exit.")
    ] = False,
) -> None:
    """Make a transformer text classifier small, fast and cheap enough to ship, with the evidence."""


for verb in (
    run.run,
    search.search,
    measure.measure,
    results.report,
    compare.compare,
    results.recommend,
    plan.plan,
    predict.predict,
    verify.verify,
    push.push,
    serve.serve,
    load.load,
    deploy.deploy,
    steps.finetune,
    steps.distill,
    frontier.distill_static,
    trim.trim,
    frontier.prune,
    frontier.calibrate,
    frontier.cascade,
    steps.export,
    steps.quantize,
    engines.engines,
    recipes.recipes,
):
    app.command()(with_quiet(verb))
