"""Measurements: raw samples and predictions, and the figures that are derived from them.

A run's folder has `measurements.json` with the figures, `raw/<variant>.json` with every latency sample and every
prediction, and `raw/_val.json` and `raw/_test.json` with the texts and labels of these splits. Every figure can be
derived again from these. `val` is for choosing a variant, `test` for confirming it.

Format history of `measurements.json`
    1   test figures only
    2   `val` and `batch_invariant` in every row

Figures that do not exist are null: a reference row with random weights has no accuracy, the first
row has no parent. Sizes are in MB of 10^6 bytes, memory likewise, times in milliseconds, accuracies and
recalls from 0 to 1.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from packlight.errors import MeasurementError
from packlight.files import DAMAGED_JSON, atomic_write
from packlight.measure.environment import Environment

T = TypeVar("T")
FORMAT = 2
FILE_NAME = "measurements.json"
REFERENCE = "reference"
"""`step` of a model to compare with, which is never recommended"""
WORTH = 1.1
"""all threads are better than one if they are faster by more than this factor; less is not worth occupying the other
processors"""
EvaluatedSplit = Literal["val", "test"]
"""splits that variants are evaluated on"""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Time per request at batch 1, tokenization included, in milliseconds."""

    mean: float
    """mean over texts of each text's median over rounds: the latency that every table, plot and plan shows"""
    ci95: tuple[float, float]
    """95 % interval of the mean, over rounds and texts"""
    p50: float
    """this and the next two are over all requests, so that the tail includes the machine's hiccups"""
    p95: float
    p99: float


class ClassScore(msgspec.Struct, frozen=True, kw_only=True):
    """A class with low accuracy."""

    label: str
    accuracy: float
    queries: int


class Workers(msgspec.Struct, frozen=True, kw_only=True):
    """Number of processes for a rate if each is always busy: ceil(rate x mean latency)."""

    rate: float
    """requests per second"""
    workers: int


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """Logits of a transformed model against its parent's, on real texts."""

    queries: int
    batch_sizes: tuple[int, ...]
    longest: int
    """tokens of the longest text"""
    max_abs_difference: float
    tolerance: float
    label_agreement: float


class BandwidthSample(msgspec.Struct, frozen=True, kw_only=True):
    """The rate at which an array of a given size is read repeatedly."""

    bytes: int
    bytes_per_s: float


class MachineRates(msgspec.Struct, frozen=True, kw_only=True):
    """The machine's peak rates with a number of threads, for the roofline."""

    fp32_macs_per_s: float
    """multiply-accumulates of one large product in ONNX Runtime"""
    int8_macs_per_s: float
    """the same for unsigned by signed 8-bit integers"""
    bytes_per_s: float
    """bandwidth of memory: that of the largest array in `reads`"""
    reads: tuple[BandwidthSample, ...]
    """smaller arrays first. Those that fit a cache are read faster."""
    threads: int


class Roofline(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's mean work for one of the timed texts, and the machine's minimum time for it."""

    tokens: float
    macs: float
    """multiply-accumulates"""
    int8_macs: float
    """the part of them with 8-bit integers"""
    bytes: float
    """bytes of weights, read once in their stored width; of embeddings, only the rows that are looked up"""
    bound_ms: float
    """max(macs / rate, bytes / bandwidth)"""
    binds: Literal["compute", "memory"]
    """which of the two it is"""
    times_bound: float
    """measured mean latency divided by the bound"""


class Portability(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of a processor without VNNI on an int8 graph, on real texts."""

    texts: int
    pairs: int
    """number of pair sums checked"""
    saturated: int
    """number of those that exceed 16 bits"""
    changed_labels: int | None = None
    """number of texts that get another label there; None if only the sums were counted"""
    largest_shift: float | None = None
    """of any logit"""

    @property
    def portable(self) -> bool:
        """Whether these texts get the same labels with and without VNNI."""
        return self.saturated == 0


class AllThreads(msgspec.Struct, frozen=True, kw_only=True):
    """A variant on all threads of the machine beside one, in turns."""

    threads: int
    """all threads of the machine, at least 2"""
    speedup: float
    """for one text at a time: latency on one thread divided by that on all"""
    speedup_ci95: tuple[float, float]
    batch_speedup: float
    """the same for a batch of 32"""
    batch_speedup_ci95: tuple[float, float]
    cpu_ratio: float
    """for one text at a time: CPU time on all threads divided by that on one"""
    rounds: int

    @property
    def better(self) -> int | None:
        """The better number of threads for one text at a time: all if they are worth it, else 1; None if in doubt."""
        return _better(self.threads, self.speedup_ci95)

    @property
    def better_in_batches(self) -> int | None:
        """The same for batches of 32."""
        return _better(self.threads, self.batch_speedup_ci95)


def _better(threads: int, speedup_ci95: tuple[float, float]) -> int | None:
    low, high = speedup_ci95
    return threads if low > WORTH else 1 if high < WORTH else None


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's scores on a split."""

    accuracy: float
    accuracy_ci95: tuple[float, float]
    macro_f1: float
    batch_flips: int | None
    """number of texts whose label changes in a batch of 32; null if not counted"""
    change_vs_parent: float | None
    """accuracy minus the parent's"""
    p_value_vs_parent: float | None
    """exact McNemar test on paired predictions"""
    coverage: float | None = None
    """share of the texts that the variant answers; null if it never abstains"""
    answered_accuracy: float | None = None
    """accuracy on the texts that the variant answers; null if it never abstains"""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's figures in one environment. Accuracies are on `test`, except for those in `val`."""

    variant: str
    parent: str | None
    step: str
    """the kind of step that made it: reference, finetune, distill, quantize-torch, export, quantize-onnx, …"""
    calibrates: str | None = None
    """the measured variant that this one is with a threshold and a temperature; null for all others"""
    engine: str
    """torch, pipeline (transformers' text-classification pipeline), onnxruntime, …"""
    precision: str
    """fp32, int8, …"""
    threads: int
    artifact: str | None
    """the artifact's folder relative to the run's folder; null for a reference row that the run did not train"""
    note: str | None
    """a note for readers, such as 'random weights: size and latency only'"""
    batch_invariant: bool
    """whether its manifest promises that predictions don't depend on the batch"""
    size_mb: float
    """total size of the shipped files, tokenizer included"""
    weights_mb: float
    peak_memory_mb: float
    latency_ms: Latency
    latency_samples: int
    rounds: int
    stable: bool
    """whether the 95 % interval of the speedup is within 5 % of it; in a run with one row, that of the latency"""
    limited_by: Literal["rounds", "texts"]
    """the main cause of the interval's width: the machine, from round to round, or the choice of texts"""
    cpu_ms: float
    """CPU time per text, over all threads: the mean over texts of the median over rounds"""
    steal: float | None
    """mean share of the machine's CPU time that went to other virtual machines in this row's turns"""
    throughput_batch32: float
    """texts per second"""
    accuracy: float | None
    accuracy_ci95: tuple[float, float] | None
    macro_f1: float | None
    in_scope_accuracy: float | None
    oos_recall: float | None
    worst_classes: tuple[ClassScore, ...]
    coverage: float | None = None
    """share of the test texts that the variant answers; null if it never abstains"""
    answered_accuracy: float | None = None
    """accuracy on the test texts that the variant answers; null if it never abstains"""
    batch_flips: int | None = None
    """number of test texts whose label changes in a batch of 32"""
    speedup: float | None
    """the baseline's mean latency divided by this row's"""
    speedup_ci95: tuple[float, float] | None
    """95 % interval over paired rounds and texts"""
    as_fast: tuple[str, ...]
    """other variants whose difference in latency is within noise"""
    change_vs_parent: float | None
    """accuracy minus the parent's"""
    p_value_vs_parent: float | None
    """exact McNemar test on paired predictions"""
    workers_for_rate: Workers
    parity: Parity | None
    portability: Portability | None = None
    """of int8 graphs for ONNX Runtime"""
    roofline: Roofline | None = None
    """null if the work cannot be counted"""
    all_threads: AllThreads | None = None
    """null if the variant has one thread anyway, if the machine has, or if it was measured on several"""
    val: Scores | None
    """the scores for choosing between variants; null if there are no predictions or no validation texts"""

    @property
    def choice(self) -> Scores | None:
        """The scores for choosing: those on `val`, or those on `test` if there are no others."""
        if self.val is not None or self.accuracy is None or self.accuracy_ci95 is None:
            return self.val
        return Scores(
            accuracy=self.accuracy,
            accuracy_ci95=self.accuracy_ci95,
            macro_f1=self.macro_f1 or 0.0,
            batch_flips=self.batch_flips,
            change_vs_parent=self.change_vs_parent,
            p_value_vs_parent=self.p_value_vs_parent,
            coverage=self.coverage,
            answered_accuracy=self.answered_accuracy,
        )


class DataSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The data behind the figures."""

    source: str
    sha256: str
    rows: dict[str, int]
    """rows in each split"""
    labels: int
    oos_label: str | None
    reading: dict[str, str | int] = {}
    """options for reading it, if they are not the defaults: text_column, label_column, oos_label, seed"""
    majority: dict[str, float] = {}
    """split -> share of the texts that have the most frequent label of train: the accuracy of always predicting it"""
    majority_label: str | None = None


class ThreadTimes(msgspec.Struct, frozen=True, kw_only=True):
    """What a variant took on one number of threads."""

    latency_ms: list[list[float]]
    """for each round, the time of each text, one at a time, always in the same order"""
    cpu_ms: list[list[float]]
    """the same for CPU time, over all threads of the process"""
    batch_ms: list[float]
    """for each round, the time of a batch of 32"""


class ThreadSamples(msgspec.Struct, frozen=True, kw_only=True):
    """The samples behind a `AllThreads`."""

    threads: int
    """all threads of the machine"""
    one: ThreadTimes
    """on one thread"""
    all: ThreadTimes
    """on all"""


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """The raw measurements of a variant. Lists are in test order, rounds in time order."""

    variant: str
    timed: list[int]
    """the texts that were timed one at a time, as indices into the split; variants that time fewer texts time the first
    of them"""
    strata: list[int] = []
    """for each of them, the stratum of lengths that it was drawn from"""
    blocks: int = 1
    """number of equal parts of these texts; every variant times a part before the next one starts"""
    latency_ms: list[list[float]]
    """for each round, the time of each timed text, always in the same order"""
    cpu_ms: list[list[float]]
    """the same for CPU time, over all threads of the process"""
    steal: list[float] | None = None
    """for each turn of a block, the share of CPU time that went to other virtual machines; None if the system doesn't
    count it"""
    throughput: list[float]
    """texts per second in each round, in batches of 32"""
    predictions: list[int] | None
    """label index for each test text, in the data set's label order; -1 for a label that the data lacks.

    If only val or test have out-of-scope texts, their index is the one after the last label, and stands for abstaining.
    """
    confidences: list[float] | None = None
    """softmax probability of each prediction"""
    scope_scores: list[float] | None = None
    """largest in-scope logit: the higher, the more likely the text is in scope"""
    abstained: list[bool] | None = None
    """for each test text, whether the variant abstained; None if it never abstains"""
    batch_flips: int | None = None
    val_predictions: list[int] | None = None
    """as `predictions`, for each validation text"""
    val_abstained: list[bool] | None = None
    """as `abstained`, for each validation text"""
    val_batch_flips: int | None = None
    peak_memory_mb: float
    threads: ThreadSamples | None = None
    """one thread beside all; None if they were not tried"""

    def answers(self, split: EvaluatedSplit) -> list[int] | None:
        """The predictions for one split."""
        return self.predictions if split == "test" else self.val_predictions


class TrueLabels(msgspec.Struct, frozen=True, kw_only=True):
    """A split behind the raw measurements, in `raw/_val.json` or `raw/_test.json`."""

    split: EvaluatedSplit
    labels: tuple[str, ...]
    """the data's labels, sorted. Predictions and `answers` are indices into it."""
    texts: list[str]
    answers: list[int]

    def right(self, raw: Raw) -> list[bool] | None:
        """For each text, whether a variant classified it correctly; None if its predictions are meaningless.

        Raises:
            MeasurementError: if it predicted another number of texts.
        """
        predictions = raw.answers(self.split)
        if predictions is None:
            return None
        if len(predictions) != len(self.answers):
            raise MeasurementError(
                f"{raw.variant}: {len(predictions):,} predictions for {len(self.answers):,} {self.split} texts; they come "
                "from different measurements; measure again"
            )
        return [given == answer for given, answer in zip(predictions, self.answers, strict=True)]


class Measurements(msgspec.Struct, frozen=True, kw_only=True):
    """All rows of a run."""

    format: int = FORMAT
    packlight: str
    environment: Environment
    data: DataSummary
    baseline: str
    """the variant that speedups refer to"""
    stable: bool
    """whether every row is stable"""
    measurements: tuple[Measurement, ...]
    not_built: dict[str, str] = {}
    """variants of the recipe that have no row, because they could not be built, with the reason"""
    machine: MachineRates | None = None
    """the rates that the rows' rooflines refer to"""
    step_seconds: dict[str, float] = {}
    """for each variant of the recipe in order, how long its step took, in this call or an earlier one; attempts that were
    interrupted count up to their last epoch; empty if no recipe was carried out"""
    measuring_seconds: float | None = None
    """how long it took to measure the rows, without attempts that were interrupted"""

    @property
    def chosen_on(self) -> EvaluatedSplit:
        """The split that choices are made on: `val`, or `test` where no variant answered validation texts."""
        scored = [row for row in self.measurements if row.choice is not None]
        return "test" if scored and all(row.val is None for row in scored) else "val"

    def __getitem__(self, variant: str) -> Measurement:
        """The row of one variant.

        Raises:
            MeasurementError: if there is none of that name.
        """
        for row in self.measurements:
            if row.variant == variant:
                return row
        names = ", ".join(row.variant for row in self.measurements)
        raise MeasurementError(f"no variant {variant!r} was measured; there are: {names}")


def samples_of(raws: Iterable[Raw]) -> dict[str, list[float]]:
    """Each variant's latency samples of all rounds, in milliseconds."""
    return {raw.variant: [each for samples in raw.latency_ms for each in samples] for raw in raws}


def correct_by_variant(raws: Iterable[Raw], truth: TrueLabels) -> dict[str, list[bool]]:
    """For each variant whose predictions mean something, which texts of the split it classified correctly."""
    return {raw.variant: right for raw in raws if (right := truth.right(raw)) is not None}


def write_measurements(value: Measurements, folder: Path) -> Path:
    """Write `measurements.json` into a run's folder and return its path."""
    path = folder / FILE_NAME
    atomic_write(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    return path


def read_measurements(place: Path) -> Measurements:
    """Read the measurements from a run's folder, or from a `measurements.json`.

    Raises:
        MeasurementError: if the file is missing, damaged or of an unknown format.
    """
    path = place / FILE_NAME if place.is_dir() else place
    if not path.is_file():
        raise MeasurementError(
            f"{place}: there is no {FILE_NAME}; make one with `packlight run` or `packlight measure`"
        )
    return _decode(path, Measurements)


def write_raw(value: Raw, folder: Path) -> Path:
    """Write `raw/<variant>.json` into a run's folder and return its path."""
    path = raw_path(folder, value.variant)
    atomic_write(path, msgspec.json.encode(value))
    return path


def read_raw(folder: Path, variant: str) -> Raw:
    """Read the raw measurements of a variant.

    Raises:
        MeasurementError: if the file is missing or damaged.
    """
    path = raw_path(folder, variant)
    if not path.is_file():
        raise MeasurementError(f"{path}: no raw samples of {variant!r}; measure it again")
    return _decode(path, Raw)


def write_truth(value: TrueLabels, folder: Path) -> Path:
    """Write `raw/_val.json` or `raw/_test.json` into a run's folder and return its path."""
    path = truth_path(folder, value.split)
    atomic_write(path, msgspec.json.encode(value))
    return path


def read_truth(folder: Path, split: EvaluatedSplit) -> TrueLabels:
    """Read a split of a run.

    Raises:
        MeasurementError: if the file is missing or damaged.
    """
    path = truth_path(folder, split)
    if not path.is_file():
        raise MeasurementError(f"{path}: the run's {split} split is missing; measure it again")
    return _decode(path, TrueLabels)


def truth_path(folder: Path, split: EvaluatedSplit) -> Path:
    """The path of a run's split."""
    return folder / "raw" / f"_{split}.json"


def raw_path(folder: Path, variant: str) -> Path:
    """The path of a variant's raw measurements."""
    return folder / "raw" / f"{variant}.json"


def _decode(path: Path, kind: type[T]) -> T:
    try:
        document: Any = msgspec.json.decode(path.read_bytes())
        if kind is Measurements and isinstance(document, dict) and document.get("format") != FORMAT:
            raise MeasurementError(
                f"{path}: format {document.get('format')!r} is not the {FORMAT} that this version reads; upgrade packlight",
            )
        return msgspec.convert(document, kind)
    except DAMAGED_JSON as error:
        raise MeasurementError(f"{path}: not a measurements file ({error}); measure again") from error
