"""The page as plain data: everything that the template and the charts show."""

from collections.abc import Mapping, Sequence

import msgspec

from packlight.analysis.capacity import UTILISATION, PriceTable, default_prices
from packlight.analysis.summary import Summary, summarise
from packlight.measure.results import Measurement, Raw, TrueLabels, correct_by_variant, samples_of
from packlight.report.html.advice import Evidence, Pick, evidence_of, pick_of
from packlight.report.html.curves import Curve, cumulative, risk_coverage, roc, service_times
from packlight.report.html.folder import Run
from packlight.report.html.lineage import Epoch, Node, epochs_of, nodes_of
from packlight.report.html.mistakes import Mistakes, StepEffect, effect, mistakes, quoted
from packlight.report.html.reproduce import commands

RATE = 1000.0


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's latencies."""

    variant: str
    steps: tuple[tuple[float, float], ...]
    """the empirical distribution: (milliseconds, share)"""
    times: tuple[float, ...]
    """service times for the queueing formula, ascending"""


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """The curves for filtering a variant's predictions by confidence."""

    variant: str
    roc: Curve | None
    """ROC of the largest in-scope logit; None if the data has no out-of-scope texts"""
    own: tuple[float, float] | None
    """the point of the variant's own labels on it: (share of out-of-scope texts let through, of in-scope texts)"""
    coverage: Curve | None
    """risk against coverage by confidence"""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The whole page."""

    run: str
    summary: Summary
    measurements: tuple[Measurement, ...]
    pick: Pick
    evidence: Evidence
    spreads: tuple[Spread, ...]
    scopes: tuple[Scope, ...]
    mistakes: tuple[Mistakes, ...]
    effects: tuple[StepEffect, ...]
    nodes: tuple[Node, ...]
    epochs: tuple[Epoch, ...]
    prices: PriceTable
    rate: float
    utilisation: float
    """initial values of the calculator, as is the rate"""
    commands: tuple[tuple[str, str], ...]
    quoted: int
    """number of test texts that the page quotes"""


def describe(run: Run, *, prices: PriceTable | None = None, texts: bool = True) -> Page:
    """Build the page of a run.

    Args:
        run: the content of the run's folder.
        prices: machines in the calculator; None for the built-in examples.
        texts: whether to quote test texts. Without them, the page shows only labels and counts.
    """
    if not texts:
        run = run.without_texts()
    wrong, effects = tuple(_mistakes(run)), tuple(_effects(run))
    rows = run.measurements.measurements
    right = _right(run)
    return Page(
        run=run.name,
        summary=summarise(run.measurements),
        measurements=rows,
        pick=pick_of(run.measurements, right),
        evidence=evidence_of(run.measurements, right),
        spreads=tuple(
            Spread(variant=name, steps=cumulative(samples), times=service_times(samples))
            for name, samples in samples_of(run.raws.values()).items()
            if samples
        ),
        scopes=tuple(_scopes(run)),
        mistakes=wrong,
        effects=effects,
        nodes=nodes_of(run),
        epochs=epochs_of(run),
        prices=prices or default_prices(),
        rate=rows[0].workers_for_rate.rate if rows else RATE,
        utilisation=UTILISATION,
        commands=commands(run),
        quoted=len(quoted(wrong, effects)),
    )


def _right(run: Run) -> Mapping[str, Sequence[bool]]:
    """For each variant, whether it classified each text of the split for choosing correctly."""
    truth = run.truths.get(run.measurements.chosen_on)
    return correct_by_variant(run.raws.values(), truth) if truth is not None else {}


def _scopes(run: Run) -> list[Scope]:
    found = []
    for name, raw in run.raws.items():
        right = run.truth.right(raw) if run.truth else None
        if run.truth is None or right is None:
            continue
        coverage = risk_coverage(raw.confidences, right) if raw.confidences else None
        curve, own = _roc(run.truth, raw, run.measurements.data.oos_label)
        if curve is not None or coverage is not None:
            found.append(Scope(variant=name, roc=curve, own=own, coverage=coverage))
    return found


def _roc(truth: TrueLabels, raw: Raw, oos_label: str | None) -> tuple[Curve | None, tuple[float, float] | None]:
    if oos_label not in truth.labels or raw.scope_scores is None or raw.predictions is None:
        return None, None
    outside = truth.labels.index(oos_label)
    in_scope = [answer != outside for answer in truth.answers]
    curve = roc(raw.scope_scores, in_scope)
    if curve is None:
        return None, None
    through = [given != outside for given in raw.predictions]
    return curve, (_share(through, in_scope, wanted=False), _share(through, in_scope, wanted=True))


def _share(through: Sequence[bool], in_scope: Sequence[bool], *, wanted: bool) -> float:
    """Share of one kind of texts that is let through."""
    kind = [let for let, inside in zip(through, in_scope, strict=True) if inside is wanted]
    return sum(kind) / len(kind)


def _mistakes(run: Run) -> list[Mistakes]:
    if run.truth is None:
        return []
    rows = [row for row in run.measurements.measurements if row.variant in run.raws]
    return [found for row in rows if (found := mistakes(row, run.raws[row.variant], run.truth)) is not None]


def _effects(run: Run) -> list[StepEffect]:
    if run.truth is None:
        return []
    pairs = [
        (run.raws[row.parent], run.raws[row.variant])
        for row in run.measurements.measurements
        if row.parent in run.raws and row.variant in run.raws
    ]
    return [found for parent, raw in pairs if (found := effect(parent, raw, run.truth)) is not None]
