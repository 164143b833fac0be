"""Tiny real models, made in a second: a word-piece tokenizer of a toy data set, and encoders of every family."""

import json
import random
import string
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

from packlight.models.hf_model import build_classifier, save_classifier, silence_transformers
from packlight.runtime.artifact import FORMAT, Artifact, Manifest, finalize
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.finetune.apply import finetune
from packlight.steps.finetune.options import Finetune
from packlight.steps.training.centroids import start_from_centroids
from packlight.steps.training.training_data import TrainingData

FAMILIES = ("bert", "roberta", "distilbert", "electra", "mpnet")
LABELS = ("alarm", "music", "oos", "weather")
MAX_LENGTH = 24
VOCABULARY = 1024
"""pieces; so many that the embedding is by far the largest tensor, as in real models"""
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
CLS_FIRST = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
PAD_SECOND = {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"}
OTHER_NAMES = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
}
"""what DistilBERT calls the sizes"""

_PHRASES = {
    "alarm": ("wake me at {}", "set an alarm for {}", "please ring the alarm at {} tomorrow", "alarm {}"),
    "music": ("play the song {}", "put on some music by {}", "i want to hear {} and then more music", "song {}"),
    "weather": ("will it rain in {}", "weather in {}", "what is the forecast for {} on the weekend", "rain {}"),
    "oos": ("why is {}", "tell me who invented {} and what it was good for", "translate {}", "is {} edible"),
}
_FILLERS = (
    "seven",
    "nine",
    "paris",
    "oslo",
    "queen",
    "mozart",
    "the blue whale",
    "half past two",
    "a long winter night",
)


def toy_texts(*, seed=0):
    """Every phrase with every filler, shuffled: 144 texts and their labels."""
    rows = [(phrase.format(filler), label) for label in LABELS for phrase in _PHRASES[label] for filler in _FILLERS]
    random.Random(seed).shuffle(rows)
    return [text for text, _ in rows], [label for _, label in rows]


def toy_train_data(*, train=112):
    """The toy data set to train on: the first rows to train on, the rest as val."""
    texts, labels = toy_texts()
    ids = [LABELS.index(label) for label in labels]
    return TrainingData(texts[:train], ids[:train], texts[train:], ids[train:], LABELS, "oos")


def make_vocabulary(special):
    """Pieces and their ids: written out rather than trained, because the trainer breaks ties by chance."""
    letters = string.ascii_lowercase
    words = sorted({word for text in toy_texts()[0] for word in text.split()})
    # Some words are left to be put together from their letters.
    known = [word for place, word in enumerate(words) if place % 9]
    pieces = [*special.values(), *letters, *(f"##{letter}" for letter in letters), *known]
    pieces = list(dict.fromkeys(pieces))
    unused = [f"[unused{number}]" for number in range(VOCABULARY - len(pieces))]
    return {piece: number for number, piece in enumerate([*pieces, *unused])}


def make_tokenizer(folder, special=CLS_FIRST):
    """Save a fast word-piece tokenizer of the toy texts as transformers does."""
    tokenizer = Tokenizer(models.WordPiece(make_vocabulary(special), unk_token=special["unk"]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    cls, sep = special["cls"], special["sep"]
    ids = [(token, tokenizer.token_to_id(token)) for token in (cls, sep)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{cls} $A {sep}", special_tokens=ids)
    names = {f"{name}_token": token for name, token in special.items()}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_LENGTH, **names).save_pretrained(folder)


def make_encoder(family, folder):
    """Save a tiny encoder of one architecture, with random weights, and its tokenizer."""
    special = PAD_SECOND if family in ("roberta", "xlm-roberta", "camembert", "mpnet") else CLS_FIRST
    make_tokenizer(folder, special)
    pad = list(special).index("pad")
    sizes = {OTHER_NAMES[name]: size for name, size in SIZES.items()} if family == "distilbert" else SIZES
    config = AutoConfig.for_model(
        family,
        **sizes,
        vocab_size=VOCABULARY,
        # RoBERTa and its kin count positions from the padding id on.
        max_position_embeddings=MAX_LENGTH + pad + 1,
        pad_token_id=pad,
        bos_token_id=0,
        eos_token_id=2,
        initializer_range=0.1,
    )
    silence_transformers()
    torch.manual_seed(7)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


def make_classifier(encoder_folder, folder):
    """Save a classifier of the toy labels whose head starts from centroids, without any training."""
    model = build_classifier(encoder_folder, LABELS, seed=1)
    start_from_centroids(model, text_encoder(encoder_folder), toy_train_data())
    save_classifier(model, folder, tokenizer_from=encoder_folder, max_length=MAX_LENGTH)
    return folder


def options(kind=Finetune, **other):
    """Options of a training that a tiny model learns from in a second."""
    quick = {"name": "toy", "epochs": 4, "min_updates": 0, "learning_rate": 4e-3, "batch_size": 16, "bf16": False}
    return kind(**(quick | other))


def make_trained(encoder_folder, folder, work, *, epochs=4):
    """Save a classifier that was fine-tuned until it knows the toy data set."""
    model = build_classifier(encoder_folder, LABELS, seed=1)
    finetune(model, text_encoder(encoder_folder), toy_train_data(), options(epochs=epochs), work=work, seed=1)
    save_classifier(model, folder, tokenizer_from=encoder_folder, max_length=MAX_LENGTH)
    return folder


def text_encoder(folder: Path) -> TextEncoder:
    """The folder's fast tokenizer, cut at the tiny models' longest length."""
    return TextEncoder(folder / "tokenizer.json", MAX_LENGTH)


def seal_variant(folder, *, engine="torch", precision="fp32", model_file="model.safetensors", **other) -> Artifact:
    """Write a folder's manifest and open it as an artifact."""
    fields = {
        "format": FORMAT,
        "name": folder.name,
        "parent": None,
        "step": "finetune",
        "options": {},
        "lineage": (),
        "fingerprint": "0" * 64,
        "data_sha256": "1" * 64,
        "max_length": MAX_LENGTH,
        "oos_label": "oos",
        "batch_invariant": True,
        "libraries": {},
        "facts": {},
        "files": {},
    }
    finalize(folder, Manifest(engine=engine, precision=precision, model_file=model_file, **(fields | other)))
    return Artifact.open(folder)


def template(single):
    """What a tokenizer puts around a text: `$A [SEP] [CLS]`."""
    names = {f"[{name}]": list(CLS_FIRST.values()).index(f"[{name}]") for name in ("CLS", "SEP")}
    made = processors.TemplateProcessing(single=single, special_tokens=list(names.items()))
    return json.loads(made.__getstate__())


def make_foreign(family, folder, labels, *, architecture="ForSequenceClassification", **config):
    """Save a tiny model as transformers' own training leaves it: no pooling, labels as they come, weights at random."""
    special = PAD_SECOND if family in ("roberta", "xlm-roberta", "camembert", "mpnet") else CLS_FIRST
    make_tokenizer(folder, special)
    pad = list(special).index("pad")
    sizes = {OTHER_NAMES[name]: size for name, size in SIZES.items()} if family == "distilbert" else SIZES
    settings = {
        **sizes,
        "vocab_size": VOCABULARY,
        **({} if family == "xlnet" else {"max_position_embeddings": MAX_LENGTH + pad + 1}),
        "pad_token_id": pad,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "initializer_range": 0.5,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
    }
    if family == "xlnet":  # it has other names for its sizes
        settings = {name: value for name, value in settings.items() if name not in SIZES}
    made = AutoConfig.for_model(family, **(settings | config))
    silence_transformers()
    torch.manual_seed(3)
    kind = getattr(transformers, f"AutoModel{architecture}")
    kind.from_config(made).save_pretrained(folder)
    return folder
