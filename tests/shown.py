"""Whether a page shows what a command prints, apart from what differs from one machine to the next.

Figures and the marks that depend on them may differ. Words, names, their order and the number of lines may not, so the
page must show the same pick for the same reason:

    7.6 MB, 0.31 ms, 94.3%, -12   any figure agrees with any other
    ● ~ ≈ ↑ ↓ and table rules     ignored, as is white space
    a word, a variant's name      must be the same
    …                             on a line of its own stands for any lines, inside a line for any words
"""

import re

FIGURE = re.compile(r"[-+±]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
IGNORED = re.compile(r"[●~≈↑↓│┃╭╮╰╯├┤┬┴┼─━┏┓┗┛┡┩╇╈╪═║*|]")
ANYTHING = "…"


def essence(text):
    """The lines of a text without figures, marks, rules and empty lines."""
    # A rule may be all that a line has, so empty lines are left out last.
    lines = (" ".join(FIGURE.sub("0", IGNORED.sub(" ", line)).split()) for line in text.splitlines())
    return [line for line in lines if line]


def difference(shown, printed):
    """The first line of a page's block that the printed text does not have there; None where all agree."""
    wanted, given = essence(shown), essence(printed)
    place, skipping = 0, False
    for line in wanted:
        if line == ANYTHING:
            skipping = True
            continue
        pattern = re.compile(".*".join(map(re.escape, line.split(ANYTHING))))
        last = len(given) if skipping else min(place + 1, len(given))
        found = next((index for index in range(place, last) if pattern.fullmatch(given[index])), None)
        if found is None:
            return f"the page shows {line!r}, the command printed {given[place] if place < len(given) else 'no more'!r}"
        place, skipping = found + 1, False
    if place < len(given) and not skipping:
        return f"the command also printed {given[place]!r}"
    return None
