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
LABEL_STUDIO = (
    "Label Studio",
    "export as CSV there, and say --text-column text --label-column choice (or what the columns are called)",
)
FASTTEXT = (
    "fastText",
    r"""(echo text,label; sed -E 's/"/""/g; s/^__label__(\S+) (.*)$/"\2","\1"/' {file}) > texts.csv""",
)


def refuse_export(file: str, value: object) -> None:
    """Reject JSON in the format of a bot builder or an annotation tool.

    Raises:
        DataError: if it is. The message names the tool, and the command that converts it to CSV.
    """
    if isinstance(value, Mapping):
        if "rasa_nlu_data" in value:
            raise _error(file, *RASA_JSON)
        if "utterances" in value and ("intents" in value or "luis_schema_version" in value):
            raise _error(file, *LUIS)
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, Mapping) and "data" in first and {"annotations", "completions", "predictions"} & first.keys():
        raise _error(file, *LABEL_STUDIO)


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
        raise DataError(f"{file} is packed: unpack it, or pack one file with gzip (texts.csv.gz)")


def _error(file: str, tool: str, way: str) -> DataError:
    return DataError(
        f"{file} is {tool}'s own format, which packlight doesn't read; convert it to CSV: {way.format(file=file)}"
    )
