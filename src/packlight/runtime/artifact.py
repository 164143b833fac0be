"""The artifact: a self-describing, verifiable folder in the Hub's layout.

    config.json              architecture, id2label, label2id, problem_type
    tokenizer.json …         the fast tokenizer
    model.safetensors        float32 in PyTorch
    model_int8.safetensors   dynamic int8 in PyTorch
    onnx/model.onnx          float32
    onnx/model_quantized.onnx   int8
    openvino/model.xml       OpenVINO's graph; its weights in openvino/model.safetensors
    model_static.safetensors    hashed n-grams and a small head, without a tokenizer
    first/, second/          the artifacts of a cascade
    golden.json              64 texts with the logits that it gave when it was made
    packlight.json           the manifest: format, files with size and sha256, parent, step, engine, …
    NOTICE                   the models that it builds on, if they are known by name
    README.md                the model card

The manifest is written last and the folder is moved into place atomically, so a folder with a manifest is a complete
artifact. `Artifact.open` verifies every file before anything reads it.

Format history of `packlight.json`
    1   first published form
"""

import json
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from packlight.errors import ArtifactError
from packlight.files import DAMAGED_JSON, atomic_write, sha256_of

Activation = Literal["softmax", "sigmoid"]
FORMAT = 1
MANIFEST = "packlight.json"
CARD = "README.md"
SAFETENSORS = "model.safetensors"
SAFETENSORS_INT8 = "model_int8.safetensors"
ONNX_FP32 = "onnx/model.onnx"
ONNX_INT8 = "onnx/model_quantized.onnx"
STATIC = "model_static.safetensors"
OPENVINO_GRAPH, OPENVINO = "openvino/model.xml", "openvino/model.safetensors"
WEIGHTS = (".safetensors", ".onnx")
UNLISTED = (MANIFEST, CARD)
FORBIDDEN_SUFFIXES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".py")


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of an artifact."""

    size: int
    sha256: str


class BetterThreads(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The better number of threads on the machine that an artifact was measured on: one, or all of that machine's."""

    requests: Annotated[int, msgspec.Meta(ge=1)] | None
    """for one text at a time; None if neither was clearly better"""
    batches: Annotated[int, msgspec.Meta(ge=1)] | None
    """the same for batches of 32"""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of `packlight.json`."""

    format: int
    name: str
    parent: str | None
    step: str
    """the kind of step that made it"""
    options: dict[str, Any]
    """that step's options"""
    lineage: tuple[dict[str, Any], ...]
    """the steps before it, in order, each {"name", "step", "options"}"""
    fingerprint: str
    """hash of everything that determined it: data, parent, step and options"""
    data_sha256: str
    engine: str
    """the engine that opens it: torch, torch-compiled, onnxruntime, openvino, static, cascade"""
    precision: str
    model_file: str
    """the weights that the engine opens, relative to the folder"""
    max_length: int
    """maximum sequence length in tokens"""
    long_texts: Literal["head", "head+tail", "windows"] = "head"
    """how longer texts are handled: keep the first tokens, keep a quarter of the tokens from the start and the rest
    from the end, or read all tokens in windows and average their logits"""
    oos_label: str | None
    batch_invariant: bool
    """whether predictions are independent of the batch; false if int8 ranges are computed at run time"""
    abstain_below: float | None = None
    """texts whose most likely label is less probable are out of scope; None to classify all texts"""
    libraries: dict[str, str]
    facts: dict[str, Any]
    """the step's results, such as parity or validation accuracy"""
    seconds: float | None = None
    """how long the step took; attempts that were interrupted count up to their last epoch"""
    measurement: dict[str, Any] | None = None
    """the figures and the environment they were measured in, once measured"""
    threads: BetterThreads | None = None
    """what to open it with if nobody says; None if it was not tried"""
    files: dict[str, FileEntry] = {}
    """every file except for the manifest itself and the model card, which users can edit"""


@dataclass(frozen=True)
class Artifact:
    """An opened, verified artifact."""

    path: Path
    manifest: Manifest
    labels: tuple[str, ...]
    activation: Activation = "softmax"
    """the function from logits to probabilities: sigmoid if a text can have several labels"""

    @classmethod
    def open(cls, path: Path) -> "Artifact":
        """Open a folder after checking its manifest and each file's size and hash.

        Raises:
            ArtifactError: if the manifest is missing, damaged or of an unknown version, if a file is missing, altered,
                unlisted or of a kind that can carry code, or if labels are incomplete.
        """
        manifest = read_manifest(path)
        _verify(path, manifest)
        return cls.just_finalized(path, manifest)

    @classmethod
    def just_finalized(cls, path: Path, manifest: Manifest) -> "Artifact":
        """Open a folder that this process has just finalized, without reading its files again.

        Raises:
            ArtifactError: if labels are incomplete.
        """
        config = path / "config.json"
        return cls(path, manifest, read_labels(config), read_activation(config))

    @property
    def knows_scope(self) -> bool:
        """Whether it can call a text out of scope: by a label, or by abstaining."""
        return self.manifest.oos_label in self.labels or self.manifest.abstain_below is not None

    @property
    def name(self) -> str:
        """The variant's name."""
        return self.manifest.name

    @property
    def model_path(self) -> Path:
        """The weights that the engine opens."""
        return self.path / self.manifest.model_file

    @property
    def tokenizer_path(self) -> Path:
        """The fast tokenizer's file."""
        return self.path / "tokenizer.json"

    @property
    def size_bytes(self) -> int:
        """Total size of the files to ship, in bytes: weights, configuration and tokenizer."""
        return sum(entry.size for entry in self.manifest.files.values())

    @property
    def weights_bytes(self) -> int:
        """Size of the weights in bytes."""
        return sum(entry.size for name, entry in self.manifest.files.items() if name.endswith(WEIGHTS))

    def copy_files(self, folder: Path) -> None:
        """Copy the files that the manifest lists to a folder."""
        for name in self.manifest.files:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.path / name, target)

    def copy(self, folder: Path) -> None:
        """Copy the artifact to a folder, with its card if it has one."""
        self.copy_files(folder)
        if (self.path / CARD).is_file():
            shutil.copyfile(self.path / CARD, folder / CARD)
        write_manifest(folder, self.manifest)


def not_converted(path: Path) -> ArtifactError:
    """The error for a transformers model where an artifact is expected, with the command that converts it."""
    out = shlex.quote(f"artifacts/{path.resolve().name}")
    return ArtifactError(
        f"{path}: a transformers model, not an artifact yet; convert it with `packlight finetune --model {shlex.quote(str(path))} "
        f"--data YOUR_TEXTS --out {out}`, which uses a classifier of your labels as is"
    )


def read_manifest(path: Path) -> Manifest:
    """Read and check `packlight.json` without touching the other files.

    Raises:
        ArtifactError: if it is missing, damaged or of an unknown version.
    """
    file = path / MANIFEST
    if not file.is_file() and (path / "config.json").is_file():
        raise not_converted(path)
    if not file.is_file():
        raise ArtifactError(
            f"{path}: not an artifact (no {MANIFEST}); `packlight run` writes artifacts under OUT/variants/"
        )
    try:
        document = msgspec.json.decode(file.read_bytes())
        version = document.get("format") if isinstance(document, dict) else None
        if version != FORMAT:
            raise ArtifactError(
                f"{file}: format {version!r} is not the {FORMAT} that this version reads; upgrade packlight"
            )
        return msgspec.convert(document, Manifest)
    except DAMAGED_JSON as error:
        raise ArtifactError(f"{file}: damaged manifest ({error}); build the artifact again") from error


def finalize(path: Path, manifest: Manifest) -> Manifest:
    """Hash every file of a folder and write the manifest, at the end of a step.

    Raises:
        ArtifactError: if the folder contains a kind of file that can carry code.
    """
    entries = {file.relative_to(path).as_posix(): _entry(file) for file in _files_below(path)}
    return _with_files(path, manifest, entries)


def add_file(path: Path, manifest: Manifest, name: str) -> Manifest:
    """Add a file to the manifest of a folder that this process has just finalized, without reading the others again."""
    return _with_files(path, manifest, manifest.files | {name: _entry(path / name)})


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write `packlight.json`, without checking the files."""
    atomic_write(path / MANIFEST, manifest_content(manifest))


def manifest_content(manifest: Manifest) -> bytes:
    """The content of `packlight.json`."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def read_labels(config: Path) -> tuple[str, ...]:
    """Labels in the order of the logits, from a `config.json`.

    Raises:
        ArtifactError: if the file is missing, or if the ids in id2label don't count from 0.
    """
    try:
        id2label = json.loads(config.read_text(encoding="utf-8"))["id2label"]
        labels = tuple(str(id2label[str(index)]) for index in range(len(id2label)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{config}: needs id2label with ids from 0 ({error!r})") from error
    if not labels:
        raise ArtifactError(f"{config}: needs id2label with ids from 0 (it is empty)")
    return labels


def read_activation(config: Path) -> Activation:
    """The function from logits to probabilities, by a `config.json`'s `problem_type` as in transformers.

    Raises:
        ArtifactError: if the model is not a classifier.
    """
    kind = json.loads(config.read_text(encoding="utf-8")).get("problem_type")
    if kind == "regression":
        raise ArtifactError(f"{config}: problem_type is regression; packlight predicts labels only")
    return "sigmoid" if kind == "multi_label_classification" else "softmax"


def _with_files(path: Path, manifest: Manifest, entries: dict[str, FileEntry]) -> Manifest:
    complete = msgspec.structs.replace(manifest, files=entries)
    write_manifest(path, complete)
    return complete


def _entry(file: Path) -> FileEntry:
    _refuse_code(file)
    file.chmod(0o644)
    return FileEntry(size=file.stat().st_size, sha256=sha256_of(file))


def _verify(path: Path, manifest: Manifest) -> None:
    present = {file.relative_to(path).as_posix() for file in _files_below(path)}
    if extra := sorted(present - manifest.files.keys()):
        raise ArtifactError(f"{path}: {extra[0]} is not listed in the manifest; remove it or build the artifact again")
    for required in ("config.json", manifest.model_file):
        if required not in manifest.files:
            raise ArtifactError(f"{path}: the manifest lists no {required}; build the artifact again")
    for name, entry in manifest.files.items():
        file = path / name
        # Links can point anywhere, as in the Hub's cache. The hash verifies the content.
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ArtifactError(f"{path}: {name} is outside the artifact")
        if not file.is_file():
            raise ArtifactError(f"{path}: {name} is missing; copy the artifact again")
        _refuse_code(file)
        if file.stat().st_size != entry.size or sha256_of(file) != entry.sha256:
            raise ArtifactError(f"{path}: {name} was altered (its hash is not the manifest's); copy the artifact again")


def _files_below(path: Path) -> list[Path]:
    """Every file of an artifact. Hidden files of other tools (`.cache/`, `.gitattributes`) are never opened."""
    names = {file: file.relative_to(path) for file in path.rglob("*") if file.is_file()}
    hidden = {file for file, name in names.items() if any(part.startswith(".") for part in name.parts)}
    return sorted(file for file in names.keys() - hidden if names[file].as_posix() not in UNLISTED)


def _refuse_code(file: Path) -> None:
    if file.suffix.lower() in FORBIDDEN_SUFFIXES:
        raise ArtifactError(f"{file}: {file.suffix} files can contain code and are rejected; use safetensors or ONNX")
