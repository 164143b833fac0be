"""The command line: one thin command for each public function, with the same names and defaults."""

import errno
import gc
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
from packlight.process import OutputError, ReaderGoneError, TerminatedError, abandon_output, interruptible
from packlight.progress import info, warn
from packlight.steps import step_names

CACHES = {"TORCHINDUCTOR_CACHE_DIR": "torch"}
"""variables for library caches, which would otherwise be scattered over the home and the temporary folder"""
RESUMING = [[verb] for verb in ("run", "search", "score", "measure", *step_names())]
REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "use a folder that can be written",
    errno.EACCES: "check its permissions",
}
"""what to do about errors of the file system that can happen at any file"""
# typer bundles click; earlier versions used the installed one.
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
    except TerminatedError:
        status = Exit.TERMINATED
    except (ReaderGoneError, BrokenPipeError):
        abandon_output()
        status = Exit.OK
    except OutputError as error:
        abandon_output()
        warn(f"error: {error}")
        status = error.exit
    except PacklightError as error:
        warn(f"error: {error}")
        status = error.exit
    except Exception as error:  # noqa: BLE001 - a bug, which must not look like a failed check
        status = _file_system(error)
    # typer turns Ctrl-C into this status.
    if status in (Exit.INTERRUPTED, Exit.TERMINATED):
        info("stopped; rerun the command to resume" if sys.argv[1:2] in RESUMING else "stopped")
    gc.freeze()  # Python would search all objects for cycles several times before it ends
    sys.exit(int(status))


def _file_system(error: Exception) -> Exit:
    """Report an error of the file system in one line, and a bug with its traceback."""
    if isinstance(error, OSError) and error.errno in REMEDIES:
        file = error.filename2 or error.filename
        place = f"{file}: " if file else ""
        warn(f"error: {place}{error.strerror}; {REMEDIES[error.errno]}, and rerun the command")
        return Exit.ERROR
    traceback.print_exc()
    return Exit.BUG


def _explain(error: Any) -> None:
    """Report a usage error in one line. A call without arguments shows the help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    message, suggestion = _suggested(error.format_message().replace("Value error, ", ""))
    context = getattr(error, "ctx", None)
    name = context.command_path if context else "packlight"
    see = " See" if suggestion else "; see"
    warn(f"error: {message[:1].lower()}{message[1:]}{suggestion}{see} `{name} --help`")


def _suggested(message: str) -> tuple[str, str]:
    """A message without its suggestions, and the suggestions. Click and typer can each add their own."""
    head, *suggestions = _SUGGESTION.split(message)
    names = list(dict.fromkeys(name for part in suggestions for name in re.findall(r"[\w-]+", part)))
    suggestion = f". Did you mean {' or '.join(f'`{name}`' for name in names)}?" if names else ""
    return head.rstrip(". "), suggestion


def _one_line(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Show packlight's own warnings, and hide those of libraries."""
    if category.__module__.startswith("packlight"):
        warn(f"warning: {message}")
