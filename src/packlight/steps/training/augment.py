"""Unlabelled texts generated from labelled ones, for a teacher to label.

A small student differs from its teacher mostly on texts that belong to no class. The training texts contain hardly any
of these, but recombined ones do: half of one query and half of another, or a query with words exchanged, shuffled or
left out. Their labels are unknown, so the student learns from the teacher's soft predictions (compare Jiao et al. 2020,
TinyBERT, section 3.2, and Wei & Zou 2019, EDA).

They still contain only words of the training texts. On request, three of eight texts also get words of the teacher's vocabulary:
the student learns what its teacher makes of words that it would otherwise meet in use for the first time.
"""

import random
from collections.abc import Callable, Sequence
from functools import partial

Words = list[str]
LEFT_OUT = 0.25
EXCHANGED = 0.3
FOREIGN = (0.2, 0.4, 0.6)
"""shares of words to exchange for words of the vocabulary; one of them is chosen for each text"""
SHORT = 2
"""letters of words that are never exchanged for words of the vocabulary, such as "to" and "my\""""


def augment(
    texts: Sequence[str],
    count: int,
    *,
    seed: int,
    words: Sequence[str] = (),
) -> list[str]:
    """Generate distinct new texts that differ from the given ones. Returns fewer if no more can be generated.

    Args:
        texts: training texts.
        count: number of texts to generate.
        seed: random seed.
        words: words of the teacher's vocabulary, the most frequent first; none by default.
    """
    chooser = random.Random(seed)  # noqa: S311 - no secret
    split = [parts for text in texts if (parts := text.split())]
    vocabulary = [word for words in split for word in words]
    foreign = [word for word in words if len(word) > SHORT]
    ways: list[Callable[[random.Random, list[Words], Words], Words]] = [_splice, _splice, _exchange, _thin, _shuffle]
    if foreign:
        ways += [partial(_with_foreign, foreign)] * 3
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


def _with_foreign(foreign: Words, chooser: random.Random, split: list[Words], vocabulary: Words) -> Words:
    """A text or two halves, with some words exchanged for words of the vocabulary, frequent ones more often."""
    words = chooser.choice((_splice, _splice, _whole, _whole, _whole))(chooser, split, vocabulary)
    share = chooser.choice(FOREIGN)
    return [
        foreign[int(len(foreign) * chooser.random() ** 2)] if len(word) > SHORT and chooser.random() < share else word
        for word in words
    ]


def _whole(chooser: random.Random, split: list[Words], _: Words) -> Words:
    return chooser.choice(split)
