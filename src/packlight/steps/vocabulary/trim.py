"""From a tokenizer and texts to the trimmed tokenizer, which is checked on those texts."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from tokenizers import Tokenizer

from packlight.errors import ModelError, ParityError
from packlight.steps.vocabulary.bpe import BytePairs
from packlight.steps.vocabulary.choose import choose
from packlight.steps.vocabulary.inventory import Inventory
from packlight.steps.vocabulary.rewrite import TrimmedTokenizer, added_apart, ids_in_post_processor, rewrite
from packlight.steps.vocabulary.segment import segment
from packlight.steps.vocabulary.unigram import Unigrams
from packlight.steps.vocabulary.wordpiece import WordPieces


def open_tokenizer(file: Path) -> Tokenizer:
    """A fast tokenizer, set to neither pad nor cut.

    Raises:
        ModelError: when the file is missing or damaged.
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
    """A tokenizer with the pieces that the texts use, and those that no tokenizer of its kind can miss.

    It neither pads nor cuts, whatever the file says of that.

    Where none of the pieces in use had to go, it cuts these texts into the same pieces as before. Whatever was
    chosen, no text becomes unknown that was not, provided that each character of the vocabulary is a piece of its
    own, as in all that the tokenizers library trains; pieces with characters that are not stay as well.

    Args:
        file: a tokenizer.json of word pieces, byte pairs or unigrams.
        texts: all whose pieces are counted.
        pieces: how many stay, added tokens included; None for those in use and the mandatory ones.
        fixed: ids of pieces that stay in any case.

    Raises:
        ModelError: when the file is damaged, or the tokenizer of another kind.
        RecipeError: when `pieces` is less than what must stay.
        ParityError: when the texts are cut otherwise than before though every piece in use stayed.
    """
    tokenizer = open_tokenizer(file)
    document = json.loads(tokenizer.to_str())
    if document["model"]["type"] == "Unigram":
        # The library reads a number to the last digit but one: once more read, scores that were equal may differ.
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
            f"{changed:.1%} of the texts are cut into other pieces though all pieces in use stayed; the tokenizer has "
            "a part that depends on unused pieces, and cannot be trimmed"
        )
    return trimmed


def _inventory(tokenizer: Tokenizer, model: dict[str, object]) -> Inventory:
    kind = model["type"]
    if kind == "WordPiece":
        return WordPieces(model, tokenizer)
    if kind == "BPE":
        return BytePairs(model)
    if kind == "Unigram":
        return Unigrams(model)
    raise ModelError(f"the tokenizer is a {kind}; only WordPiece, BPE and Unigram vocabularies can be trimmed")
