"""Where a Chromium is, and how it is started so that it asks for nothing by itself."""

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
READY = "html[data-ready]"
"""what a report's page is once everything is drawn"""
MISSING = f"needs a Chromium: none of {', '.join(NAMES)} is on the PATH; PACKLIGHT_CHROMIUM names another"


def find():
    """The browser's path; None where there is none."""
    return os.environ.get("PACKLIGHT_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
