"""The command `packlight`, which is `python -m packlight` too."""

from packlight import process


def main() -> None:
    """Prepare the process, then load the command line and run it."""
    process.prepare()
    from packlight.cli import main as run  # seconds on a slow disk, in which signals must be handled already

    run()


if __name__ == "__main__":
    main()
