"""One other tool, trained and timed in an environment of its own, which doesn't have packlight. `peers.py` runs this file.

    python peer_models.py NAME job.json answers.json

`job.json` has the texts and labels of the splits, a seed, the folder of an encoder and a folder for the model. The answers are
the predicted labels of `val` and `test`, the model's size on disk, and the time of single requests on one thread.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")

Job = dict[str, Any]
Predict = Callable[[Sequence[str]], Sequence[str]]
WARM_UP, TIMED = 20, 200
"""texts"""


def svm(job: Job, folder: Path) -> Predict:
    """TF-IDF of words and of characters, and a linear SVM, with scikit-learn's defaults."""
    import skops.io
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True),
    )
    model = make_pipeline(features, LinearSVC(random_state=job["seed"]))
    model.fit(job["train"]["texts"], job["train"]["labels"])
    skops.io.dump(model, folder / "model.skops")
    return lambda texts: [str(label) for label in model.predict(list(texts))]


def fasttext(job: Job, folder: Path) -> Predict:
    """FastText with word bigrams and character n-grams."""
    return _fasttext(job, folder, compressed=False)


def fasttext_compressed(job: Job, folder: Path) -> Predict:
    """The same, quantized with retraining as its documentation shows."""
    return _fasttext(job, folder, compressed=True)


def _fasttext(job: Job, folder: Path, *, compressed: bool) -> Predict:
    import fasttext as library

    names = sorted(set(job["train"]["labels"]))
    lines = [
        f"__label__{names.index(label)} {' '.join(text.lower().split())}"
        for text, label in zip(job["train"]["texts"], job["train"]["labels"], strict=True)
    ]
    file = folder / "train.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    model = library.train_supervised(
        str(file), lr=0.5, epoch=50, wordNgrams=2, minn=3, maxn=5, dim=100, bucket=200_000, thread=1, verbose=0,
        seed=job["seed"],
    )  # fmt: skip
    if compressed:
        model.quantize(input=str(file), qnorm=True, retrain=True, cutoff=50_000, thread=1, verbose=0)
    file.unlink()
    model.save_model(str(folder / "model.bin"))
    predictor = model.f  # the Python wrapper of `predict` needs NumPy 1

    def predict(texts: Sequence[str]) -> list[str]:
        best = [predictor.predict(" ".join(text.lower().split()) + "\n", 1, 0.0, "strict") for text in texts]
        return [names[int(each[0][1].removeprefix("__label__"))] for each in best]

    return predict


def model2vec(job: Job, folder: Path) -> Predict:
    """A static model distilled from the encoder, with a trained classifier on top."""
    from model2vec.distill import distill
    from model2vec.train import StaticModelForClassification

    model = StaticModelForClassification.from_static_model(model=distill(job["encoder"], device="cpu"))
    model.fit(
        job["train"]["texts"], job["train"]["labels"], X_val=job["val"]["texts"], y_val=job["val"]["labels"], device="cpu",
        random_seed=job["seed"],
    )  # fmt: skip
    pipeline = model.to_pipeline()
    pipeline.save_pretrained(str(folder))
    return lambda texts: [str(label) for label in pipeline.predict(list(texts))]


def setfit(job: Job, folder: Path) -> Predict:
    """Contrastive fine-tuning of the encoder, then a linear classifier."""
    import torch
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    torch.manual_seed(job["seed"])
    model = SetFitModel.from_pretrained(job["encoder"], labels=sorted(set(job["train"]["labels"])))
    train = Dataset.from_dict({"text": job["train"]["texts"], "label": job["train"]["labels"]})
    arguments = TrainingArguments(
        output_dir=str(folder.parent / "checkpoints"), batch_size=32, max_steps=job["steps"], seed=job["seed"],
        report_to="none",
    )  # fmt: skip
    Trainer(model=model, args=arguments, train_dataset=train).train()
    model.save_pretrained(str(folder))
    return lambda texts: [str(label) for label in model.predict(list(texts))]


PEERS = {each.__name__.replace("_", "-"): each for each in (svm, fasttext, fasttext_compressed, model2vec, setfit)}


def main() -> None:
    """Train, predict, time, write."""
    name, job_file, answers = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    job = json.loads(job_file.read_text(encoding="utf-8"))
    folder = Path(job["folder"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.perf_counter()
    predict = PEERS[name](job, folder)
    found: dict[str, object] = {"train_seconds": time.perf_counter() - started}
    found |= {split: list(predict(job[split]["texts"])) for split in ("val", "test")}
    found["size_bytes"] = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    some = (job["test"]["texts"] * (1 + (WARM_UP + TIMED) // len(job["test"]["texts"])))[: WARM_UP + TIMED]
    for text in some[:WARM_UP]:
        predict([text])
    before = time.perf_counter()
    for text in some[WARM_UP:]:
        predict([text])
    found["latency_ms"] = 1000 * (time.perf_counter() - before) / TIMED
    answers.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
