"""The command line: one verb for each public function, thin, with the same words and defaults."""

import os
import sys
import warnings
from typing import Any

import typer

from packlight.cli.app import app
from packlight.errors import PacklightError
from packlight.files import cache_folder
from packlight.progress import complain, say

USER_ERROR = 2
INTERRUPTED = 130
MAKING = ("finetune", "distill", "distill-static", "trim", "prune", "calibrate", "cascade", "export", "quantize")
CACHES = {"MPLCONFIGDIR": "matplotlib", "TORCHINDUCTOR_CACHE_DIR": "torch"}
"""variables that say where libraries keep files, which would otherwise be all over the home and the temporary folder"""
RESUMING = [[verb] for verb in ("run", "search", "measure", *MAKING)]
# typer carries a copy of click; earlier versions used the installed one.
_UsageFault: Any = typer.BadParameter.__base__.__base__  # type: ignore[union-attr]


def main() -> None:
    """Run the command line; the exit status is 0, 2 for what the user can mend, 130 for an interruption.

    `packlight compare` ends with 1 where its gate fails, `packlight search` where nothing keeps the limits;
    `packlight recommend` ends with 3 where no variant keeps every constraint.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for variable, name in CACHES.items():
        os.environ.setdefault(variable, str(cache_folder() / name))
    warnings.showwarning = _one_line
    try:
        status = app(standalone_mode=False)
    except _UsageFault as error:
        _explain(error)
        status = USER_ERROR
    except (typer.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except PacklightError as error:
        complain(f"error: {error}")
        status = USER_ERROR
    except BrokenPipeError:
        # The reader of standard output went away, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    # typer turns Ctrl-C into this status.
    if status == INTERRUPTED:
        say("stopped; the same command goes on where it was" if sys.argv[1:2] in RESUMING else "stopped")
    sys.exit(status)


def _explain(error: Any) -> None:
    """A wrong call in one line; a call without anything gets the help that it asked for."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    context = getattr(error, "ctx", None)
    name = context.command_path if context else "packlight"
    complain(f"error: {message[:1].lower()}{message[1:]}; `{name} --help` shows what can be given")


def _one_line(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Warnings of packlight for the user; those of libraries are not the user's."""
    if category.__module__.startswith("packlight"):
        complain(f"warning: {message}")
