"""Does a quantized model still give its parent's labels? Asked on texts of `val`, before anything is built on it."""

from packlight.artifact import Artifact
from packlight.dataset import Dataset
from packlight.engines import open_engine
from packlight.pipeline.parity import check_agreement
from packlight.pipeline.parts import spread
from packlight.progress import bar
from packlight.recipe import QuantizeOnnx, QuantizeTorch

AGREEMENT_TEXTS = 512


def agreement_with_parent(
    step: QuantizeOnnx | QuantizeTorch, parent: Artifact, child: Artifact, data: Dataset
) -> float:
    """The share of validation texts that keep the parent's label.

    Raises:
        ParityError: when it is below what the step asks for.
    """
    texts = spread(data.val.texts, AGREEMENT_TEXTS)
    answers = []
    for each in (parent, child):
        engine = open_engine(each)
        with bar(f"{step.name}: comparing with its parent", total=len(texts)) as progress:
            labels = []
            for text in texts:
                labels.append(int(engine.logits([text]).argmax()))
                progress.advance()
        answers.append(labels)
    return check_agreement(answers[0], answers[1], least=step.agreement, name=step.name)
