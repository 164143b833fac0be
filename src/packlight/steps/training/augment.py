"""Unlabelled texts generated from labelled ones, for a teacher to label.

A small student differs from its teacher mostly on texts that belong to no class. The training texts contain hardly any
of these, but recombined ones do: half of one query and half of another, or a query with words exchanged, shuffled or
left out. Their labels are unknown, so the student learns from the teacher's soft predictions (compare Jiao et al. 2020,
TinyBERT, section 3.2, and Wei & Zou 2019, EDA).
"""

import random
from collections.abc import Callable, Sequence

Words = list[str]
LEFT_OUT = 0.25
EXCHANGED = 0.3


def augment(texts: Sequence[str], count: int, *, seed: int) -> list[str]:
    """Generate distinct new texts that differ from the given ones. Returns fewer if no more can be generated.

    Args:
        texts: training texts.
        count: number of texts to generate.
        seed: random seed.
    """
    chooser = random.Random(seed)  # noqa: S311 - no secret
    split = [words for text in texts if (words := text.split())]
    vocabulary = [word for words in split for word in words]
    ways: tuple[Callable[[random.Random, list[Words], Words], Words], ...] = (
        _splice,
        _splice,
        _exchange,
        _thin,
        _shuffle,
    )
    known = set(texts)
    made: list[str] = []
    for _ in range(3 * count):
        if len(made) == count or not split:
            break
        text = " ".join(chooser.choice(ways)(chooser, split, vocabulary))
        if text and text not in known:
            known.add(text)
            made.append(text)
    return made


def _splice(chooser: random.Random, split: list[Words], _: Words) -> Words:
    """The beginning of one text and the end of another."""
    first, second = chooser.choice(split), chooser.choice(split)
    return first[: chooser.randint(1, len(first))] + second[chooser.randint(0, len(second) - 1) :]


def _exchange(chooser: random.Random, split: list[Words], vocabulary: Words) -> Words:
    """Some words exchanged for words of other texts, frequent ones more often."""
    return [chooser.choice(vocabulary) if chooser.random() < EXCHANGED else word for word in chooser.choice(split)]


def _thin(chooser: random.Random, split: list[Words], _: Words) -> Words:
    """Some words left out."""
    return [word for word in chooser.choice(split) if chooser.random() >= LEFT_OUT]


def _shuffle(chooser: random.Random, split: list[Words], _: Words) -> Words:
    """The words in another order."""
    words = chooser.choice(split)
    return chooser.sample(words, len(words))
