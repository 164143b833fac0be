"""Latency and speedup, with their confidence intervals.

Samples are an array of shape [rounds, texts]: every round times the same texts in the same order. With x[r, t] the time
of text t in round r, over R rounds and T texts:

    latency       L = 1/T · Σ_t median_r x[r, t]
    ratio         S = L(a) / L(b)

The median over rounds ignores a disturbance that hits a text once. The mean over texts counts all of them, whereas a
median would hide the slow stage of a cascade. Every ratio is a ratio of two latencies, so the figures are consistent.

A round is a pass over the texts in blocks: all variants time their first block, then all time their second, and so on.
A block is a fraction of a second long, so anything that slows the machine for longer affects all variants and cancels
out in a ratio. A fast variant times more texts in a block than a slow one; the texts of the slow one are the first of
its own.

The sample has short and long texts in their proportions, because length explains most of the time. Texts are resampled
within strata of similar length, so that length doesn't count as uncertainty.

A latency has two sources of uncertainty: the machine, from one block to the next, and the choice of texts. Each is
resampled separately. The two intervals are computed on the logarithm, and their distances from the estimate are added
like independent errors. For a ratio of two variants in a run, the same rounds of each block and the same texts are
drawn for both.

Sources
    bootstrap           Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13
    texts               by weights from an exponential distribution, the Bayesian bootstrap, which draws the same for
    the texts
                        that two variants share: Rubin (1981), The Annals of Statistics 9(1):130-134
    strata              resampled each on its own, and rescaled for their few texts: Rao & Wu (1988), Journal of the
    American
                        Statistical Association 83(401):231-241
    rounds and texts    Owen (2007), The pigeonhole bootstrap, Annals of Applied Statistics 1(2): two crossed factors
    their sum           Zou & Donner (2008), Statistics in Medicine 27(10):1693-1702, recovering variance estimates
    few rounds          Student's t on the bootstrap's standard error: Hesterberg (2015), The American Statistician
                        69(4):371-386, sections 4.1 and 4.2
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from packlight.errors import MeasurementError
from packlight.measure.statistics import CONFIDENCE, t_quantile

PRECISION = 0.05
"""a ratio is stable if its 95 % interval lies within this share of it"""
RESAMPLES = 2000
AT_ONCE = 200
"""number of resamples that are held in memory at once"""
ROUND_TEXTS = 512
"""maximum number of texts for resampling rounds, because fewer than all timed texts are enough"""

Floats = npt.NDArray[np.floating[Any]]
Samples = Sequence[Sequence[float]] | Floats


class Estimate(NamedTuple):
    """A latency or a ratio with its 95 % interval."""

    value: float
    low: float
    high: float
    by_rounds: float
    """half-width of the interval from the rounds alone, as a share of the value"""
    by_texts: float
    """the same for the choice of texts"""

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high

    @property
    def stable(self) -> bool:
        """Whether the interval is within 5 % of the value."""
        return self.low >= self.value * (1 - PRECISION) and self.high <= self.value * (1 + PRECISION)

    @property
    def level(self) -> bool:
        """For a ratio: whether the difference is within noise."""
        return self.low <= 1 <= self.high

    @property
    def limited_by(self) -> Literal["rounds", "texts"]:
        """What to increase in order to narrow the interval the most."""
        return "rounds" if self.by_rounds >= self.by_texts else "texts"

    @property
    def settled(self) -> bool:
        """Whether more rounds would not help: it is stable, or only the choice of texts keeps it from being so."""
        return self.stable or (self.by_texts > PRECISION >= self.by_rounds)


@dataclass(frozen=True)
class Resampled:
    """The logarithm of a variant's latency, with resampled deviations for rounds and texts."""

    log: float
    over_rounds: Floats
    """difference of the logarithm, shape [resamples]"""
    over_texts: Floats
    """difference of the logarithm, shape [resamples]"""
    rounds: int
    freedom: int
    """degrees of freedom that the spread over rounds is estimated with"""


def resample(
    samples: Samples, *, seed: int, blocks: int = 1, strata: Sequence[int] = (), rounds_seed: int | None = None
) -> Resampled:
    """Prepare a variant's samples for `latency` and `ratio`.

    Args:
        samples: positive times, shape [rounds, texts], at least two rounds.
        seed: random seed. Variants of one run share it, which pairs their rounds and texts.
        blocks: number of equal parts in which the texts were timed.
        strata: the stratum of each text; a single one by default.
        rounds_seed: random seed for rounds, if these are not paired although the texts are.

    Raises:
        MeasurementError: if there are fewer than two rounds, if rounds have different lengths, if blocks don't divide
            the texts, or if a time is not positive.
    """
    values = _checked(samples)
    rounds, texts = values.shape
    if texts % blocks:
        raise MeasurementError(f"{texts} texts are not {blocks} equal blocks; measure again")
    each = np.median(values, axis=0)
    return Resampled(
        log=float(np.log(each.mean())),
        over_rounds=_over_rounds(values, blocks, seed if rounds_seed is None else rounds_seed),
        over_texts=_over_texts(each, np.asarray(strata or [0] * texts), seed),
        rounds=rounds,
        freedom=blocks * (rounds - 1),
    )


def _over_rounds(values: Floats, blocks: int, seed: int) -> Floats:
    rounds, texts = values.shape
    kept = values.reshape(rounds, blocks, texts // blocks)[:, :, : -(-ROUND_TEXTS // blocks)]
    means = np.zeros(RESAMPLES)
    for block in range(blocks):
        draws = np.random.default_rng([0, seed, block]).integers(rounds, size=(RESAMPLES, rounds))
        for start in range(0, RESAMPLES, AT_ONCE):
            part = slice(start, start + AT_ONCE)
            means[part] += _middle(kept[draws[part], block]).mean(axis=1) / blocks
    return np.log(means) - float(np.log(np.median(kept, axis=0).mean()))


def _over_texts(each: Floats, strata: npt.NDArray[np.int64], seed: int) -> Floats:
    weights = np.random.default_rng([1, seed]).standard_exponential((len(each), RESAMPLES), dtype=np.float32)
    moved = np.zeros(RESAMPLES)
    for stratum in np.unique(strata):
        own = strata == stratum
        count, mean = int(own.sum()), each[own].mean()
        if count > 1:
            drawn = each[own] @ weights[own] / weights[own].sum(axis=0)
            moved += count / len(each) * (drawn - mean) * ((count + 1) / (count - 1)) ** 0.5
    moved /= each.mean()
    return np.asarray(np.log1p(np.maximum(moved, -0.9)))


def latency(of: Resampled) -> Estimate:
    """The mean over texts of each text's median over rounds, in the samples' unit."""
    return _estimate(of.log, of.over_rounds, of.over_texts, of.freedom)


def ratio(of: Resampled, over: Resampled) -> Estimate:
    """One variant's latency divided by another's; paired if both were resampled with the same seeds."""
    return _estimate(
        of.log - over.log,
        of.over_rounds - over.over_rounds,
        of.over_texts - over.over_texts,
        min(of.freedom, over.freedom),
    )


def target_figures(drawn: Mapping[str, Resampled], baseline: str) -> dict[str, Estimate]:
    """The target figures of a run: every other variant's speedup, or the baseline's latency if it is alone."""
    others = {name: ratio(drawn[baseline], each) for name, each in drawn.items() if name != baseline}
    return others or {baseline: latency(drawn[baseline])}


def typical(samples: Samples) -> float:
    """The estimate without an interval: the mean over texts of each text's median over rounds.

    Raises:
        MeasurementError: if rounds have different lengths, or if a time is not positive.
    """
    return float(np.median(_checked(samples, least=1), axis=0).mean())


def _estimate(log: float, over_rounds: Floats, over_texts: Floats, freedom: int) -> Estimate:
    down, up = np.percentile(over_texts, (50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)))
    texts_low, texts_high = max(0.0, -down), max(0.0, up)
    # The bootstrap doesn't underestimate the standard error of a median, so n / (n - 1) is not needed.
    reach = t_quantile(freedom) * float(over_rounds.std())
    low, high = np.hypot(texts_low, reach), np.hypot(texts_high, reach)
    return Estimate(
        value=float(np.exp(log)),
        low=float(np.exp(log - low)),
        high=float(np.exp(log + high)),
        by_rounds=float(np.expm1(reach)),
        by_texts=float(np.expm1(max(texts_low, texts_high))),
    )


def _middle(values: Floats) -> Floats:
    """The median along axis 1. On short axes, sorting is several times faster than `np.median`."""
    ordered = np.sort(values, axis=1)
    count = values.shape[1]
    return (ordered[:, (count - 1) // 2] + ordered[:, count // 2]) / 2


def _checked(samples: Samples, *, least: int = 2) -> Floats:
    lengths = {len(each) for each in samples}
    if len(samples) < least or len(lengths) != 1 or lengths == {0}:
        raise MeasurementError(
            f"{len(samples)} rounds of {sorted(lengths)} times; give at least {least} rounds of equally many texts"
        )
    values = np.asarray(samples, dtype=float)
    if not (np.all(values > 0) and np.all(np.isfinite(values))):
        raise MeasurementError("times must be positive and finite; measure again")
    return values
