"""The command line: one verb for each public function, thin, with the same words and defaults."""

import os
import re
import sys
import traceback
import warnings
from typing import Any

import typer

from packlight.cli.app import app
from packlight.errors import Exit, PacklightError
from packlight.files import cache_folder
from packlight.process import OutputError, abandon_output, interruptible
from packlight.progress import info, warn
from packlight.steps import step_types

CACHES = {"TORCHINDUCTOR_CACHE_DIR": "torch"}
"""variables that say where libraries keep files, which would otherwise be all over the home and the temporary folder"""
RESUMING = [[verb] for verb in ("run", "search", "measure", *step_types())]
# typer carries a copy of click; earlier versions used the installed one.
_SUGGESTION = re.compile(r"\s*\(?(?:Did you mean|Possible options:)\s*", re.IGNORECASE)
_UsageFault: Any = typer.BadParameter.__base__.__base__  # type: ignore[union-attr]


def main() -> None:
    """Run the command line and exit with one of the statuses of `packlight.errors.Exit`."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for variable, name in CACHES.items():
        os.environ.setdefault(variable, str(cache_folder() / name))
    warnings.showwarning = _one_line
    try:
        with interruptible():
            status = app(standalone_mode=False) or Exit.OK
            sys.stdout.flush()
    except _UsageFault as error:
        _explain(error)
        status = Exit.ERROR
    except (typer.Abort, KeyboardInterrupt):
        status = Exit.INTERRUPTED
    except BrokenPipeError:
        abandon_output()  # its reader went away, as `head` does
        status = Exit.OK
    except OutputError as error:
        abandon_output()
        warn(f"error: {error}")
        status = error.exit
    except PacklightError as error:
        warn(f"error: {error}")
        status = error.exit
    except Exception:  # noqa: BLE001 - a bug, which must not look like a failed check
        traceback.print_exc()
        status = Exit.BUG
    # typer turns Ctrl-C into this status.
    if status == Exit.INTERRUPTED:
        info("stopped; rerun the command to resume" if sys.argv[1:2] in RESUMING else "stopped")
    sys.exit(int(status))


def _explain(error: Any) -> None:
    """A wrong call in one line; a call without anything gets the help that it asked for."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    message, suggestion = _suggested(error.format_message().replace("Value error, ", ""))
    context = getattr(error, "ctx", None)
    name = context.command_path if context else "packlight"
    warn(f"error: {message[:1].lower()}{message[1:]}{suggestion}; `{name} --help` shows what can be given")


def _suggested(message: str) -> tuple[str, str]:
    """A message without its suggestions, and these once: click and typer may each add their own."""
    head, *suggestions = _SUGGESTION.split(message)
    names = list(dict.fromkeys(name for part in suggestions for name in re.findall(r"[\w-]+", part)))
    suggestion = f". Did you mean {' or '.join(f'`{name}`' for name in names)}?" if names else ""
    return head.rstrip(". "), suggestion


def _one_line(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Warnings of packlight for the user; those of libraries are not the user's."""
    if category.__module__.startswith("packlight"):
        warn(f"warning: {message}")
