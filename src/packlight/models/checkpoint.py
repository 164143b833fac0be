"""A checkpoint on disk: a folder in the Hub's layout, checked before it is opened.

config.json                      the architecture and, for a classifier, its labels
model.safetensors                the weights, or model.safetensors.index.json and the shards it names
tokenizer.json, vocab.txt, …     the fast tokenizer, or its vocabulary
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from packlight.errors import ModelError
from packlight.files import sha256_of
from packlight.formatting import counted
from packlight.models.base_model import BaseModel
from packlight.models.config_files import read_json
from packlight.models.task_head import TAKEN, head_names, read_head, refusal
from packlight.models.vocabulary import check_vocabulary
from packlight.models.weight_files import read_shapes
from packlight.models.weight_names import PLAIN, Naming, foreign, inside, naming_of, plain

CARD = "README.md"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER = "adapter_config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
VOCABULARIES = (
    ("tokenizer.json",),
    ("vocab.txt",),
    ("vocab.json", "merges.txt"),
    ("spiece.model",),
    ("spm.model",),
    ("sentencepiece.bpe.model",),
    ("tokenizer.model",),
)
"""Each alternative is enough to build the tokenizer from."""
TOKENIZER_FILES = (
    TOKENIZER_CONFIG,
    "special_tokens_map.json",
    "added_tokens.json",
    *(name for names in VOCABULARIES for name in names),
)
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
CODE_KEYS = ("auto_map", "custom_pipelines")
"""Entries of a configuration that import Python files from the repository."""
MERGE = (
    "merge it first: load it with peft, then `model.merge_and_unload().save_pretrained(folder)` and "
    "`tokenizer.save_pretrained(folder)`"
)
_FRONT_MATTER = re.compile(r"---\s*\n(.*?)\n---\s*(?:\n|$)", re.DOTALL)


@dataclass(frozen=True)
class Checkpoint:
    """A model's checked files, and its configuration.

    `labels` are the classifier's own, in the order of its logits; None if the model is not a single-label classifier.
    """

    path: Path
    reference: str
    """the user's reference"""
    revision: str | None
    """the commit on the Hub; None for a folder"""
    files: Mapping[str, str]
    """SHA-256 of each file of the model: configuration, tokenizer and weights"""
    model_type: str
    labels: tuple[str, ...] | None
    repo: str | None = None
    """its id on the Hub; None for a folder that doesn't state it"""
    license: str | None = None
    """the license in its model card; None if there is none"""
    other_task: str | None = None
    """what its head does, if it does not assign one label to each text; None for a classifier and for an encoder"""
    naming: Naming = PLAIN
    """the prefix that a training framework added to the names of weights, which is removed, and what it saved beside them"""
    foreign: tuple[str, ...] = ()
    """weights that transformers doesn't have in such a model, such as a head of the user's own"""
    inside: str = ""
    """the prefix of an encoder that a user's class has beside other modules"""

    @property
    def base_model(self) -> BaseModel:
        """The record of this model in an artifact built from it."""
        return BaseModel(
            reference=self.reference,
            id=self.repo,
            revision=self.revision,
            license=self.license,
            weights=dict(self.weights),
        )

    @property
    def is_classifier(self) -> bool:
        """Whether it assigns one of its own labels to each text."""
        return self.labels is not None

    def check_task(self) -> None:
        """Reject a head that does not assign one label to each text, or is unknown: it must not be replaced silently.

        Raises:
            ModelError: if it is one of these. The message says what the model does, or has, and what to do.
        """
        if self.other_task:
            raise ModelError(refusal(self.reference, self.other_task))
        if self.foreign:
            shown = ", ".join(self.foreign[:3]) + (", …" if len(self.foreign) > 3 else "")
            raise ModelError(
                f"{self.reference}: config.json describes {'an encoder' if self.labels is None else 'a classifier'} "
                f"({self.model_type}), but transformers has no place in it for {counted(len(self.foreign), 'weight')} ({shown}). If "
                "they are a classification head of your own, save the model as an AutoModelForSequenceClassification of transformers "
                "that gives the same logits, or train a new head instead: `packlight run` and `finetune` take --new-head"
            )

    @property
    def weights(self) -> Mapping[str, str]:
        """The files of the weights and their SHA-256."""
        return {name: digest for name, digest in self.files.items() if name.endswith(".safetensors")}

    @property
    def sha256(self) -> str:
        """Hash of the content only, which doesn't depend on where the files are or came from."""
        lines = (f"{name}\0{digest}\n" for name, digest in sorted(self.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def open_folder(
    path: Path, *, reference: str | None = None, revision: str | None = None, repo: str | None = None
) -> Checkpoint:
    """Check a folder and read its configuration.

    Raises:
        ModelError: if a file is missing or damaged, if the weights are a pickle, or if the model needs its own code.
    """
    where = reference or str(path)
    if not path.is_dir():
        raise ModelError(f"{where}: no such folder; give a model folder, `minilm` or a Hub id like org/name")
    names = [file.name for file in path.iterdir() if file.is_file()]
    check_names(names, where)
    refuse_code(path, where)
    weights = weight_files(path, names, where)
    shapes = {
        tensor: shape for name in weights for tensor, shape in read_shapes(path / name, where, listed_in=INDEX).items()
    }
    if lora := next((tensor for tensor in shapes if "lora_" in tensor or ".base_layer." in tensor), None):
        raise ModelError(f"{where}: has a PEFT adapter that is not merged ({lora}); {MERGE}")
    files = {name: sha256_of(path / name) for name in (*small_files(names), *weights)}
    config = read_json(path / CONFIG, where)
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        raise ModelError(f"{where}: {CONFIG} has no model_type; save the model with transformers 4 or newer")
    refuse_quantized(config, where)
    if config.get("is_encoder_decoder"):
        raise ModelError(f"{where}: an encoder with a decoder ({model_type}); {TAKEN}")
    check_vocabulary(path, config, where)
    own = plain(shapes)
    head = read_head(config, own, where)
    unlabelled = () if head.labels or head.other_task else head_names(own)
    return Checkpoint(
        path,
        where,
        revision,
        files,
        model_type,
        head.labels,
        repo,
        license_of(path / CARD),
        head.other_task,
        naming_of(shapes),
        tuple(sorted({*foreign(own, model_type), *unlabelled})),
        inside(own, model_type),
    )


def license_of(card: Path) -> str | None:
    """The license in a model card's metadata; None if there is none, or if it cannot be read."""
    try:
        opening = card.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    found = _FRONT_MATTER.match(opening)
    try:
        data = yaml.safe_load(found[1]) if found else None
    except (yaml.YAMLError, ValueError, RecursionError):  # PyYAML passes on exceptions from values
        return None
    if not isinstance(data, dict):
        return None
    stated = data.get("license")
    if stated == "other":
        stated = data.get("license_name", stated)
    return stated if isinstance(stated, str) else None


def check_names(names: Collection[str], where: str) -> None:
    """Check by the file names that a model is complete and has safetensors.

    Raises:
        ModelError: if it is not. The message says what is missing and what to do.
    """
    if ADAPTER in names:
        if WEIGHTS in names or INDEX in names:
            raise ModelError(
                f"{where}: a model with a PEFT adapter beside it; {MERGE}, or remove {ADAPTER} to use the model alone"
            )
        raise ModelError(f"{where}: a PEFT adapter, not a whole model; {MERGE}")
    if CONFIG not in names:
        raise ModelError(
            f"{where}: {CONFIG} is missing; a model folder is what `save_pretrained` of transformers writes"
        )
    if WEIGHTS not in names and INDEX not in names:
        if pickles := sorted(name for name in names if is_pickle(name)):
            raise ModelError(
                f"{where}: its weights are a pickle ({pickles[0]}), which can run code when it is opened, so "
                "packlight rejects them; if you trust them, load them once with transformers and call `save_pretrained`, which "
                f"writes {WEIGHTS}"
            )
        raise ModelError(f"{where}: {WEIGHTS} is missing; packlight reads safetensors weights only")
    if not any(all(name in names for name in vocabulary) for vocabulary in VOCABULARIES):
        raise ModelError(
            f"{where}: the tokenizer is missing (no tokenizer.json, vocab.txt or sentencepiece model); save it beside "
            "the model with `tokenizer.save_pretrained`"
        )


def is_pickle(name: str) -> bool:
    """Whether a file has pickled weights, according to its name."""
    path = PurePosixPath(name)
    return len(path.parts) == 1 and path.suffix in PICKLE_SUFFIXES and path.stem != "training_args"


def small_files(names: Collection[str]) -> list[str]:
    """The files besides the weights: configuration, tokenizer and, for shards, their index."""
    index = () if WEIGHTS in names else (INDEX,)
    return [name for name in (CONFIG, *TOKENIZER_FILES, *index) if name in names]


def refuse_code(folder: Path, where: str) -> None:
    """Reject a model that needs its own Python code.

    Raises:
        ModelError: if it does. The message names the file and the entry.
    """
    for name in (CONFIG, TOKENIZER_CONFIG):
        document = read_json(folder / name, where) if (folder / name).is_file() else {}
        for key in CODE_KEYS:
            if document.get(key):
                raise ModelError(
                    f"{where}: {name} needs code of its own ({key}), which packlight doesn't run; choose a model "
                    "whose architecture is part of transformers"
                )


def refuse_quantized(config: Mapping[str, Any], where: str) -> None:
    """Reject quantized weights.

    Raises:
        ModelError: if they are quantized. The message names the method.
    """
    if quantization := config.get("quantization_config"):
        method = quantization.get("quant_method", "unknown method") if isinstance(quantization, dict) else quantization
        raise ModelError(
            f"{where}: its weights are quantized already ({method}); give the float checkpoint that it was made from"
        )


def weight_files(folder: Path, names: Collection[str], where: str) -> list[str]:
    """Names of the files of weights: a single file, or the shards in the index.

    Raises:
        ModelError: if the index is damaged, or names anything except safetensors files next to it.
    """
    if WEIGHTS in names:
        return [WEIGHTS]
    weight_map = read_json(folder / INDEX, where).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{where}: {INDEX} has no weight_map; download or save the model again")
    shards = sorted(set(map(str, weight_map.values())))
    for shard in shards:
        if "/" in shard or "\\" in shard or not shard.endswith(".safetensors"):
            raise ModelError(
                f"{where}: {INDEX} names {shard!r}, which is not a safetensors file beside it; packlight reads nothing "
                "outside the folder"
            )
    return shards
