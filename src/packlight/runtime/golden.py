"""Golden texts: an artifact has 64 texts with its logits, so that any machine can check whether it still gives them.

A hash finds a damaged file, but not a processor whose int8 products saturate, a runtime that computes differently, or a
tokenizer library that splits texts differently. Replaying known texts finds these in a second.

    golden.json
        format       1
        texts        the texts: neutral ones that come with packlight, none of your data
        inputs       a hash of each encoded text: token ids, or n-gram rows; for a cascade, those of both models
        logits       base64 of little-endian float32, [texts, labels], each text run alone
        tolerance    the largest distance that passes: the mean over texts of each one's largest difference of a logit

The file is listed in the manifest with its hash, like all others. See docs/decisions/0024.
"""

import base64
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from packlight.errors import ArtifactError
from packlight.files import DAMAGED_JSON, atomic_write
from packlight.runtime.artifact import Artifact, Manifest, add_file, finalize
from packlight.runtime.decision import probabilities
from packlight.runtime.engine import Engine, Logits
from packlight.runtime.engines import engine_info, open_engine

FILE = "golden.json"
FORMAT = 1
TEXTS = 64
FLOAT_TOLERANCE = 1e-3
"""the tolerance of `export`; other processors and thread counts stay far below"""
INT8_TOLERANCE = 0.05
"""share of the logits' standard deviation: between what other float kernels change and what saturation does"""
NEAR_SWITCH = 0.05
"""texts whose first prediction is this close to a cascade's threshold are left out, because rounding may send them to
the other model"""
FEWEST = 8
"""minimum number of texts to keep, the farthest from the threshold"""
BATCH = 16
BATCH_LENGTH = 96
"""maximum tokens, or characters, of the texts that also run in batches, to save time"""
BATCH_TOLERANCE = 1e-3
"""limit on the change of a probability; rounding changes it by a hundredth of this"""
SHOWN = 60
"""characters of a text that a message shows"""
UNUSUAL = (
    "?",
    "a",
    "  spaces   in\tplaces ",
    "WHAT IS THE WEATHER LIKE IN PARIS",
    "play some jazz 🎷🎶",
    "👩‍👩‍👧‍👦 call my family",
    "cancel my réservation at the café, s'il vous plaît",
    "Über die Straße, bitte",
    "cafe\u0301 with a combining accent",
    "お会計をお願いします",
    "какая завтра погода",
    "ما هو رصيد حسابي",
    "transfer $1,234.56 to acct #0042-7781 @ 9:30pm!!!",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    'e-mail <b>bob@example.com</b> & say: "it\'s 50% off"',
    "please " * 200 + "stop",
)


class Golden(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of `golden.json`."""

    format: int
    texts: tuple[str, ...]
    inputs: tuple[str, ...]
    logits: str
    tolerance: float


class ReplayError(ArtifactError):
    """An artifact doesn't give its golden texts the same logits as when it was made."""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a replay."""

    texts: int
    seconds: float
    """seconds for inference, without opening the artifact"""
    distance: float
    """mean over texts of each one's largest difference of a logit"""
    largest_difference: float
    """of a logit"""
    tolerance: float
    """of the distance"""
    labels_changed: int


def finalize_with_golden(folder: Path, manifest: Manifest) -> Manifest:
    """Finalize a folder, run the artifact on the golden texts, and add the file with its logits.

    If the manifest promises that predictions don't depend on the batch, this is checked, and corrected if necessary.

    Raises:
        ArtifactError: if the folder contains a file that can carry code, if no engine opens it, or if a logit is not
            finite.
    """
    (folder / FILE).unlink(missing_ok=True)
    listed = finalize(folder, manifest)
    artifact = Artifact.just_finalized(folder, listed)
    engine = open_engine(artifact, engine=engine_info(manifest.engine).golden_engine, threads=1)
    golden = record(artifact, engine)
    atomic_write(folder / FILE, msgspec.json.encode(golden))
    if listed.batch_invariant and (moved := moved_by_batches(artifact, engine, golden)) > BATCH_TOLERANCE:
        from packlight.progress import info  # replaying prints nothing, and rich takes long to import

        info(
            f"  {manifest.name}: the batch changes a text's probabilities by up to {moved:.2g}, so texts are predicted one at a time"
        )
        listed = msgspec.structs.replace(listed, batch_invariant=False)
    return add_file(folder, listed, FILE)


def record(artifact: Artifact, engine: Engine[Any]) -> Golden:
    """The golden texts with the artifact's logits on this machine.

    Args:
        artifact: an artifact without golden texts.
        engine: the artifact, opened with one thread.

    Raises:
        ArtifactError: if a logit is not finite.
    """
    info = engine_info(artifact.manifest.engine)
    texts = _texts(engine)
    logits = _one_by_one(engine, engine.encode(texts))
    if not (finite := np.isfinite(logits).all(axis=1)).all():
        raise ArtifactError(
            f"{artifact.name}: its logits are not finite for {len(texts) - int(finite.sum())} of {len(texts)} golden texts, "
            f"such as {texts[int(np.argmin(finite))][:SHOWN]!r}; the training that made its weights diverged: lower the "
            "learning rate, or give an earlier checkpoint"
        )
    exact = artifact.manifest.precision == "fp32" or info.exact_int8
    return Golden(
        format=FORMAT,
        texts=texts,
        inputs=inputs_of(engine, texts),
        logits=base64.b64encode(logits.astype("<f4").tobytes()).decode(),
        tolerance=FLOAT_TOLERANCE if exact else float(f"{INT8_TOLERANCE * float(logits.std()):.2g}"),
    )


def moved_by_batches(artifact: Artifact, engine: Engine[Any], golden: Golden) -> float:
    """The largest change of a golden text's label probability by a batch, compared with the text alone.

    Args:
        artifact: the artifact.
        engine: the same artifact, opened.
        golden: its logits for each text alone.
    """
    encoded = engine.encode(golden.texts)
    short = [place for place, each in enumerate(encoded) if len(each) <= BATCH_LENGTH]
    alone = np.frombuffer(base64.b64decode(golden.logits), "<f4").reshape(len(golden.texts), -1)
    moved = 0.0
    for start in range(0, len(short), BATCH):
        places = short[start : start + BATCH]
        together = engine.logits([encoded[place] for place in places])
        before, after = (probabilities(each.copy(), artifact.activation) for each in (alone[places], together))
        moved = max(moved, float(np.abs(after - before).max()))
    return moved


def verify(folder: Path, *, threads: int | None = None) -> Replay:
    """Check an artifact's hashes, open it and replay its golden texts.

    Args:
        folder: the artifact's folder.
        threads: threads per inference. Defaults to the container's CPU limit.

    Raises:
        ArtifactError: if a file is missing or altered, or if the artifact has no golden texts.
        ReplayError: if inputs, logits or labels differ from the recorded ones.
    """
    artifact = Artifact.open(folder)
    return replay(artifact, open_engine(artifact, threads=threads))


def has_golden(artifact: Artifact) -> bool:
    """Whether the artifact has golden texts."""
    return FILE in artifact.manifest.files


def replay(artifact: Artifact, engine: Engine[Any]) -> Replay:
    """Run the golden texts and compare.

    Args:
        artifact: a verified artifact.
        engine: the artifact, opened on the engine to check.

    Raises:
        ArtifactError: if there are no golden texts, or if they are damaged.
        ReplayError: if inputs or logits differ from the recorded ones. The message says which, and the possible cause.
    """
    golden = _read(artifact)
    where = artifact.path
    for text, then, now in zip(golden.texts, golden.inputs, inputs_of(engine, golden.texts), strict=True):
        if then != now:
            raise ReplayError(
                f"{where}: token ids differ: {text[:SHOWN]!r} is tokenized differently than when the artifact was "
                f"made; its tokenizer was changed, or this version of tokenizers reads it differently. Install the "
                "versions that packlight.json names, or build the artifact again"
            )
    wanted = np.frombuffer(base64.b64decode(golden.logits), "<f4").reshape(len(golden.texts), -1)
    start = time.perf_counter()
    given = _one_by_one(engine, engine.encode(golden.texts))
    seconds = time.perf_counter() - start
    if given.shape != wanted.shape:
        raise ReplayError(f"{where}: gives {given.shape[1]} scores for a text, {wanted.shape[1]} when it was made")
    differences = np.abs(given - wanted).max(axis=1)
    changed = int((given.argmax(axis=1) != wanted.argmax(axis=1)).sum())
    # Written so that NaN fails too.
    distance = float(differences.mean())
    if not distance <= golden.tolerance:
        worst = int(np.argmax(np.where(np.isnan(differences), np.inf, differences)))
        raise ReplayError(
            f"{where}: logits differ by {distance:.2g} on average (tolerance {golden.tolerance:.2g}), most for "
            f"{golden.texts[worst][:SHOWN]!r}, and {changed} of {len(golden.texts)} golden texts get another label. The weights "
            f"were changed, or this processor or runtime computes differently{_hint(artifact)}"
        )
    return Replay(
        texts=len(golden.texts),
        seconds=seconds,
        distance=distance,
        largest_difference=float(differences.max()),
        tolerance=golden.tolerance,
        labels_changed=changed,
    )


def inputs_of(engine: Engine[Any], texts: Sequence[str]) -> tuple[str, ...]:
    """A hash of the model's input for each text."""
    if engine.parts:
        parts = [inputs_of(each, texts) for each in engine.parts]
        return tuple("+".join(each) for each in zip(*parts, strict=True))
    return tuple(_hash(each) for each in engine.encode(texts))


def _one_by_one(engine: Engine[Any], encoded: Sequence[Any]) -> Logits:
    """Texts run one at a time, because predictions of some artifacts depend on the batch."""
    return np.concatenate([engine.logits([each]) for each in encoded])


def _texts(engine: Engine[Any]) -> tuple[str, ...]:
    """Unusual texts, and everyday ones from the bundled sample, without those that rounding may send to another model."""
    from packlight.data import load_dataset  # replaying doesn't need it
    from packlight.data.load import SAMPLE

    everyday = load_dataset(SAMPLE).train.texts
    candidates = [*UNUSUAL, *everyday[:: len(everyday) // TEXTS]]
    if (margins := engine.margins(candidates)) is not None:
        # A first model that is unsure of everything has no text far from the threshold.
        far = min(NEAR_SWITCH, float(np.sort(margins)[-FEWEST]))
        candidates = [text for text, margin in zip(candidates, margins, strict=True) if margin >= far]
    return tuple(candidates[:TEXTS])


def _hash(encoded: Any) -> str:
    """A hash of token ids, of n-gram rows, or of the text if the engine takes texts."""
    content = encoded.encode() if isinstance(encoded, str) else np.asarray(encoded, dtype="<i8").tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def _hint(artifact: Artifact) -> str:
    if artifact.manifest.precision == "int8" and not engine_info(artifact.manifest.engine).exact_int8:
        return ": int8 needs VNNI, or weights quantized with `reduce_range: true`. See docs/reference/quantization.md"
    return ". Install the versions that packlight.json names"


def _read(artifact: Artifact) -> Golden:
    if not has_golden(artifact):
        raise ArtifactError(f"{artifact.path}: has no golden texts ({FILE}); build the artifact again")
    try:
        golden = msgspec.json.decode((artifact.path / FILE).read_bytes(), type=Golden)
        size = len(base64.b64decode(golden.logits, validate=True))
    except (OSError, ValueError, *DAMAGED_JSON) as error:
        raise ArtifactError(f"{artifact.path / FILE}: is damaged ({error}); build the artifact again") from error
    count = len(golden.texts)
    if golden.format != FORMAT or not count or len(golden.inputs) != count or size % (4 * count):
        raise ArtifactError(f"{artifact.path / FILE}: is damaged or has another format; build the artifact again")
    return golden
