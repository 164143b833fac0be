"""Training with transformers' Trainer, so that `accelerate launch` runs the same code on several devices and nodes.

A step provides its objective. Everything else is here: length-grouped batches, two learning rates, bfloat16 if the
machine supports it, a checkpoint after each epoch to resume from, early stopping on `val` accuracy, the accuracy of
every class after each epoch, and a progress bar.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset as TorchDataset
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback

from packlight.errors import ModelError
from packlight.models.hf_model import final_layer
from packlight.models.mean_pooling import encoder_layers
from packlight.progress import Bar, bar, info
from packlight.runtime.tokenization import TextEncoder
from packlight.runtime.windows import parts_of
from packlight.steps.inference import runs_in_bf16
from packlight.steps.training.active_vocabulary import ActiveVocabulary
from packlight.steps.training.devices import bf16_here, device_here
from packlight.steps.training.dropout import set_dropout
from packlight.steps.training.float32_attention import Float32Attention
from packlight.steps.training.history import EpochResult, History
from packlight.steps.training.objectives import label_loss
from packlight.steps.training.options import Training
from packlight.steps.training.training_data import TrainingData

__all__ = ["EpochResult", "Objective", "fit"]

EVAL_BATCH = 128
TRAIN_TOKENS, EVAL_TOKENS = 8192, 32_768
"""maximum number of tokens in a batch, padding included"""

WEAK_CLASSES = 5

DIVERGED = 20
"""maximum loss, as a multiple of the loss of guessing. A training that learns anything stays far below it."""

Objective = Callable[[Tensor, Tensor, Tensor], Tensor]
"""logits [batch, labels], label ids [batch], rows of the training split [batch] -> scalar loss"""


class Item(TypedDict):
    """One text for the Trainer."""

    input_ids: list[int]
    labels: int
    row: int


class Items(TorchDataset[Item]):
    """Tokenised texts with their label ids."""

    def __init__(self, rows: Sequence[list[int]], labels: Sequence[int]) -> None:
        """`rows` are unpadded token ids."""
        self._rows = rows
        self._labels = labels

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Item:
        return {"input_ids": self._rows[index], "labels": self._labels[index], "row": index}


def fit(
    model: PreTrainedModel,
    encoder: TextEncoder,
    train_data: TrainingData,
    objective: Objective,
    options: Training,
    *,
    work: Path,
    seed: int,
    title: str,
    frozen: tuple[int, int] = (0, 0),
    on_epoch: Callable[[EpochResult], None] = lambda _: None,
) -> list[EpochResult]:
    """Train a model in place and leave it with the weights of its best epoch on `val`.

    Args:
        model: a sequence classifier; changed in place.
        encoder: its tokenizer.
        train_data: texts and labels.
        objective: the loss.
        options: rates, epochs and the like.
        work: folder for checkpoints; an interrupted training in it is resumed.
        seed: random seed of the batch order and of dropout.
        title: title of the progress bar.
        frozen: (layers, epochs): Number of lower layers to freeze, together with the embeddings, and for how many epochs.
        on_epoch: called after each epoch with its results on `val`, and at the start for each epoch of an interrupted
            run.

    Returns:
        The results on `val` after each epoch, including those of an interrupted run.
    """
    epochs, patience = schedule(options, len(train_data.train_texts))
    train_rows, val_rows = encoder.ids(train_data.train_texts), encoder.ids(train_data.val_texts)
    bf16 = bf16_here(options.device or device_here()) if options.bf16 is None else options.bf16
    if bf16 and not runs_in_bf16(model, encoder):
        info(f"  {model.config.model_type} does not run in bfloat16, so it is trained in float32")
        bf16 = False
    if options.dropout is not None:
        set_dropout(model, options.dropout)
    vocabulary = ActiveVocabulary(model, [*train_rows, *val_rows], pad_id=encoder.pad_id)
    history = History(work)
    own = dict(vars(model))
    for epoch in history.epochs:
        on_epoch(epoch)

    def record(prediction: EvalPrediction) -> dict[str, float]:
        epoch = _epoch_result(prediction, train_data, len(history.epochs) + 1)
        history.record(epoch)
        on_epoch(epoch)
        return {"accuracy": epoch.accuracy}

    longest = max(map(len, [*train_rows, *val_rows]))
    try:
        with bar(title, total=1) as progress:
            trainer = _Trainer(
                objective=objective,
                model=model,
                args=_arguments(options, epochs, work, seed, bf16=bf16, longest=longest),
                data_collator=_Collator(encoder),
                train_dataset=Items([vocabulary.map(row) for row in train_rows], train_data.train_labels),
                eval_dataset=Items([vocabulary.map(row) for row in val_rows], train_data.val_labels),
                compute_metrics=record,
                optimizers=(_optimizer(model, options), None),
                callbacks=[
                    EarlyStoppingCallback(early_stopping_patience=patience),
                    _FreezeCallback(model, *frozen),
                    _ProgressCallback(progress, history),
                ],
            )
            # It prints its metrics as a dictionary to standard output.
            trainer.remove_callback(PrinterCallback)
            trainer.train(resume_from_checkpoint=str(history.checkpoint) if history.checkpoint else None)
    finally:
        # Mixed precision wraps the model's `forward`. This removes the wrapper.
        for name in ("forward", "_original_forward"):
            vars(model).pop(name, None)
            vars(model).update({name: own[name]} if name in own else {})
        model.cpu()
        vocabulary.restore()
        model.requires_grad_(requires_grad=True)
        model.eval()
    return history.epochs


def schedule(options: Training, texts: int) -> tuple[int, int]:
    """The number of epochs, and the patience in epochs, for a number of training texts.

    A few hundred texts make few updates per epoch, so epochs are added until `min_updates` is reached. Unless it is
    stated, patience is half of all epochs: the accuracy on a small `val` moves in steps, and the learning rate falls
    until the end, so that the last epochs are often the best.
    """
    planned = options.planned_epochs
    epochs = max(planned, math.ceil(options.least_updates / math.ceil(texts / options.batch_size)))
    return epochs, options.patience or max(2, math.ceil(epochs / 2))


class _Collator:
    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder

    def __call__(self, items: list[Item]) -> dict[str, Tensor]:
        windows = [parts_of(item["input_ids"]) for item in items]
        tokens = self._encoder.pad([window for each in windows for window in each])
        return {
            # This comes first, because the Trainer takes the length of the first tensor as the number of texts.
            "labels": torch.tensor([item["labels"] for item in items]),
            "row": torch.tensor([item["row"] for item in items]),
            "windows": torch.tensor([len(each) for each in windows]),
            "input_ids": torch.from_numpy(tokens.input_ids),
            "attention_mask": torch.from_numpy(tokens.attention_mask),
        }


class _Trainer(Trainer):
    def __init__(self, *, objective: Objective, **rest: Any) -> None:
        super().__init__(**rest)
        self._objective = objective
        self.model_accepts_loss_kwargs = False

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor | Any],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - the Trainer's signature
        num_items_in_batch: Tensor | int | None = None,  # noqa: ARG002 - as above
    ) -> Tensor | tuple[Tensor, Any]:
        labels, rows = inputs["labels"], inputs["row"]
        with Float32Attention():
            outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        logits = _mean_of_windows(outputs.logits.float(), inputs["windows"])
        if model.training:
            loss = self._objective(logits, labels, rows)
            if not torch.isfinite(loss):
                raise ModelError(
                    f"training diverged: the loss is {loss.item()} at update {self.state.global_step + 1}; lower the learning "
                    f"rate ({self.args.learning_rate:g}), or train with bf16: false if it is on"
                )
        else:
            loss = label_loss(logits, labels)
        return (loss, {"loss": loss, "logits": logits}) if return_outputs else loss


def _mean_of_windows(logits: Tensor, windows: Tensor) -> Tensor:
    """Logits of texts, [texts, labels]: the mean over each text's number of windows."""
    if len(logits) == len(windows):
        return logits
    text_of = torch.repeat_interleave(torch.arange(len(windows), device=logits.device), windows)
    sums = logits.new_zeros(len(windows), logits.shape[1]).index_add(0, text_of, logits)
    return sums / windows[:, None]


class _FreezeCallback(TrainerCallback):
    """Freezes the lower layers and the embeddings, and unfreezes them after some epochs."""

    def __init__(self, model: PreTrainedModel, layers: int, epochs: int) -> None:
        self._epochs = epochs
        self._resting: list[nn.Parameter] = []
        if layers and epochs:
            embeddings = getattr(model.base_model, "embeddings", model.get_input_embeddings())
            modules = [embeddings, *encoder_layers(model)[:layers]]
            self._resting = [parameter for module in modules for parameter in module.parameters()]

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        for parameter in self._resting:
            parameter.requires_grad = (state.epoch or 0) >= self._epochs


class _ProgressCallback(TrainerCallback):
    def __init__(self, progress: Bar, history: History) -> None:
        self._bar = progress
        self._history = history

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        self._bar.resize(state.max_steps)
        self._bar.reach(state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        note = f"val {self._history.epochs[-1].accuracy:.1%}" if self._history.epochs else ""
        self._bar.reach(state.global_step, note=note)

    def on_prediction_step(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **_: Any,
    ) -> None:
        self._bar.reach(state.global_step, note="predicting val")


def micro_batch(batch_size: int, longest: int) -> tuple[int, int]:
    """Batch size, and gradient accumulation steps, so that long texts take no more memory than short ones.

    Args:
        batch_size: texts for each update.
        longest: number of tokens of the longest text.
    """
    parts = math.ceil(batch_size / max(1, TRAIN_TOKENS // max(1, longest)))
    return math.ceil(batch_size / parts), parts


def _arguments(options: Training, epochs: int, work: Path, seed: int, *, bf16: bool, longest: int) -> TrainingArguments:
    device = options.device or device_here()
    accelerated = device != "cpu"
    together, parts = micro_batch(options.batch_size, longest)
    return TrainingArguments(
        output_dir=str(work),
        num_train_epochs=epochs,
        per_device_train_batch_size=together,
        gradient_accumulation_steps=parts,
        per_device_eval_batch_size=max(1, min(EVAL_BATCH, EVAL_TOKENS // max(1, longest))),
        learning_rate=options.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=options.warmup,
        max_grad_norm=1.0,
        bf16=bf16,
        use_cpu=not accelerated,
        train_sampling_strategy="group_by_length",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        greater_is_better=True,
        logging_strategy="no",
        restore_callback_states_from_checkpoint=True,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=accelerated,
        label_names=["labels"],
        seed=seed,
        data_seed=seed,
    )


def _optimizer(model: PreTrainedModel, options: Training) -> torch.optim.Optimizer:
    head = {id(parameter) for parameter in final_layer(model).parameters()}
    groups = []
    for in_head in (False, True):
        rate = options.head_learning_rate if in_head and options.head_learning_rate else options.learning_rate
        for decays in (True, False):
            parameters = [
                parameter
                for parameter in model.parameters()
                if (id(parameter) in head) is in_head and (parameter.ndim > 1) is decays
            ]
            groups.append({"params": parameters, "lr": rate, "weight_decay": options.weight_decay if decays else 0.0})
    return torch.optim.AdamW(groups, lr=options.learning_rate, fused=True)


def _check_converging(logits: npt.NDArray[np.floating], truth: npt.NDArray[np.integer], number: int) -> None:
    """Stop a training whose logits are not finite, or whose loss is so high that it must have diverged.

    Raises:
        ModelError: if it has diverged. The message says what to do.
    """
    together = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    losses = np.log(np.exp(together).sum(axis=-1)) - together[np.arange(len(truth)), truth]
    guessing = math.log(logits.shape[-1])
    if not losses.mean() < DIVERGED * guessing:
        raise ModelError(
            f"training diverged: after epoch {number} the loss on val is {losses.mean():.3g}, but guessing has {guessing:.3g}; "
            "lower the learning rate"
        )


def _epoch_result(prediction: EvalPrediction, train_data: TrainingData, number: int) -> EpochResult:
    truth = np.asarray(prediction.label_ids)
    logits = np.asarray(prediction.predictions)
    _check_converging(logits, truth, number)
    right = logits.argmax(axis=-1) == truth
    count = len(train_data.labels)
    seen = np.bincount(truth, minlength=count)
    per_class = np.divide(np.bincount(truth, weights=right, minlength=count), seen, out=np.ones(count), where=seen > 0)
    in_scope = np.array([train_data.labels[index] != train_data.oos_label for index in truth])
    accuracy = float(right.mean())
    weak = [index for index in np.argsort(per_class, kind="stable")[:WEAK_CLASSES] if per_class[index] < accuracy]
    return EpochResult(
        epoch=number,
        accuracy=accuracy,
        in_scope_accuracy=float(right[in_scope].mean()) if in_scope.any() else accuracy,
        weak_classes=tuple((train_data.labels[index], float(per_class[index])) for index in weak),
        per_class=tuple(map(float, per_class)),
    )
