"""The names of a checkpoint's weights: what frameworks put before them, and which are not the model's."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from packlight.models.families import FAMILIES

INNER = re.compile(r"(^|\.)(?:(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.)+")
"""prefixes that `torch.compile`, FSDP and activation checkpointing add to each module that they wrap"""
WRAPPERS = (
    "_orig_mod.",
    "_fsdp_wrapped_module.",
    "_checkpoint_wrapped_module.",
    "_forward_module.",
    "module.",
    "model.",
)
"""prefixes that these, Lightning, DeepSpeed and DistributedDataParallel add to every name"""
BASE = (
    "albert|bert|biogpt|canine|convbert|data2vec_text|deberta|distilbert|electra|ernie|esmc|fnet|funnel|gpt_neox|gte|ibert|"
    "layoutlm|layoutlmv3|lilt|longformer|luke|markuplm|mobilebert|model|mpnet|mra|nomic_bert|nystromformer|perceiver|"
    "reformer|rembert|roberta|roberta_prelayernorm|roc_bert|roformer|tapas|transformer|yoso"
)
"""what transformers calls the encoder below a head"""
_TABLE = r"(?:embeddings|word_embedding|wte|embed_tokens)\."
BARE = re.compile(rf"(?:(?P<base>{BASE})\.)?{_TABLE}")
"""the embeddings' names in transformers: of an encoder by itself, or below a head"""
_UNDER = re.compile(rf"((?:\w+\.)*?){_TABLE}")
TRAINING = re.compile(
    r"(?:(?:\w+_)?criterion|criteria|objective|loss(?:es)?|loss_\w+|(?!lm_)\w+_loss(?:es)?|(?:class|label|pos)_weights?"
    r"|(?:\w+_)?(?:metrics?|accuracy|acc|f1|f1_score|auroc|precision|recall|mcc|confusion_matrix|confmat))(?:\.|$)"
)
"""weights of losses and states of metrics, which Lightning saves beside the model: only training and validation use them"""
HEADS = frozenset(
    {
        *("classifier", "pre_classifier", "pooler", "score", "logits_proj", "sequence_summary", "classification_head"),
        *("cls", "lm_head", "lm_loss", "qa_outputs", "pred_layer", "predictions", "sop_classifier", "vocab_transform"),
        *("vocab_layer_norm", "vocab_projector", "discriminator_predictions", "generator_predictions"),
        *("generator_lm_head", "lm_predictions", "mask_predictions", "entity_predictions", "projection_head"),
        *("embedding_decoder", "final_logits_bias"),
    }
)
"""modules beside an encoder in transformers: heads for classes and for pretraining"""
MORE_HEADS: Mapping[str, frozenset[str]] = {"model": frozenset({"head", "decoder", "dense", "unembedding_projection"})}
"""the same for some names of the encoder: ModernBERT, EuroBERT, NeoMME"""
PARTS = re.compile(
    r"\w*(?:embed|norm|_emb\b)\w*\.|LayerNorm\.|(?:layers?|h|blocks?)\.\d+\.(?!weight$|bias$)|(?:\w+_)?(?:encoder|decoder)\.\w+\.\w|pooler\."
    r"|(?:transformer|attentions|ffns)\.\w+\.|shared\.|w[tp]?e?\.|ln_f\.|(?:text|vision|language)_model\.|vision_tower\.|visual\."
    r"|connector\.|multi_modal_projector\.|input_preprocessor\.|cls_token$|mask_emb$|pos_embed$"
)
"""beginnings of names in encoders by themselves, without a base"""
MORE_PARTS: Mapping[str, tuple[str, ...]] = {"canine": ("projection", "chars_to_molecules")}
"""the same for some architectures"""
NOT_OWN = "decoder."
"""all names of an OPT without a head"""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Naming:
    """How a checkpoint's names differ from transformers'."""

    wrapper: str
    """the prefix of all the model's names, such as `module.` or `model._orig_mod.`; empty if there is none"""
    training: tuple[str, ...]
    """names of weights that only training uses, as in the file"""

    def plain(self, name: str) -> str:
        """A name in the file without wrappers."""
        return _plain(name, self.wrapper)


PLAIN = Naming("", ())
"""transformers' own names"""


def naming_of(names: Collection[str]) -> Naming:
    """Find the prefix of a model's names, and what is saved beside them.

    Besides the known prefixes of frameworks, a prefix can be the attribute of a user's class, if the names after it are
    known to transformers.
    """
    ours, wrapper = list(names), _shared(names)
    while left := [name for name in ours if not TRAINING.match(_plain(name, wrapper))]:
        if len(left) == len(ours):
            break
        ours, wrapper = left, _shared(left)
    kept = set(ours)
    return Naming(wrapper, tuple(name for name in names if name not in kept))


def wrapper_of(names: Collection[str]) -> str:
    """The prefix of all the model's names."""
    return naming_of(names).wrapper


def renaming(names: Collection[str], *, encoder: str = "") -> dict[str, str]:
    """Regular expressions that remove wrappers' prefixes, with their replacements, for transformers' `key_mapping`.

    Args:
        names: the names in the file.
        encoder: the architecture, if only its encoder is opened and other modules may be beside it.
    """
    wrapper = wrapper_of(names)
    wrapper += inside([_plain(name, wrapper) for name in names], encoder)
    mapping = {f"^{re.escape(wrapper)}": ""} if wrapper else {}
    if any(INNER.search(name.removeprefix(wrapper)) for name in names):
        mapping[INNER.pattern] = r"\1"
    return mapping


def plain(tensors: Mapping[str, Value]) -> dict[str, Value]:
    """The model's tensors under their names without wrappers."""
    naming = naming_of(tensors)
    return {naming.plain(name): each for name, each in tensors.items() if name not in naming.training}


def inside(names: Collection[str], model_type: str) -> str:
    """The prefix of an encoder that a user's class has beside other modules, such as `model.` beside `fc.weight`.

    Args:
        names: the model's names, without wrappers.
        model_type: the architecture.

    Returns:
        The prefix of the encoder's own names; empty if they are where transformers expects them, if there are
        several encoders, or if the architecture's names are not known here.
    """
    found = prefixes(names)
    if len(found) != 1 or model_type not in FAMILIES or found[0] in ("", f"{FAMILIES[model_type].base}."):
        return ""
    return found[0]


def foreign(names: Collection[str], model_type: str) -> tuple[str, ...]:
    """The weights beside an encoder that transformers doesn't have there, such as a head of the user's own.

    Args:
        names: the model's names, without wrappers.
        model_type: the architecture.

    Returns:
        Their names.
    """
    if prefix := inside(names, model_type):
        return tuple(name for name in names if not name.startswith(prefix))
    base = base_of(names)
    known = {base, *HEADS, *(MORE_HEADS.get(base, ()) if base else MORE_PARTS.get(model_type, ()))}
    return tuple(name for name in names if name.partition(".")[0] not in known and (base or not PARTS.match(name)))


def base_of(names: Collection[str]) -> str:
    """The part before the first dot in an encoder's names below a head, such as `bert`; empty for an encoder by itself."""
    tops = Counter(name.partition(".")[0] for name in names)
    top = max(tops, key=tops.__getitem__, default="")
    if top == "transformer":  # DistilBERT's list of layers, or all of GPT-2
        return "" if "embeddings" in tops else top
    return "" if any(PARTS.match(name) for name in names if name.startswith(f"{top}.")) else top


def known_base(base: str, model_type: str) -> bool:
    """Whether transformers may call the encoder so."""
    return not base or base == model_type.replace("-", "_") or re.fullmatch(BASE, base) is not None


def prefixes(names: Collection[str]) -> tuple[str, ...]:
    """What precedes an encoder's embeddings, such as `bert.`; several if there are several encoders."""
    return tuple(dict.fromkeys(match[1] for name in names if (match := _UNDER.match(name))))


def _plain(name: str, wrapper: str) -> str:
    return INNER.sub(r"\1", name.removeprefix(wrapper))


def _shared(names: Collection[str]) -> str:
    known = _peeled(names, _framework)
    found = known + _peeled([name.removeprefix(known) for name in names], _own)
    found += _peeled([name.removeprefix(found) for name in names], _framework)
    return found if any(BARE.match(_plain(name, found)) for name in names) else known


def _peeled(names: Collection[str], next_prefix: Callable[[list[str]], str]) -> str:
    """The joined prefixes that all names share."""
    left, found = list(names), ""
    while left and (prefix := next_prefix(left)):
        left, found = [name.removeprefix(prefix) for name in left], found + prefix
    return found


def _framework(names: list[str]) -> str:
    """The prefix of a framework."""
    return next((each for each in WRAPPERS if all(name.startswith(each) for name in names)), "")


def _own(names: list[str]) -> str:
    """The first part of all names, if transformers knows none of them."""
    if any(BARE.match(INNER.sub(r"\1", name)) for name in names):
        return ""
    first = f"{names[0].partition('.')[0]}."
    return first if first != NOT_OWN and all(name.startswith(first) for name in names) else ""
