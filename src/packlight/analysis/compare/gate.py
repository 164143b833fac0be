"""Gates for continuous integration: a small language of conditions on changes.

    expression := all ("or" all)*
    all        := one ("and" one)*
    one        := "(" expression ")" | metric comparison number unit?
    comparison := "<" | "<=" | ">" | ">="
    unit       := "points" (of shares: accuracy, in_scope, oos_recall, macro_f1) | "%" (of all others)

`accuracy < -0.5 or latency > +10%` is true for a variant that lost more than half a percentage point, or whose mean
latency grew by more than 10%. The numbers are changes. Shares don't need a unit, but times need `%`. A difference
within noise counts as no change, unless `strict`.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from packlight.analysis.compare.changes import Change, Comparison, VariantChange
from packlight.analysis.compare.format import change_words
from packlight.analysis.compare.observed import METRICS
from packlight.errors import MeasurementError

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
DEEPEST = 20
_TOKEN = re.compile(r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))|(?P<word>[a-z_][a-z0-9_]*)|(?P<sign><=|>=|[<>()%]))")
EXAMPLE = 'such as "accuracy < -0.5 or latency > +10%"'


@dataclass(frozen=True)
class Clause:
    """A condition on one figure."""

    metric: str
    comparison: str
    bound: float
    """in percentage points or percent, depending on the figure"""

    def holds(self, change: float) -> bool:
        """Whether a change, as a fraction, meets the condition."""
        # Rounding must not decide at the limit: 0.9 - 0.895 is slightly less than 0.005.
        return COMPARISONS[self.comparison](round(100 * change, 9), self.bound)


@dataclass(frozen=True)
class Junction:
    """Several conditions, all or any of which must be true."""

    every: bool
    parts: tuple["Condition", ...]


Condition = Clause | Junction


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A variant for which the condition is true, or can't be checked any more."""

    variant: str
    reasons: tuple[str, ...]


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a gate."""

    expression: str
    strict: bool
    failures: tuple[Failure, ...]
    overlooked: tuple[str, ...]
    """changes that would meet a condition, but are within noise"""

    @property
    def passed(self) -> bool:
        """Whether the condition could be checked for every variant, and is true for none."""
        return not self.failures


def parse(expression: str) -> Condition:
    """Parse an expression.

    Raises:
        MeasurementError: if it is not valid. The message says where, and what is expected there.
    """
    return _Reader(expression).read()


def check(comparison: Comparison, expression: str, *, strict: bool = False) -> Gate:
    """Check every variant of a comparison, except for reference models.

    A variant, or a figure of the condition, that only the old run has is a failure too: what is gone can't be checked.

    Args:
        comparison: two runs.
        expression: the condition that must not be true for any variant.
        strict: also count differences within noise.

    Raises:
        MeasurementError: if the expression is not valid, or uses a figure that no variant has in both runs.
    """
    condition = parse(expression)
    own = [variant for variant in comparison.variants if not variant.reference]
    clauses = list(_clauses(condition))
    for clause in clauses:
        if not any(variant.change(clause.metric) for variant in own):
            raise MeasurementError(f"--fail-if asks for {clause.metric}, which no variant has in both runs")
    asked = {clause.metric for clause in clauses}
    failures = [Failure(variant=name, reasons=("not in the new run",)) for name in comparison.gone]
    for variant in own:
        reasons = [f"no {metric} in the new run" for metric in variant.lost if metric in asked]
        if _holds(condition, variant, strict=strict):
            reasons += _reasons(clauses, variant, strict=strict)
        if reasons:
            failures.append(Failure(variant=variant.name, reasons=tuple(reasons)))
    overlooked = [
        f"{variant.name}: {change_words(change)}"
        for variant in own
        for clause in clauses
        if (change := variant.change(clause.metric)) is not None
        and clause.holds(change.change)
        and not _clause_holds(clause, variant, strict=strict)
    ]
    return Gate(
        expression=expression,
        strict=strict,
        failures=tuple(failures),
        overlooked=tuple(dict.fromkeys(overlooked)),
    )


def _holds(condition: Condition, variant: VariantChange, *, strict: bool) -> bool:
    if isinstance(condition, Clause):
        return _clause_holds(condition, variant, strict=strict)
    choose = all if condition.every else any
    return choose(_holds(part, variant, strict=strict) for part in condition.parts)


def _clause_holds(clause: Clause, variant: VariantChange, *, strict: bool) -> bool:
    change = variant.change(clause.metric)
    return change is not None and clause.holds(_counted(change, strict=strict))


def _counted(change: Change, *, strict: bool) -> float:
    return change.change if strict or change.measurable else 0.0


def _reasons(clauses: list[Clause], variant: VariantChange, *, strict: bool) -> Iterator[str]:
    for clause in clauses:
        change = variant.change(clause.metric)
        if change is not None and _clause_holds(clause, variant, strict=strict):
            yield change_words(change)


def _clauses(condition: Condition) -> Iterator[Clause]:
    if isinstance(condition, Clause):
        yield condition
    else:
        for part in condition.parts:
            yield from _clauses(part)


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._place = 0
        self._depth = 0

    def read(self) -> Condition:
        condition = self._any()
        if self._place < len(self._tokens):
            raise self._wrong("`and`, `or` or the end")
        return condition

    def _any(self) -> Condition:
        return self._joined("or", lambda: self._joined("and", self._one, every=True), every=False)

    def _joined(self, word: str, part: Callable[[], Condition], *, every: bool) -> Condition:
        parts = [part()]
        while self._take(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Junction(every, tuple(parts))

    def _one(self) -> Condition:
        if not self._take("("):
            return self._clause()
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"at most {DEEPEST} nested brackets")
        inner = self._any()
        if not self._take(")"):
            raise self._wrong("`)`")
        self._depth -= 1
        return inner

    def _clause(self) -> Clause:
        metric = METRICS.get(self._next())
        if metric is None:
            raise self._wrong(f"one of {', '.join(METRICS)}")
        self._place += 1
        if (comparison := self._next()) not in COMPARISONS:
            raise self._wrong("<, <=, > or >=")
        self._place += 1
        try:
            bound = float(self._next())
        except ValueError:
            raise self._wrong("a number, such as -0.5 or +10%") from None
        self._place += 1
        if metric.unit == "%" and not self._take("%"):
            raise self._wrong(f"`%`: a change of {metric.name} is given in percent of the value before")
        if metric.unit == "points" and not self._take("points") and self._next() == "%":
            raise self._wrong(f"`points` or nothing: a change of {metric.name} is given in percentage points")
        return Clause(metric.name, comparison, bound)

    def _next(self) -> str:
        return self._tokens[self._place][0] if self._place < len(self._tokens) else ""

    def _take(self, token: str) -> bool:
        found = self._next() == token
        self._place += found
        return found

    def _wrong(self, expected: str) -> MeasurementError:
        found = f"{self._next()!r} at column {self._tokens[self._place][1]}" if self._next() else "the end"
        return MeasurementError(f"--fail-if {self._text!r}: expected {expected}, found {found}; {EXAMPLE}")


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """The tokens with their columns, counted from 1."""
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            column = place + len(text[place:]) - len(text[place:].lstrip()) + 1
            raise MeasurementError(f"--fail-if {text!r}: column {column} is not part of a condition; {EXAMPLE}")
        token = match[match.lastgroup or 0]
        yield token, match.end() - len(token) + 1
        place = match.end()
