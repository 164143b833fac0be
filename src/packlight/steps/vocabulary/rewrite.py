"""A tokenizer.json with some of its pieces: a normal one, in which every id is renumbered."""

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from packlight.errors import ModelError
from packlight.files import write_whole
from packlight.steps.vocabulary.inventory import Inventory


@dataclass(frozen=True)
class TrimmedTokenizer:
    """A tokenizer with fewer pieces, and where their embeddings are found in the old table."""

    document: Mapping[str, Any]
    """the new tokenizer.json"""
    old_ids: tuple[int, ...]
    """by new id; rising, so that pieces keep their order"""

    @cached_property
    def new_ids(self) -> Mapping[int, int]:
        """Old id to new."""
        return {old: new for new, old in enumerate(self.old_ids)}

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer itself."""
        return Tokenizer.from_str(json.dumps(self.document))


def rewrite(tokenizer: Tokenizer, inventory: Inventory, kept: Collection[str]) -> TrimmedTokenizer:
    """A tokenizer, which neither pads nor cuts, with the kept pieces of its model and all its added tokens.

    Raises:
        ModelError: when the tokenizers library gives the pieces other ids than planned.
    """
    document: dict[str, Any] = json.loads(tokenizer.to_str())
    ids = tokenizer.get_vocab(with_added_tokens=True)
    apart = sorted(added_apart(tokenizer, inventory), key=ids.__getitem__)
    # The library numbers added tokens that the model lacks after all of the model's pieces.
    order = [*sorted(kept, key=ids.__getitem__), *apart]
    numbers = {piece: number for number, piece in enumerate(order)}
    new_ids = {ids[piece]: number for piece, number in numbers.items()}
    document["model"] = inventory.cut(numbers)
    document["added_tokens"] = [
        token | {"id": numbers[token["content"]]}
        for token in sorted(document["added_tokens"], key=lambda token: numbers[token["content"]])
    ]
    document["post_processor"] = _renumbered(document["post_processor"], new_ids)
    trimmed = TrimmedTokenizer(document, tuple(ids[piece] for piece in order))
    if trimmed.tokenizer.get_vocab(with_added_tokens=True) != numbers:
        raise ModelError("the tokenizer numbers its added tokens in a way that cannot be kept; it cannot be trimmed")
    return trimmed


def added_apart(tokenizer: Tokenizer, inventory: Inventory) -> set[str]:
    """Added tokens that are no pieces of the model itself."""
    return {token.content for token in tokenizer.get_added_tokens_decoder().values()} - inventory.ids.keys()


def ids_in_post_processor(document: Mapping[str, Any]) -> set[int]:
    """The ids of the tokens that a tokenizer puts around a text."""
    seen: dict[int, int] = _Seen()
    _renumbered(document["post_processor"], seen)
    return set(seen)


def write_tokenizer(trimmed: TrimmedTokenizer, source: Path, folder: Path) -> None:
    """Write the tokenizer's files into a folder; `source` is the folder of the old ones."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "tokenizer.json", json.dumps(trimmed.document, ensure_ascii=False, separators=(",", ":")))
    if (file := source / "tokenizer_config.json").is_file():
        settings = json.loads(file.read_text(encoding="utf-8"))
        if (added := settings.get("added_tokens_decoder")) is not None:
            new = {int(old): token for old, token in added.items() if int(old) in trimmed.new_ids}
            settings["added_tokens_decoder"] = {str(trimmed.new_ids[old]): token for old, token in new.items()}
        write_whole(folder / file.name, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
    if (special := source / "special_tokens_map.json").is_file():
        shutil.copyfile(special, folder / special.name)


class _Seen(dict[int, int]):
    """Notes which ids are asked for."""

    def __missing__(self, number: int) -> int:
        self[number] = number
        return number


def _renumbered(processor: Any, new_ids: Mapping[int, int]) -> Any:
    """A post-processor, of any of the library's kinds, with new ids."""
    if processor is None:
        return None
    kind = processor["type"]
    if kind == "Sequence":
        return processor | {"processors": [_renumbered(each, new_ids) for each in processor["processors"]]}
    if kind == "TemplateProcessing":
        tokens = {
            name: token | {"ids": [new_ids[number] for number in token["ids"]]}
            for name, token in processor["special_tokens"].items()
        }
        return processor | {"special_tokens": tokens}
    if kind in ("BertProcessing", "RobertaProcessing"):
        return processor | {end: [processor[end][0], new_ids[processor[end][1]]] for end in ("sep", "cls")}
    return processor
