"""`python -m packlight` is the command `packlight`."""

from packlight.cli import main

if __name__ == "__main__":
    main()
