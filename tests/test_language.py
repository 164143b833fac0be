"""Words and sentences that were replaced stay out: `replaced_words.txt` lists them with what to write instead."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIST = Path(__file__).with_name("replaced_words.txt")
SOURCE = [
    *sorted(path for path in (ROOT / "src" / "packlight").rglob("*") if path.suffix in {".py", ".js", ".html", ".j2"}),
    *sorted(path for path in (ROOT / "benchmarks").iterdir() if path.is_file()),
    *sorted((ROOT / "scripts").glob("*.py")),
]
DOCUMENTATION = [
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "Makefile", "mkdocs.yml")
    ),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(path for path in (ROOT / "examples").iterdir() if path.is_file()),
    *sorted((ROOT / ".github").rglob("*.yml")),
    *sorted((ROOT / "src" / "packlight").rglob("*.yaml")),
]


def replaced() -> dict[str, dict[str, str]]:
    """The word list by section: old words to what is written instead."""
    sections: dict[str, dict[str, str]] = {}
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            section = sections.setdefault(heading[1], {})
        elif line and not line.startswith("#"):
            old, _, new = line.partition(" => ")
            assert new, f"{LIST.name}: {line!r} is not of the form `old => new`"
            section[old] = new
    return sections


def words_of(path: Path) -> str:
    """A file's text. Of a notebook, its cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    return text


def found(paths: list[Path], words: dict[str, str]) -> list[str]:
    """Where the old words stand, each with its replacement."""
    # A sentence may be broken over lines: between comment signs, quotes and indents too.
    patterns = {old: r"[\s#\"]+".join(map(re.escape, old.split())) for old in words}
    names = {f"w{number}": old for number, old in enumerate(patterns)}
    any_of = "|".join(f"(?P<{name}>{patterns[old]})" for name, old in names.items())
    pattern = re.compile(rf"(?<![\w-])(?:{any_of})(?!\w)", re.IGNORECASE)
    places = []
    for path in paths:
        text = words_of(path)
        for match in pattern.finditer(text):
            old = names[match.lastgroup or ""]
            line = text[: match.start()].count("\n") + 1
            places.append(f"{path.relative_to(ROOT)}:{line}: {old!r}, write: {words[old]}")
    return places


@pytest.mark.parametrize(
    ("paths", "sections"),
    [(SOURCE, ["everywhere"]), (DOCUMENTATION, ["everywhere", "documentation"])],
    ids=["src", "documentation"],
)
def test_replaced_words_stay_out(paths, sections):
    lists = replaced()
    places = [place for section in sections for place in found(paths, lists[section])]
    assert not places, "\n" + "\n".join(places)


def test_an_old_sentence_is_found_across_lines(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("It is dry\nunless --yes is given.\n")
    assert found([page], replaced()["everywhere"]) == ["page.md:1: 'dry unless --yes', write: dry run unless --yes"]
