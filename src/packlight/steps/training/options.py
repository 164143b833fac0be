"""Options that training steps share."""

from typing import Annotated, Literal

import msgspec

from packlight.steps.step import Count, LengthOptions, Name, Positive, Rate, Share, Span, Step, Weight, described

Alpha = Annotated[
    Share,
    described(
        "Weight of the labels in the loss, from 0 to 1. The teacher gets the rest.", searched=Span(0.0, 0.5, step=0.1)
    ),
]
Temperature = Annotated[
    Rate,
    described(
        "Softmax temperature for the teacher's logits. Higher values soften the targets.",
        searched=Span(1.0, 4.0, step=0.5),
    ),
]
LogitWeight = Annotated[
    Weight,
    described(
        "Weight of the mean squared error between the logits of student and teacher.", searched=(0.0, 0.05, 0.2, 1.0)
    ),
]
Augment = Annotated[
    Weight,
    described("Unlabelled texts to generate for each training text. The teacher labels them.", searched=Span(0, 3)),
]
NewWords = Annotated[
    bool,
    described(
        "Put words of the teacher's vocabulary, which the training texts may lack, into three of eight generated texts."
    ),
]
MinTexts = Annotated[
    Count,
    described("Generate unlabelled texts until there are this many training texts. Useful for small data sets."),
]
Teachers = Annotated[
    tuple[Name, ...],
    described("More teachers. Their logits are averaged with the first teacher's.", takes="variant"),
]
UnlabeledTexts = Annotated[
    str | None,
    described("File of unlabelled texts, one per line. The teacher labels them.", null="none", takes="file"),
]
MaxLength = Annotated[int, msgspec.Meta(ge=4, le=8192)]
LongTexts = Literal["head", "head+tail", "windows"]
Dropout = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Threads = Annotated[
    Positive | None,
    described(
        "CPU threads for training. Another number of threads gives a slightly different model.",
        null="chosen by a short trial",
    ),
]


class Training(Step, frozen=True, kw_only=True):
    """Options of every step that trains an encoder."""

    epochs: Annotated[Count | None, described("Passes over the training texts.")] = None
    min_updates: Annotated[
        Count, described("Add epochs until the optimizer makes this many updates. Useful for small data sets.")
    ] = 0
    learning_rate: Annotated[Rate, described("Peak learning rate of the encoder.")] = 1e-4
    head_learning_rate: Annotated[
        Rate | None, described("Peak learning rate of the classification head.", null="same as the encoder's")
    ] = 2e-3
    batch_size: Annotated[Positive, described("Texts per update.")] = 32
    warmup: Annotated[Dropout, described("Share of the updates in which the learning rate rises, from 0 to 1.")] = 0.1
    weight_decay: Annotated[Weight, described("Weight decay of AdamW.")] = 0.01
    dropout: Annotated[
        Dropout | None,
        described("Share of the activations to leave out during training.", null="what the model's configuration says"),
    ] = None
    max_length: Annotated[
        MaxLength | None,
        described(
            "Truncate texts to this many tokens.",
            null="the model's limit, or less if 99.9% of the training texts are shorter",
        ),
    ] = None
    long_texts: Annotated[
        LongTexts,
        described(
            "What to do with longer texts: keep the `head`, keep `head+tail` (a quarter from the start, the rest from the "
            "end), or read the whole text in `windows` of this length and average their logits."
        ),
    ] = "head"
    patience: Annotated[
        Positive | None,
        described(
            "Stop after this many epochs without better accuracy on val.", null="half of all epochs, and at least 2"
        ),
    ] = None
    bf16: Annotated[
        bool | None,
        described("Train, and run teachers, with bfloat16 autocast.", null="if the device supports it"),
    ] = None
    device: Annotated[
        Literal["cpu", "cuda", "mps", "xpu"] | None,
        described(
            "Device to train on: `cpu`, `cuda`, `mps` or `xpu`.",
            null="an accelerator if there is one, otherwise the CPU",
        ),
    ] = None
    threads: Threads = None
    seed_offset: Annotated[
        Count, described("Added to the run's random seed. Teachers that are averaged need different ones.")
    ] = 0

    def own_seed(self, seed: int) -> int:
        """The run's seed plus the offset."""
        return seed + self.seed_offset

    @property
    def length_options(self) -> LengthOptions:
        """The stated length of its texts."""
        return LengthOptions(self.max_length, self.long_texts)

    @property
    def planned_epochs(self) -> int:
        """The stated epochs, before any are added."""
        return self.epochs or 0

    @property
    def least_updates(self) -> int:
        """Minimum number of updates, which adds epochs."""
        return self.min_updates
