"""The application, with every command."""

from typing import Annotated

import typer

from packlight import __version__
from packlight.cli import (
    compare,
    deploy,
    engines,
    loadtest,
    measure,
    plan,
    predict,
    push,
    recipes,
    results,
    run,
    score,
    search,
    serve,
    steps,
    verify,
)
from packlight.cli.quiet import with_quiet
from packlight.cli.verb import Verb, Verbs
from packlight.errors import Exit
from packlight.steps import step_types

app = typer.Typer(
    name="packlight",
    cls=Verbs,
    help="Make transformer text classifiers small, fast and cheap to run, and measure what each step costs.",
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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Make transformer text classifiers small, fast and cheap to run, and measure what each step costs."""


GROUPS = {
    "Make": (run.run, search.search, recipes.recipes),
    "Make: one step": tuple(steps.verb(step) for step in step_types().values()),
    "Measure": (measure.measure, engines.engines, loadtest.loadtest),
    "Decide": (results.report, compare.compare, results.recommend, plan.plan),
    "Ship": (predict.predict, score.score, verify.verify, push.push, serve.serve, deploy.deploy),
}
"""the commands, in the groups that `packlight --help` shows"""

for group, verbs in GROUPS.items():
    for verb in verbs:
        app.command(cls=Verb, rich_help_panel=group)(with_quiet(verb))
