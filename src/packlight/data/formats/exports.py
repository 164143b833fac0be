"""Exports of other tools that packlight doesn't read, with the commands that convert them to CSV."""

from collections.abc import Mapping

from packlight.errors import DataError

LUIS = "LUIS", 'jq -r \'["text", "label"], (.utterances[] | [.text, .intent]) | @csv\' {file} > texts.csv'
_EXAMPLES = 'jq -r \'["text", "label"], (.rasa_nlu_data.common_examples[] | [.text, .intent]) | @csv\''
RASA_JSON = "Rasa", f"{_EXAMPLES} {{file}} > texts.csv"
RASA_YAML = (
    "Rasa",
    f"rasa data convert nlu -f json --data {{file}} --out nlu.json, then {_EXAMPLES} nlu.json > texts.csv",
)
_CSV = "| @csv' {file}) > texts.csv"
CLU = "Azure CLU", f"(echo text,label; jq -r '.assets.utterances[] | [.text, .intent] {_CSV}"
WIT = "Wit.ai", f"(echo text,label; jq -r '.utterances[] | [.text, .intent] {_CSV}"
_BY_NAME = ".intents | to_entries[] | .key as $name | .value.utterances[] | [([.data[].text] | add), $name]"
SNIPS = "Snips", f"(echo text,label; jq -r '{_BY_NAME} {_CSV}"
_SNIPS_SET = "to_entries[] | .key as $name | .value[] | [([.data[].text] | add), $name]"
SNIPS_SET = "Snips", f"(echo text,label; jq -r '{_SNIPS_SET} {_CSV}"
_WATSON = ".intents[] | .intent as $name | .examples[] | [.text, $name]"
WATSON = "Watson Assistant", f"(echo text,label; jq -r '{_WATSON} {_CSV}"
_WITH_NAME = """jq -r '.[] | [([.data[].text] | add), "INTENT"] | @csv' {file} >> texts.csv"""
DIALOGFLOW = "Dialogflow", f"write the line text,label first, then for each intent's file, with its name: {_WITH_NAME}"
SPACY = "spaCy", f"(echo text,label; jq -r '[.text, (.cats | to_entries | max_by(.value).key)] {_CSV}"
ARGILLA = "Argilla", f"(echo text,label; jq -r '[.fields.text, .responses.label[0].value] {_CSV}"
_SAID = """(.messages[] | select(.role == "user").content), (.messages[] | select(.role == "assistant").content)"""
CHAT = "OpenAI", f"(echo text,label; jq -r '[{_SAID}] {_CSV}"
LABEL_STUDIO = (
    "Label Studio",
    "export as CSV there, and pass --text-column text --label-column choice (or the names of your columns)",
)
FASTTEXT = (
    "fastText",
    r"""(echo text,label; sed -E 's/"/""/g; s/^__label__(\S+) (.*)$/"\2","\1"/' {file}) > texts.csv""",
)

CONTENTS = {
    b"\x1f\x8b": "is compressed with gzip: give it a name that ends in .gz",
    b"pk\x03\x04": "is a zip archive, or a workbook: unpack it, or give it a name that ends in .xlsx",
    b"%pdf": "is a PDF: export the table that it shows as CSV",
    b"version https://git-lfs": "is only a git-lfs pointer; run `git lfs pull` in its folder",
    b"<html": "is a web page: download the file itself, or export the table as CSV",
    b"<!doctype": "is a web page: download the file itself, or export the table as CSV",
}
"""kinds of binary and markup files, by their first bytes in lower case"""
PAIR = 2


def refuse_export(file: str, value: object) -> None:
    """Reject JSON in the format of a bot builder or an annotation tool.

    Raises:
        DataError: if it is. The message names the tool, and the command that converts it to CSV.
    """
    if isinstance(value, Mapping):
        if "rasa_nlu_data" in value:
            raise _error(file, *RASA_JSON)
        if "utterances" in value:
            raise _error(file, *(LUIS if "intents" in value or "luis_schema_version" in value else WIT))
        if isinstance(assets := value.get("assets"), Mapping) and "utterances" in assets:
            raise _error(file, *CLU)
        if isinstance(value.get("intents"), Mapping) and "language" in value:
            raise _error(file, *SNIPS)
        if _first_has(value.get("intents"), "intent", "examples"):
            raise _error(file, *WATSON)
        if value and all(_first_has(each, "data") for each in value.values()):
            raise _error(file, *SNIPS_SET)
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, Mapping) and isinstance(first.get("data"), list) and "isTemplate" in first:
        raise _error(file, *DIALOGFLOW)
    refuse_record(file, first)
    if isinstance(first, Mapping) and "data" in first and {"annotations", "completions", "predictions"} & first.keys():
        raise _error(file, *LABEL_STUDIO)


def _first_has(items: object, *keys: str) -> bool:
    """Whether this is a list whose first item is an object with these keys."""
    first = items[0] if isinstance(items, list) and items else None
    return isinstance(first, Mapping) and first.keys() >= set(keys)


def refuse_record(file: str, record: object) -> None:
    """Reject rows in the format of a tool, by the first of them.

    Raises:
        DataError: as `refuse_export` does.
    """
    if isinstance(record, list) and len(record) == PAIR and isinstance(record[1], Mapping) and "cats" in record[1]:
        raise _error(file, SPACY[0], SPACY[1].replace("[.text, (.cats", ".[] | [.[0], (.[1].cats"))
    if not isinstance(record, Mapping):
        return
    if isinstance(record.get("cats"), Mapping):
        raise _error(file, *SPACY)
    if isinstance(record.get("messages"), list):
        raise _error(file, *CHAT)
    if isinstance(record.get("fields"), Mapping) and "responses" in record:
        raise _error(file, *ARGILLA)


def refuse_content(file: str, data: bytes) -> None:
    """Reject a file whose first bytes show that it isn't a text file, or that is in fastText's format.

    Raises:
        DataError: if it is. The message says what it is, and what to do.
    """
    start = data[:200].lstrip().lower()
    if start.startswith(b"__label__"):
        raise _error(file, *FASTTEXT)
    found = next((words for mark, words in CONTENTS.items() if start.startswith(mark)), None)
    if found is not None:
        raise DataError(f"{file} {found}")


def refuse_kind(file: str, suffix: str, data: bytes) -> None:
    """Reject a file with the suffix of a known tool.

    Raises:
        DataError: if it has one. The message names the tool, and how to get CSV.
    """
    if suffix in {".yml", ".yaml"} and b"\nnlu:" in b"\n" + data:
        raise _error(file, *RASA_YAML)
    if suffix == ".md" and b"## intent:" in data:
        raise _error(file, *RASA_YAML)
    if data.lstrip().startswith(b"__label__"):
        raise _error(file, *FASTTEXT)
    if suffix in {".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz"}:
        raise DataError(f"{file} is an archive: unpack it, or compress one file with gzip (texts.csv.gz)")


def _error(file: str, tool: str, way: str) -> DataError:
    return DataError(
        f"{file} is {tool}'s own format, which packlight doesn't read; convert it to CSV: {way.format(file=file)}"
    )
