"""`packlight compare`: show what changed between two runs; a gate for CI."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from packlight.analysis import compare as comparing_compare
from packlight.cli import options
from packlight.cli.show import print_tables, show_json
from packlight.cli.without_effect import refuse
from packlight.errors import Exit
from packlight.report import comparison as comparing_comparison


def compare(
    before: Annotated[Path, typer.Argument(help="Run to compare with.", metavar="RUN_A")],
    after: Annotated[Path, typer.Argument(help="Run to check.", metavar="RUN_B")],
    pair: Annotated[
        list[str] | None,
        typer.Option(help="Variants to compare, as OLD=NEW. Can be repeated. Defaults to those with equal names."),
    ] = None,
    fail_if: Annotated[
        str | None,
        typer.Option(
            help='Condition that makes the exit status 1 if a variant meets it: "accuracy < -0.5 or latency > +10%".'
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Let --fail-if also count differences that may be noise.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a comment on a pull request.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare two runs: show what changed, with intervals, and which differences may be noise.

    Example: `packlight compare runs/main runs/branch --fail-if "accuracy < -0.5 or latency > +10%"`
    """
    if as_json:
        refuse({"--markdown": markdown}, "and --json are two forms of the same output; omit one")
    if fail_if is None:
        refuse({"--strict": strict}, 'is for --fail-if; add a condition, such as --fail-if "accuracy < -0.5"')
    else:
        comparing_compare.parse(fail_if)
    comparison = comparing_compare.compare(
        comparing_compare.read_observed(before),
        comparing_compare.read_observed(after),
        pairs=[_pair(each) for each in pair or ()],
    )
    gate = None if fail_if is None else comparing_compare.check(comparison, fail_if, strict=strict)
    if as_json:
        passed = None if gate is None else {"passed": gate.passed, **msgspec.to_builtins(gate)}
        show_json({**msgspec.to_builtins(comparison), "gate": passed})
    elif markdown:
        typer.echo(comparing_comparison.render_markdown(comparison, gate), nl=False)
    else:
        print_tables(comparing_comparison.terminal_view(comparison, gate))
    if gate is not None and not gate.passed:
        raise typer.Exit(Exit.CHECK_FAILED)


def _pair(words: str) -> tuple[str, str]:
    old, equals, new = words.partition("=")
    if not (old and equals and new):
        raise typer.BadParameter(f"--pair {words!r}: give OLD=NEW, such as student-onnx-int8=student-onnx-static")
    return old, new
