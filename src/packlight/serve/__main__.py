"""`python -m packlight.serve`: start a server with settings from the environment, as `packlight loadtest` does."""

import sys

from packlight.errors import PacklightError
from packlight.serve.server import serve
from packlight.serve.settings import read_settings

if __name__ == "__main__":
    try:
        serve(read_settings())
    except PacklightError as error:
        sys.exit(f"error: {error}")
