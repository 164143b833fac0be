"""A tokenizer's vocabulary held against the model's embedding table, without PyTorch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packlight.errors import ModelError
from packlight.models.config_files import read_json


def check_vocabulary(folder: Path, config: Mapping[str, Any], where: str) -> None:
    """Refuse a tokenizer with ids that the model's embedding table does not have: they fail at the first such word.

    Raises:
        ModelError: naming some of the tokens.
    """
    rows = config.get("vocab_size")
    if not isinstance(rows, int):
        return
    beyond = [token for token, number in token_ids(folder, where).items() if number >= rows]
    if beyond:
        shown = ", ".join(map(repr, beyond[:3])) + (", …" if len(beyond) > 3 else "")
        raise ModelError(
            f"{where}: its tokenizer has {len(beyond)} tokens past the {rows:,} rows of the model's embedding table "
            f"({shown}); save it with the tokenizer that it was trained with, or call "
            "`model.resize_token_embeddings(len(tokenizer))` and train on before saving"
        )


def token_ids(folder: Path, where: str) -> dict[str, int]:
    """Each token's id, as the tokenizer's files state them; empty where only a sentencepiece model does."""
    found: dict[str, int] = {}
    if (folder / "tokenizer.json").is_file():
        document = read_json(folder / "tokenizer.json", where)
        vocabulary = (document.get("model") or {}).get("vocab") or {}
        if isinstance(vocabulary, dict):
            found |= vocabulary
        else:  # Unigram: pairs of a piece and its score
            found |= {str(pair[0]): number for number, pair in enumerate(vocabulary)}
        found |= {token["content"]: token["id"] for token in document.get("added_tokens") or ()}
        return found
    if (folder / "vocab.txt").is_file():
        lines = (
            (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
        )  # some pieces are line separators of Unicode
        found |= {token.rstrip("\r"): number for number, token in enumerate(lines) if token}
    for name in ("vocab.json", "added_tokens.json"):
        found |= read_json(folder / name, where) if (folder / name).is_file() else {}
    return found
