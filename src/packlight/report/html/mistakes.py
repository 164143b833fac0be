"""Wrong predictions with their texts: confusions, weak classes, and the texts that each step broke or fixed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from packlight.measure.results import Measurement, Raw, TrueLabels

UNKNOWN = "a label that the data lacks"
PAIRS = 8
EXAMPLES = 3
LISTED = 50
"""number of texts listed on each side of a step, to keep the page readable and small"""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A test text and its predictions."""

    text: str
    """empty if texts are left out"""
    answer: str
    """the true label"""
    given: str
    before: str | None = None
    """the parent's prediction"""
    confidence: float | None = None


class Confusion(msgspec.Struct, frozen=True, kw_only=True):
    """How often texts with one label were predicted to have another."""

    answer: str
    given: str
    count: int
    of: int
    """number of texts with the true label"""
    examples: tuple[Query, ...]


class WeakClass(msgspec.Struct, frozen=True, kw_only=True):
    """A class with low accuracy, and the labels that are predicted instead."""

    label: str
    accuracy: float
    queries: int
    taken_for: tuple[tuple[str, int], ...]
    examples: tuple[Query, ...]


class Mistakes(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's mistakes."""

    variant: str
    wrong: int
    of: int
    weak: tuple[WeakClass, ...]
    confusions: tuple[Confusion, ...]


class StepEffect(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of a step on the predictions, text by text."""

    variant: str
    parent: str
    broke: int
    fixed: int
    both_wrong: int
    broken_texts: tuple[Query, ...]
    """texts that were correct and are now wrong, the most confident first, at most `LISTED`"""
    fixed_texts: tuple[Query, ...]
    """texts that were wrong and are now correct"""


def mistakes(row: Measurement, raw: Raw, truth: TrueLabels) -> Mistakes | None:
    """A variant's mistakes; None if its predictions are meaningless."""
    if raw.predictions is None:
        return None
    wrong = [query for query in _queries(raw, truth) if query.given != query.answer]
    by_class = defaultdict(list)
    by_pair = defaultdict(list)
    for query in wrong:
        by_class[query.answer].append(query)
        by_pair[query.answer, query.given].append(query)
    sizes = Counter(truth.labels[answer] for answer in truth.answers)
    pairs = sorted(by_pair.items(), key=lambda item: (-len(item[1]), item[0]))[:PAIRS]
    return Mistakes(
        variant=row.variant,
        wrong=len(wrong),
        of=len(truth.answers),
        weak=tuple(
            WeakClass(
                label=score.label,
                accuracy=score.accuracy,
                queries=score.queries,
                taken_for=tuple(Counter(query.given for query in by_class[score.label]).most_common(EXAMPLES)),
                examples=tuple(_surest(by_class[score.label])[:EXAMPLES]),
            )
            for score in row.worst_classes
        ),
        confusions=tuple(
            Confusion(
                answer=answer, given=given, count=len(found), of=sizes[answer],
                examples=tuple(_surest(found)[:EXAMPLES]),
            )
            for (answer, given), found in pairs
        ),
    )  # fmt: skip


def effect(parent: Raw, raw: Raw, truth: TrueLabels) -> StepEffect | None:
    """The texts that a step broke and fixed; None if one of the two variants has no predictions."""
    before, after = truth.right(parent), truth.right(raw)
    if before is None or after is None:
        return None
    queries = [
        msgspec.structs.replace(now, before=then.given)
        for now, then in zip(_queries(raw, truth), _queries(parent, truth), strict=True)
    ]
    pairs = list(zip(queries, before, after, strict=True))
    broken = [query for query, was, now in pairs if was and not now]
    fixed = [query for query, was, now in pairs if now and not was]
    return StepEffect(
        variant=raw.variant,
        parent=parent.variant,
        broke=len(broken),
        fixed=len(fixed),
        both_wrong=sum(not was and not now for _, was, now in pairs),
        broken_texts=tuple(_surest(broken)[:LISTED]),
        fixed_texts=tuple(_surest(fixed)[:LISTED]),
    )


def quoted(wrong: Iterable[Mistakes], effects: Iterable[StepEffect]) -> set[str]:
    """The distinct texts that are quoted."""
    queries = [query for found in wrong for weak in found.weak for query in weak.examples]
    queries += [query for found in wrong for pair in found.confusions for query in pair.examples]
    queries += [query for found in effects for query in (*found.broken_texts, *found.fixed_texts)]
    return {query.text for query in queries if query.text}


def _queries(raw: Raw, truth: TrueLabels) -> Iterator[Query]:
    given = raw.predictions or []
    confidences: Sequence[float | None] = raw.confidences or [None] * len(given)
    for text, answer, label, confidence in zip(truth.texts, truth.answers, given, confidences, strict=True):
        yield Query(
            text=text,
            answer=truth.labels[answer],
            given=truth.labels[label] if label >= 0 else UNKNOWN,
            confidence=confidence,
        )


def _surest(queries: list[Query]) -> list[Query]:
    """The most confident first: mistakes that a threshold would not have caught."""
    return sorted(queries, key=lambda query: -(query.confidence or 0.0))
