"""The kinds of step, each a frozen record of its options.

A step says which kinds of model it can start from and which kind it makes:

    torch        a float32 classifier in PyTorch
    torch-int8   the same with int8 linear layers
    onnx         a float32 ONNX graph
    onnx-int8    an ONNX graph with int8 weights
    static       hashed n-gram embeddings and a small head, on numpy
    cascade      two models, the first of which passes on what it is unsure of
"""

from typing import Annotated, ClassVar, Literal

import msgspec

SAME = "same"
"""makes the kind of model that it starts from"""
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Rate = Annotated[float, msgspec.Meta(gt=0)]
Weight = Annotated[float, msgspec.Meta(ge=0)]
OosRate = Annotated[float, msgspec.Meta(gt=0, lt=1)] | Literal["val"]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="step"):
    """What every step has."""

    needs: ClassVar[tuple[str, ...]] = ()
    """the kinds of model that it can start from; empty for none"""
    makes: ClassVar[str] = ""
    """the kind of model that it makes; SAME for its parent's"""

    name: Name = msgspec.field(name="as")
    parent: Name | None = msgspec.field(default=None, name="from")
    measured: bool = True
    """whether the variant becomes a row of the report; false for one that only others start from"""

    @property
    def kind(self) -> str:
        """The step's word in a recipe."""
        return str(type(self).__struct_config__.tag)

    @property
    def others(self) -> dict[Name, tuple[str, ...]]:
        """The variants besides the parent that it starts from, and the kinds that each may be."""
        return {}

    @property
    def files(self) -> tuple[str, ...]:
        """Files besides the data that it reads; their content determines what it makes."""
        return ()

    @property
    def contradiction(self) -> str | None:
        """Why its options cannot go together; None where they can."""
        return None

    def options(self) -> dict[str, object]:
        """Everything but the names, as plain data."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return {key: value for key, value in plain.items() if key not in ("step", "as", "from", "measured")}


class Training(_Step, frozen=True, kw_only=True):
    """Options that all training shares."""

    epochs: Positive = 3
    min_updates: Count = 0
    """epochs are added until the optimiser makes so many updates, which small data sets need"""
    learning_rate: Rate = 1e-4
    head_learning_rate: Rate | None = 2e-3
    """rate of the classification head; null for the same as the encoder's"""
    batch_size: Positive = 32
    warmup: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1
    """share of all updates over which the rate rises"""
    weight_decay: Weight = 0.01
    max_length: Annotated[int, msgspec.Meta(ge=4, le=8192)] = 128
    """texts are cut to so many tokens"""
    patience: Positive = 2
    """epochs without a better accuracy on val after which training stops; where epochs were added, a third of all"""
    bf16: bool | None = None
    """bfloat16 autocast; null for where the device has it"""
    device: Literal["cpu", "cuda", "mps", "xpu"] | None = None
    """what it trains on; null for the accelerator, or the CPU where there is none"""
    threads: Positive | None = None
    """threads that it trains on, where it trains on the CPU; null for all that this process may use"""


class Finetune(Training, frozen=True, kw_only=True, tag="finetune"):
    """Fine-tune a pretrained encoder, or adopt a classifier that already knows the data's labels."""

    needs = ()
    makes = "torch"

    model: str | None = None
    """Hub id, folder or word; null for the run's --model"""
    epochs: Count = 3
    """0 leaves the encoder as it was pretrained, and its head at the class centroids"""
    train_anyway: bool = False
    """go on training a model that already classifies the data's labels"""


class Distill(Training, frozen=True, kw_only=True, tag="distill"):
    """Teach a smaller student what the parent knows (Hinton et al. 2015)."""

    needs = ("torch",)
    makes = "torch"

    student: str | None = None
    """a checkpoint to start from; null to take layers of the teacher"""
    start: Name | None = None
    """a variant to start from, such as a pruned one, in place of layers of the teacher"""
    layers: tuple[Count, ...] | Positive = 3
    """which of the teacher's layers, counted from 0; a number takes so many, evenly spaced"""
    teachers: tuple[Name, ...] = ()
    """variants whose logits are averaged with the parent's"""
    answers: str | None = None
    """a file of texts with class probabilities, from any source, that teaches in the parent's place"""
    alpha: Share = 0.1
    """weight of the labels against the teacher's answers"""
    temperature: Rate = 2.0
    logit_weight: Weight = 0.0
    """weight of the mean squared error between the logits of student and teacher"""
    hidden_weight: Weight = 0.0
    """weight of the cosine distance between what the heads of student and teacher see; both must be as wide"""
    relation_weight: Weight = 0.0
    """weight of the last layers' attention relations (Wang et al. 2021, MiniLMv2)"""
    augment: Weight = 0.0
    """unlabelled texts made of the training texts, for each of them, that the teacher answers"""
    min_texts: Count = 0
    """more unlabelled texts are made, until the student has this many texts in all; helps small data sets"""
    extra_texts: str | None = None
    """a file of unlabelled texts, one a line, that the teacher answers"""
    epochs: Positive = 6
    min_updates: Count = 300
    learning_rate: Rate = 3e-4
    freeze_layers: Count = 0
    """so many layers, and the embeddings, stay as they are at first"""
    freeze_epochs: Count = 0
    """after so many epochs they are trained too"""
    boost_weak: Annotated[float, msgspec.Meta(ge=1)] = 1.0
    """factor on the loss of the classes that the student struggles with; 1 for none"""

    @property
    def others(self) -> dict[Name, tuple[str, ...]]:
        """The variant to start from and the other teachers."""
        return dict.fromkeys((*([self.start] if self.start else []), *self.teachers), ("torch",))

    @property
    def contradiction(self) -> str | None:
        """Two places to start from, or a file of answers beside what only a teacher can answer."""
        if self.start and self.student:
            return "start and student both say what the student starts from; give one"
        beside = {
            "teachers": bool(self.teachers),
            "hidden_weight": self.hidden_weight > 0,
            "augment": self.augment > 0,
            "min_texts": self.min_texts > 0,
            "extra_texts": self.extra_texts is not None,
        }
        if self.answers and (wrong := [key for key, given in beside.items() if given]):
            return f"answers come from a file, but {wrong[0]} needs a teacher that is asked; give one of the two"
        return None

    @property
    def files(self) -> tuple[str, ...]:
        """The answers and the unlabelled texts."""
        return tuple(file for file in (self.answers, self.extra_texts) if file)


class TrimVocabulary(_Step, frozen=True, kw_only=True, tag="trim-vocabulary"):
    """Keep the pieces of the vocabulary that the texts use, with enough others that unseen words still segment."""

    needs = ("torch",)
    makes = "torch"

    pieces: Positive | None = None
    """so many are kept: those that the texts use first, then the tokenizer's most frequent; null for those in use"""
    corpus: str | None = None
    """a file of texts, one a line, whose pieces are kept as well"""

    @property
    def files(self) -> tuple[str, ...]:
        """The corpus."""
        return (self.corpus,) if self.corpus else ()


class Prune(_Step, frozen=True, kw_only=True, tag="prune"):
    """Remove layers, and the neurons and attention heads that matter least; heal it by `distill`."""

    needs = ("torch",)
    makes = "torch"

    layers: tuple[Count, ...] | Positive | None = None
    """which layers are kept, counted from 0; a number keeps so many, evenly spaced; null for all"""
    feed_forward: Positive | None = None
    """neurons kept in each feed-forward block; null for all"""
    heads: Positive | None = None
    """attention heads kept in each layer; null for all"""
    texts: Positive = 1024
    """training texts that importance is measured on"""
    threads: Positive | None = None
    """threads that importance is measured on; null for all that this process may use"""

    @property
    def contradiction(self) -> str | None:
        """Nothing to remove."""
        nothing = self.layers is self.feed_forward is self.heads is None
        return "nothing to remove: give layers, feed_forward or heads" if nothing else None


class QuantizeTorch(_Step, frozen=True, kw_only=True, tag="quantize-torch"):
    """Dynamic int8 of every linear layer, in PyTorch."""

    needs = ("torch",)
    makes = "torch-int8"

    agreement: Share = 0.9
    """least share of labels, on val texts, that must stay the parent's"""


class Export(_Step, frozen=True, kw_only=True, tag="export"):
    """Write the model as an ONNX graph, batch and length dynamic, fused for ONNX Runtime."""

    needs = ("torch",)
    makes = "onnx"

    opset: Annotated[int, msgspec.Meta(ge=18, le=25)] = 18
    fuse: bool = True
    """join attention, layer norm and GELU into ONNX Runtime's own operators"""
    tolerance: Rate = 1e-3
    """largest difference of a logit from the parent's that is let pass"""


class QuantizeOnnx(_Step, frozen=True, kw_only=True, tag="quantize-onnx"):
    """int8 weights, embeddings included, with dynamic or static activations."""

    needs = ("onnx",)
    makes = "onnx-int8"

    mode: Literal["dynamic", "static"] = "dynamic"
    per_channel: bool = True
    reduce_range: bool | None = None
    """7-bit weights, exact where the processor lacks VNNI; null for where it does"""
    calibration: Literal["minmax", "percentile", "auto"] = "minmax"
    """static ranges from all values, without the rarest of them, or whichever answers more of val rightly"""
    calibration_texts: Positive = 512
    """training texts that static ranges are taken from"""
    embeddings: Literal["int8", "int4"] = "int8"
    """bits of the embeddings"""
    agreement: Share = 0.9
    """least share of labels, on val texts, that must stay the parent's"""


class Calibrate(_Step, frozen=True, kw_only=True, tag="calibrate"):
    """Set the out-of-scope threshold and the temperature on val, and build them into the last layer."""

    needs = ("torch", "onnx", "onnx-int8", "static")
    makes = SAME

    oos_rate: OosRate | None = None
    """share of out-of-scope texts that the traffic is expected to have; `val` for that of val; null where nobody knows: the
    threshold whose accuracy is highest at its worst rate"""
    coverage: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.95
    """without an out-of-scope class: share of val texts that are answered rather than abstained from"""


class DistillStatic(_Step, frozen=True, kw_only=True, tag="distill-static"):
    """Teach hashed n-gram embeddings and a small head what the parent knows: microseconds a text, without torch."""

    needs = ("torch",)
    makes = "static"

    buckets: Annotated[int, msgspec.Meta(ge=256, le=1 << 22)] = 32768
    """rows of the embedding, shared by all n-grams that hash alike"""
    width: Annotated[int, msgspec.Meta(ge=4, le=1024)] = 128
    hidden: Positive = 256
    """neurons of the head"""
    words: Annotated[int, msgspec.Meta(ge=1, le=4)] = 2
    """the longest n-gram of words"""
    characters: tuple[Annotated[int, msgspec.Meta(ge=1, le=8)], ...] = (3, 4, 5)
    """lengths of the n-grams of characters"""
    alpha: Share = 0.1
    temperature: Rate = 2.0
    logit_weight: Weight = 0.05
    augment: Weight = 2.0
    """unlabelled texts made of the training texts, for each of them, that the teacher answers"""
    extra_texts: str | None = None
    """a file of unlabelled texts, one a line, that the teacher answers"""
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.3
    """share of a text's n-grams that are left out in training"""
    epochs: Positive = 12
    learning_rate: Rate = 3e-3
    batch_size: Positive = 64
    max_length: Annotated[int, msgspec.Meta(ge=4, le=8192)] = 128
    """texts are cut to so many words"""
    threads: Positive | None = None
    """threads that it trains on; null for all that this process may use"""

    @property
    def files(self) -> tuple[str, ...]:
        """The unlabelled texts."""
        return (self.extra_texts,) if self.extra_texts else ()


class Cascade(_Step, frozen=True, kw_only=True, tag="cascade"):
    """Let a fast model answer what it is sure of, and the parent the rest."""

    needs = ("onnx", "onnx-int8", "torch")
    makes = "cascade"

    first: Name
    """the fast model, such as one of `distill-static`"""
    loss: Share = 0.01
    """accuracy that may be given up against the parent alone"""
    confidence: Annotated[float, msgspec.Meta(ge=0.5, lt=1)] = 0.95
    """that no more is given up, as far as val's texts can tell"""
    oos_rate: OosRate | None = None
    """share of out-of-scope texts that the traffic is expected to have; `val` or null for that of val"""

    @property
    def contradiction(self) -> str | None:
        """A model before itself."""
        return f"first and from are both {self.first!r}; give two models" if self.first == self.parent else None

    @property
    def others(self) -> dict[Name, tuple[str, ...]]:
        """The fast model."""
        return {self.first: ("static", "onnx-int8", "onnx")}


Step = (
    Finetune
    | Distill
    | TrimVocabulary
    | Prune
    | QuantizeTorch
    | Export
    | QuantizeOnnx
    | Calibrate
    | DistillStatic
    | Cascade
)
