"""Trim a tokenizer to the vocabulary that the texts use."""

import json
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from packlight.errors import ModelError, ParityError, UnsupportedError
from packlight.files import atomic_write
from packlight.steps.trim_vocabulary.inventories import BytePairs, Unigrams, VocabularyModel, WordPieces


def choose(
    inventory: VocabularyModel,
    used: Mapping[str, int],
    *,
    always: Collection[str],
    apart: int,
    wanted: int | None,
) -> set[str]:
    """The pieces to keep, with all those that they are built from.

    Mandatory pieces come first, then those in use, the most used first, then the tokenizer's most frequent ones. A
    piece whose parts no longer fit is skipped in favour of a smaller one.

    Args:
        inventory: the tokenizer's pieces.
        used: how often each piece occurs in the texts.
        always: pieces to keep besides the inventory's mandatory ones.
        apart: number of tokens outside the model's own vocabulary, which are kept and counted.
        wanted: number of pieces to keep; None for the mandatory ones and those in use.

    Raises:
        UnsupportedError: if fewer are wanted than are needed so that no text becomes unknown.
    """
    kept = _with_parts(inventory, inventory.mandatory | {piece for piece in always if piece in inventory.ids})
    in_use = sorted(used.keys() & inventory.ids.keys(), key=lambda piece: (-used[piece], inventory.ids[piece]))
    if wanted is None:
        return kept | _with_parts(inventory, in_use)
    room = wanted - apart
    if len(kept) > room:
        raise UnsupportedError(
            f"vocab_size {wanted:,} is less than the {len(kept) + apart:,} special tokens and single characters without "
            f"which texts would become unknown; give at least {len(kept) + apart:,}"
        )
    for pieces in (in_use, inventory.fillers()):
        for piece in pieces:
            if len(kept) >= room:
                return kept
            more = inventory.parts(piece) - kept
            if len(kept) + len(more) <= room:
                kept |= more
    return kept


def _with_parts(inventory: VocabularyModel, pieces: Iterable[str]) -> set[str]:
    return {part for piece in pieces for part in inventory.parts(piece)}


@dataclass(frozen=True)
class TrimmedTokenizer:
    """A tokenizer with fewer pieces, and the rows of their embeddings in the old table."""

    document: Mapping[str, Any]
    """the new tokenizer.json"""
    old_ids: tuple[int, ...]
    """old ids by new id, ascending, so that pieces keep their order"""

    @cached_property
    def new_ids(self) -> Mapping[int, int]:
        """Old id to new."""
        return {old: new for new, old in enumerate(self.old_ids)}

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer itself."""
        return Tokenizer.from_str(json.dumps(self.document))


def rewrite(tokenizer: Tokenizer, inventory: VocabularyModel, kept: Collection[str]) -> TrimmedTokenizer:
    """A tokenizer without padding or truncation, with the kept pieces of its model and all added tokens.

    Raises:
        UnsupportedError: if the tokenizers library assigns other ids than planned.
    """
    document: dict[str, Any] = json.loads(tokenizer.to_str())
    ids = tokenizer.get_vocab(with_added_tokens=True)
    apart = sorted(added_apart(tokenizer, inventory), key=ids.__getitem__)
    # The library numbers added tokens that the model lacks after all pieces of the model.
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
        raise UnsupportedError(
            "the tokenizer numbers its added tokens in a way that trimming can't keep; it cannot be trimmed"
        )
    return trimmed


def added_apart(tokenizer: Tokenizer, inventory: VocabularyModel) -> set[str]:
    """Added tokens that are not pieces of the model itself."""
    return {token.content for token in tokenizer.get_added_tokens_decoder().values()} - inventory.ids.keys()


def ids_in_post_processor(document: Mapping[str, Any]) -> set[int]:
    """The ids of the tokens that a tokenizer puts around a text."""
    seen: dict[int, int] = _Seen()
    _renumbered(document["post_processor"], seen)
    return set(seen)


def write_tokenizer(trimmed: TrimmedTokenizer, source: Path, folder: Path) -> None:
    """Write the tokenizer's files to a folder. `source` is the folder of the old files."""
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / "tokenizer.json", json.dumps(trimmed.document, ensure_ascii=False, separators=(",", ":")))
    if (file := source / "tokenizer_config.json").is_file():
        settings = json.loads(file.read_text(encoding="utf-8"))
        if (added := settings.get("added_tokens_decoder")) is not None:
            new = {int(old): token for old, token in added.items() if int(old) in trimmed.new_ids}
            settings["added_tokens_decoder"] = {str(trimmed.new_ids[old]): token for old, token in new.items()}
        atomic_write(folder / file.name, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
    if (special := source / "special_tokens_map.json").is_file():
        shutil.copyfile(special, folder / special.name)


class _Seen(dict[int, int]):
    """Records which ids are requested."""

    def __missing__(self, number: int) -> int:
        self[number] = number
        return number


def _renumbered(processor: Any, new_ids: Mapping[int, int]) -> Any:
    """A post-processor of any kind, with new ids."""
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


@dataclass(frozen=True)
class Segmentation:
    """The pieces of each text, without special tokens and without truncation."""

    rows: tuple[tuple[str, ...], ...]
    unknown: str | None
    """the unknown piece"""

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each piece occurs."""
        return Counter(piece for row in self.rows for piece in row)

    @property
    def mean_length(self) -> float:
        """Mean number of pieces per text."""
        return sum(map(len, self.rows)) / max(len(self.rows), 1)

    @property
    def unknown_rate(self) -> float:
        """Share of the pieces that are unknown; 0 if the tokenizer has no unknown piece."""
        return 0.0 if self.unknown is None else self.counts[self.unknown] / max(self.counts.total(), 1)

    def changed(self, other: "Segmentation") -> float:
        """Share of the texts that another tokenizer splits differently."""
        differing = sum(one != two for one, two in zip(self.rows, other.rows, strict=True))
        return differing / max(len(self.rows), 1)


def segment(tokenizer: Tokenizer, texts: Sequence[str]) -> Segmentation:
    """Tokenize texts into pieces."""
    # A unigram model's encoding shows the text's own characters for the unknown piece. The ids don't.
    piece_of = {number: piece for piece, number in tokenizer.get_vocab(with_added_tokens=True).items()}
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    rows = tuple(tuple(piece_of[number] for number in encoding.ids) for encoding in encodings)
    return Segmentation(rows, _unknown(tokenizer))


def _unknown(tokenizer: Tokenizer) -> str | None:
    # The library's objects don't expose a unigram model's unknown piece, but its JSON does.
    model = json.loads(tokenizer.to_str())["model"]
    if model["type"] == "Unigram":
        return None if model["unk_id"] is None else str(model["vocab"][model["unk_id"]][0])
    piece: str | None = model.get("unk_token")
    return piece


def open_tokenizer(file: Path) -> Tokenizer:
    """A fast tokenizer, without padding or truncation.

    Raises:
        ModelError: if the file is missing or damaged.
    """
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain Exception
        raise ModelError(f"{file}: not a fast tokenizer ({error})") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def trim_tokenizer(
    file: Path,
    texts: Sequence[str],
    *,
    pieces: int | None = None,
    fixed: Collection[int] = (),
) -> TrimmedTokenizer:
    """A tokenizer with the pieces that the texts use, and those that its kind can't do without.

    It never pads or truncates, whatever the file says.

    If all pieces in use are kept, it tokenizes these texts as before. In any case, no further text becomes unknown,
    provided that each character in the vocabulary is a piece of its own, as in every vocabulary that the tokenizers
    library trains. Pieces with characters that aren't are kept as well.

    Args:
        file: a tokenizer.json of word pieces, byte pairs or unigrams.
        texts: the texts whose pieces are counted.
        pieces: number of pieces to keep, added tokens included; None for those in use and the mandatory ones.
        fixed: ids of pieces to keep in any case.

    Raises:
        ModelError: if the file is damaged.
        UnsupportedError: if the tokenizer is of another kind, or if `pieces` is less than the number of mandatory pieces.
        ParityError: if texts are tokenized differently, although every token in use was kept.
    """
    tokenizer = open_tokenizer(file)
    document = json.loads(tokenizer.to_str())
    if document["model"]["type"] == "Unigram":
        # The library loses the last digit of a number that it reads, so equal scores can differ after another reading.
        document["model"]["vocab"] = json.loads(file.read_text(encoding="utf-8"))["model"]["vocab"]
    inventory = _inventory(tokenizer, document["model"])
    before = segment(tokenizer, texts)
    always = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    named = (tokenizer.id_to_token(number) for number in {*fixed, *ids_in_post_processor(document)})
    always.update(piece for piece in named if piece is not None)
    apart = len(added_apart(tokenizer, inventory))
    kept = choose(inventory, before.counts, always=always, apart=apart, wanted=pieces)
    trimmed = rewrite(tokenizer, inventory, kept)
    whole = (before.counts.keys() & inventory.ids.keys()) <= kept
    if whole and (changed := before.changed(segment(trimmed.tokenizer, texts))):
        raise ParityError(
            f"{changed:.1%} of the texts are tokenized differently, although all tokens in use were kept; the tokenizer "
            "depends on unused tokens and cannot be trimmed"
        )
    return trimmed


def _inventory(tokenizer: Tokenizer, model: dict[str, object]) -> VocabularyModel:
    kind = model["type"]
    if kind == "WordPiece":
        return WordPieces(model, tokenizer)
    if kind == "BPE":
        return BytePairs(model)
    if kind == "Unigram":
        return Unigrams(model)
    raise UnsupportedError(f"the tokenizer is a {kind}; only WordPiece, BPE and Unigram vocabularies can be trimmed")
