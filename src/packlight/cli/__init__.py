"""The command line: one verb for each public function, thin, with the same words and defaults."""

import os
import sys
import warnings
from typing import Any

import click

from packlight.cli.app import app
from packlight.errors import PacklightError
from packlight.progress import say

USER_ERROR = 2
INTERRUPTED = 130


def main() -> None:
    """Run the command line; the exit status is 0, 2 for what the user can mend, 130 for an interruption."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.showwarning = _one_line
    try:
        status = app(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except click.Abort:
        status = INTERRUPTED
    except KeyboardInterrupt:
        say("stopped; the same command goes on where it was")
        status = INTERRUPTED
    except PacklightError as error:
        say(f"error: {error}")
        status = USER_ERROR
    except BrokenPipeError:
        # The reader of standard output went away, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def _one_line(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Warnings of packlight for the user; those of libraries are not the user's."""
    if category.__module__.startswith("packlight"):
        say(f"warning: {message}")
