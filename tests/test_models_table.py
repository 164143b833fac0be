"""Eight architectures, six and twelve layers deep, through every step up to a served int8 graph: `make test-models`.

One of them runs in `make test`, and one in `make test-walks`. With `PACKLIGHT_MODELS_TABLE` set to a page, each is written into its table.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from transformers import pipeline

from packlight.data import dataset_from_rows
from packlight.pipeline.runner import build
from packlight.recipes.recipe import parse_recipe
from packlight.runtime.predictor import Predictor
from served import Client, serving

FAMILIES = {
    "BERT": "bert",
    "DistilBERT": "distilbert",
    "RoBERTa": "roberta",
    "XLM-R": "xlm-roberta",
    "ELECTRA": "electra",
    "DeBERTa-v2": "deberta-v2",
    "MPNet": "mpnet",
    "ModernBERT": "modernbert",
}
SETTINGS = {
    "deberta-v2": {
        "relative_attention": True,
        "position_buckets": 8,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "pooler_hidden_size": 32,
    },
    "modernbert": {"global_attn_every_n_layers": 3, "local_attention": 8, "cls_token_id": 2, "sep_token_id": 3},
}
DEPTHS = (6, 12)
MARKS = {("DistilBERT", 6): (), ("BERT", 12): pytest.mark.walk}
RECIPE = """
version: 1
name: everything
steps:
  - {step: finetune, as: teacher}
  - {step: trim-vocabulary, as: trimmed, vocab_size: 300}
  - {step: prune, as: shallow, layers: 3}
  - {step: prune, as: narrow, from: teacher, intermediate_size: 32, texts: 8}
  - {step: prune, as: heads, from: teacher, heads: 2, texts: 8}
  - {step: distill, as: student, from: teacher, start: shallow, epochs: 1, min_updates: 0, bf16: false}
  - {step: quantize-torch, as: torch-int8, from: teacher, min_agreement: 0.5}
  - {step: export, as: onnx, from: teacher}
  - {step: quantize-onnx, as: static, mode: static, min_agreement: 0.5}
  - {step: export, as: student-onnx, from: student}
  - {step: quantize-onnx, as: student-static, mode: static, min_agreement: 0.5}
"""
EVERY = tuple(step.name for step in parse_recipe(RECIPE).steps)
START, END = "<!-- table: make test-models -->", "<!-- end of the table -->"


@dataclass(frozen=True)
class Row:
    """What was found of one architecture at one depth."""

    family: str
    layers: int
    adopted: float
    """largest difference of a probability from transformers.pipeline"""
    left_out: tuple[str, ...]
    """steps that the architecture does not allow"""
    parity: float
    """largest difference of a logit from PyTorch's"""
    agreement: float
    """share of val texts whose label static int8 keeps"""

    def __str__(self) -> str:
        """The row of the table."""
        left = ", ".join(f"`{name}`" for name in self.left_out)
        cells = [
            *(self.family, str(self.layers), f"within {_bound(self.adopted)}", left),
            *(f"within {_bound(self.parity)}", f"{self.agreement:.0%}", "yes"),
        ]
        return f"| {' | '.join(cells)} |"


def _bound(value: float) -> str:
    """The power of ten above a difference, which other machines keep too."""
    return next(word for word in ("1e-5", "1e-4", "1e-3", "1e-2") if value <= float(word))


HEAD = """\
| architecture | layers | used as is: probabilities | skipped | ONNX: logits | static int8: same labels | served |
| --- | ---: | --- | --- | --- | ---: | --- |"""


def write(row):
    """Put a row into the page's table, in place of the one that it has for the same architecture and depth."""
    page = os.environ.get("PACKLIGHT_MODELS_TABLE")
    if page is None:
        return
    before, _, rest = Path(page).read_text(encoding="utf-8").partition(START)
    known, _, after = rest.partition(END)
    keys = [f"| {family} | {layers} |" for family in FAMILIES for layers in DEPTHS]
    lines = {key: line for line in [*known.splitlines(), str(row)] for key in keys if line.startswith(key)}
    table = "\n".join([HEAD, *(lines[key] for key in keys if key in lines)])
    Path(page).write_text(f"{before}{START}\n\n{table}\n\n{END}{after}", encoding="utf-8")


CASES = [
    pytest.param(*(family, layers), marks=MARKS.get((family, layers), pytest.mark.models), id=f"{family}-{layers}")
    for family in FAMILIES
    for layers in DEPTHS
]


@pytest.mark.parametrize(("family", "layers"), CASES)
def test_an_architecture_goes_through_every_step(tiny, tmp_path, monkeypatch, family, layers):
    monkeypatch.setitem(tiny.SIZES, "num_hidden_layers", layers)
    kind = FAMILIES[family]
    folder = tiny.make_foreign(kind, tmp_path / "model", tiny.LABELS, initializer_range=0.2, **SETTINGS.get(kind, {}))
    data = dataset_from_rows(list(zip(*tiny.toy_texts(), strict=True)))
    made = build(data, parse_recipe(RECIPE), tmp_path / "run", model=str(folder), train_threads=1)
    texts = list(data.test.texts)

    theirs = pipeline("text-classification", model=str(folder), device="cpu")(
        texts, truncation=True, max_length=tiny.MAX_LENGTH
    )
    ours = Predictor.open(made["teacher"].path).predict(texts)
    assert [each.label for each in ours] == [each["label"] for each in theirs]
    adopted = max(abs(mine.score - their["score"]) for mine, their in zip(ours, theirs, strict=True))
    assert adopted < 1e-4

    parity = max(made[name].manifest.facts["parity"]["max_abs_difference"] for name in ("onnx", "student-onnx"))
    assert parity <= 1e-3
    assert all(made[name].manifest.batch_invariant for name in ("teacher", "onnx", "static", "student-static"))
    expected = [each.label for each in Predictor.open(made["static"].path).predict(texts)]
    with serving(made["static"].path) as server:
        body = {"inputs": [{"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}]}
        status, answer = Client(server.url).json("POST", "/v2/models/intent/infer", body)
    assert status == 200
    labels = next(output["data"] for output in answer["outputs"] if output["name"] == "label")
    assert labels == expected
    agreement = sum(mine.label == label for mine, label in zip(ours, expected, strict=True)) / len(texts)
    write(Row(family, layers, adopted, tuple(name for name in EVERY if name not in made), parity, agreement))
