"""Which pieces stay."""

from collections.abc import Collection, Iterable, Mapping

from packlight.errors import RecipeError
from packlight.steps.vocabulary.inventory import Inventory


def choose(
    inventory: Inventory,
    used: Mapping[str, int],
    *,
    always: Collection[str],
    apart: int,
    wanted: int | None,
) -> set[str]:
    """The pieces that stay, with all that they are built of.

    First come the mandatory ones, then those in use, most used first, then the tokenizer's own most frequent. A
    piece whose parts would not fit any more is passed over for a smaller one.

    Args:
        inventory: the tokenizer's pieces.
        used: how often the texts use each piece.
        always: pieces that stay besides the inventory's mandatory ones.
        apart: tokens outside the model's own vocabulary, which stay and count as pieces.
        wanted: how many may stay; None for the mandatory ones and those in use.

    Raises:
        RecipeError: when fewer are wanted than must stay for no text to become unknown.
    """
    kept = _with_parts(inventory, inventory.mandatory | {piece for piece in always if piece in inventory.ids})
    in_use = sorted(used.keys() & inventory.ids.keys(), key=lambda piece: (-used[piece], inventory.ids[piece]))
    if wanted is None:
        return kept | _with_parts(inventory, in_use)
    room = wanted - apart
    if len(kept) > room:
        raise RecipeError(
            f"pieces: {wanted:,} are fewer than the {len(kept) + apart:,} special tokens and single characters without "
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


def _with_parts(inventory: Inventory, pieces: Iterable[str]) -> set[str]:
    return {part for piece in pieces for part in inventory.parts(piece)}
