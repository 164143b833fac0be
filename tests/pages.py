"""The code blocks of README and docs.

A comment before a block says what is special about it:

    <!-- not run: reason -->    nothing runs it
    <!-- hands-on: reason -->   only `make test-docs` runs it, on the real sample data
    <!-- exit: 0 or 1 -->       the exit statuses that are fine

A `text` block right after a block of commands or Python shows what that prints.
"""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^(?:<!-- *(?P<word>not run|hands-on|exit): *(?P<said>[^>]*?) *-->\n+)?```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
SHOWN = re.compile(r"\s*^```text\n(?P<shown>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A code block and what is said of it."""

    line: int
    language: str
    code: str
    not_run: str | None
    hands_on: str | None
    statuses: tuple[int, ...]
    shown: str | None
    """what the page says that it prints"""


def blocks(page):
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        said = {found["word"]: found["said"]}
        statuses = tuple(map(int, said.get("exit", "0").split(" or ")))
        shown = SHOWN.match(text, found.end())
        yield Block(
            line=text[: found.start("language")].count("\n") + 1,
            language=found["language"],
            code=found["code"],
            not_run=said.get("not run"),
            hands_on=said.get("hands-on"),
            statuses=statuses,
            shown=shown["shown"] if shown else None,
        )


def name(page):
    return page.relative_to(ROOT).as_posix()
