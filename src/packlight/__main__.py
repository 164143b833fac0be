"""The command `packlight`, also available as `python -m packlight`."""

from packlight import process


def main() -> None:
    """Prepare the process, then load the command line and run it."""
    process.prepare()
    from packlight.cli import main as run  # takes seconds on a slow disk, during which signals must already be handled

    run()


if __name__ == "__main__":
    main()
