"""Training objectives: the loss on labels, and the distillation loss on labels and a teacher's predictions.

Each text has one label. A task with several labels would change these functions, but no step.

The loss of distillation is that of Hinton, Vinyals & Dean (2015), Distilling the Knowledge in a Neural Network, section 2:

    alpha * CE(student, labels) + (1 - alpha) * T^2 * KL(softmax(teacher / T) || softmax(student / T))

Three terms can be added: the squared error of the logits (Ba & Caruana 2014), the cosine distance between the inputs of
the two heads (Sanh et al. 2019, section 3), and the relations inside the last layer's attention
(`attention_relations`).
"""

from torch import Tensor, nn

from packlight.steps.training.training_data import NO_LABEL


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of a batch.

    Args:
        logits: [batch, labels].
        labels: label ids [batch].
    """
    return nn.functional.cross_entropy(logits, labels)


def hidden_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """The mean cosine distance between the inputs of two heads, each [batch, width] (Sanh et al. 2019, section 3)."""
    return (1 - nn.functional.cosine_similarity(student, teacher)).mean()


def distillation_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    alpha: float,
    temperature: float,
    logit_weight: float = 0.0,
    weights: Tensor | None = None,
) -> Tensor:
    """The loss above, averaged over the batch.

    A constant added to all logits of a text doesn't change the softmax, but it does affect an out-of-scope threshold.
    So the squared error of the logits themselves (Ba & Caruana 2014, Do Deep Nets Really Need to be Deep?, section 2.2)
    can be added.

    Args:
        student: logits [batch, labels].
        teacher: logits [batch, labels], without gradient.
        labels: label ids [batch]; `NO_LABEL` for texts that only the teacher labels.
        alpha: weight of the labels, from 0 to 1.
        temperature: T, above 0. Higher values soften the targets.
        logit_weight: weight of the mean squared error of the logits.
        weights: factor on each text's loss, [batch]; None for 1 everywhere.
    """
    hard = nn.functional.cross_entropy(student, labels, ignore_index=NO_LABEL, reduction="none")
    soft = nn.functional.kl_div(
        nn.functional.log_softmax(student / temperature, dim=-1),
        nn.functional.log_softmax(teacher / temperature, dim=-1),
        reduction="none",
        log_target=True,
    ).sum(dim=-1)
    each = alpha * hard + (1 - alpha) * temperature**2 * soft
    if logit_weight:
        each = each + logit_weight * (student - teacher).square().mean(dim=-1)
    return each.mean() if weights is None else (each * weights).sum() / weights.sum()
