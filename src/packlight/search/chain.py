"""The steps of a design. Designs with the same first steps share their names, so these are built once.

A variant's name has its shape (`l3-ff50-v100`: three layers, half of the neurons, the tokens in use), the step that
makes it, and a hash of all steps up to it.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from packlight.search.space import Design, Ngrams, Space, Student
from packlight.steps.calibrate.options import Calibrate
from packlight.steps.cascade.options import Cascade
from packlight.steps.distill.options import Distill
from packlight.steps.distill_static.options import DistillStatic
from packlight.steps.export.options import Export
from packlight.steps.prune.options import Prune
from packlight.steps.quantize_onnx.options import QuantizeOnnx
from packlight.steps.step import Step
from packlight.steps.trim_vocabulary.options import TrimVocabulary

S = TypeVar("S", bound=Step)
HASH = 6
WHOLE = 100
"""per cent"""
PRUNING_TEXTS = 64
PROBE_TEXTS = 64
"""number of training texts for the ranges of an untrained model"""


def steps_of(design: Design, space: Space, teacher: str) -> tuple[Step, ...]:
    """The steps after the teacher. The last one makes the trial's variant."""
    fast = _ngram_steps(design.ngrams, space, teacher) if design.ngrams else ()
    slow = _student_steps(design.student, space, teacher) if design.student else ()
    if not (fast and slow):
        return fast or slow
    first, second = fast[-1].name, slow[-1].name
    assert design.student is not None  # `slow` was made of it
    both = Cascade(name="cascade", parent=second, first=first)
    return (*fast, *slow, _named(f"cascade-{_shape(design.student)}", both))


def shape_of(student: Student, space: Space, teacher: str) -> tuple[Step, ...]:
    """The steps that derive an untrained student from the teacher; none if it keeps the teacher's shape."""
    steps: list[Step] = []
    if student.pieces and space.kept_pieces(student.pieces) < space.vocabulary:
        # By default, the step keeps all tokens in use.
        pieces = None if student.pieces == WHOLE else space.kept_pieces(student.pieces)
        steps.append(_named(f"v{student.pieces}", TrimVocabulary(name="trim", parent=teacher, vocab_size=pieces)))
    fewer_neurons, fewer_heads = student.feed_forward < WHOLE, student.heads < WHOLE
    if student.layers < space.layers or fewer_neurons or fewer_heads or student.hidden < WHOLE:
        step = Prune(
            name="prune",
            parent=steps[-1].name if steps else teacher,
            layers=student.layers if student.layers < space.layers else None,
            intermediate_size=space.kept_neurons(student.feed_forward) if fewer_neurons else None,
            heads=space.kept_heads(student.heads) if fewer_heads else None,
            hidden_size=student.hidden / WHOLE if student.hidden < WHOLE else None,
            texts=PRUNING_TEXTS,
        )
        steps.append(_named(_shape(student), step))
    return tuple(steps)


def probe_of(student: Student, space: Space, teacher: str) -> tuple[Step, ...]:
    """The untrained student in its final form, built in seconds. Size and speed are those of the trained one."""
    shape = shape_of(student, space, teacher)
    onnx = _named(
        _shape(student), Export(name="probe-onnx", parent=shape[-1].name if shape else teacher, tolerance=1.0)
    )
    int8 = QuantizeOnnx(
        name="probe",
        parent=onnx.name,
        mode=student.int8,
        embeddings=student.embeddings,
        calibration_texts=PROBE_TEXTS,
        min_agreement=0.0,
    )
    return (*shape, onnx, _named(_shape(student), int8))


def ngram_bytes(ngrams: Ngrams, space: Space, labels: int) -> int:
    """Size of a static student's tensors in bytes."""
    return DistillStatic(name="ngrams", **_ngram_options(ngrams, space)).tensor_bytes(labels, words=space.words)


def _ngram_options(ngrams: Ngrams, space: Space) -> dict[str, Any]:
    chosen = {
        "buckets": ngrams.buckets,
        "embedding_dim": ngrams.width,
        "word_vectors": ngrams.word_vectors,
        "augment": float(ngrams.ngram_augment),
    }
    return chosen | dict(space.ngram_options)


def _student_steps(student: Student, space: Space, teacher: str) -> tuple[Step, ...]:
    shape = shape_of(student, space, teacher)
    options = {
        "epochs": student.epochs,
        "min_updates": 0,
        "max_length": space.max_length,
        "learning_rate": float(f"{student.learning_rate:.3g}"),
        "alpha": round(student.alpha, 6),
        "temperature": student.temperature,
        "logit_weight": student.logit_weight,
        "augment": float(student.augment),
        "start": shape[-1].name if shape else None,
        "layers": space.layers,
    }
    prefix = _shape(student)
    trained = _named(prefix, Distill(name="student", parent=teacher, **(options | dict(space.student_options))))
    onnx = _named(prefix, Export(name="onnx", parent=trained.name))
    int8 = _named(prefix, QuantizeOnnx(name="int8", parent=onnx.name, mode=student.int8, embeddings=student.embeddings))
    return (*shape, trained, onnx, int8, *_calibrated(prefix, int8, space))


def _ngram_steps(ngrams: Ngrams, space: Space, teacher: str) -> tuple[Step, ...]:
    prefix = f"n{ngrams.buckets // 1024}k-w{ngrams.width}-k{ngrams.word_vectors // 1000}"
    trained = DistillStatic(name="ngrams", parent=teacher, **_ngram_options(ngrams, space))
    step = _named(prefix, trained)
    return (step, *_calibrated(prefix, step, space))


def _calibrated(prefix: str, before: Step, space: Space) -> Iterable[Step]:
    """A threshold: for the rate of val, because trials are compared by accuracy on val, or for the stated abstention."""
    if space.calibrated:
        yield _named(prefix, Calibrate(name="calibrated", parent=before.name, oos_rate="val"))
    elif space.abstain is not None:
        yield _named(prefix, Calibrate(name="abstaining", parent=before.name, abstain=space.abstain))


def _shape(student: Student) -> str:
    hidden = f"-d{student.hidden}" if student.hidden < WHOLE else ""
    heads = f"-h{student.heads}" if student.heads < WHOLE else ""
    vocabulary = f"-v{student.pieces}" if student.pieces else ""
    return f"l{student.layers}-ff{student.feed_forward}{hidden}{heads}{vocabulary}"


def _named(prefix: str, step: S) -> S:
    """The step, with its own name in the middle of the variant's.

    The parents' names contain the hashes of earlier steps.
    """
    content = [step.kind, step.parent, list(step.other_parents), step.options()]
    digest = hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:HASH]
    return msgspec.structs.replace(step, name=f"{prefix}-{step.name}-{digest}")
