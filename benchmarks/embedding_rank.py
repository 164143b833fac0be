"""What a classifier keeps when its embedding is factorised: singular values, accuracy on `val` without healing, bytes.

    python benchmarks/embedding_rank.py runs/frontier/variants/balanced-fp32 --data DATA

Two factors of rank r in place of a table of pieces x width: r columns for each piece, and r x width to widen them again
(Lan et al. 2020, ALBERT, section 3.1; the factors are those of the singular value decomposition).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from packlight.data import load_dataset
from packlight.models.hf_model import open_classifier
from packlight.runtime.artifact import Artifact
from packlight.runtime.tokenization import TextEncoder

SHARES = (1, 5 / 6, 2 / 3, 1 / 2, 1 / 3)
BATCH = 64
HALF_BYTE = 0.5
MEGABYTE = 1e6


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--data", required=True)
    options = parser.parse_args()
    artifact, texts = Artifact.open(options.artifact), load_dataset(options.data).val
    model = open_classifier(artifact.path).eval()
    encoder = TextEncoder(artifact.tokenizer_path, artifact.manifest.max_length)
    table = model.get_input_embeddings().weight.data.clone()
    left, values, right = torch.linalg.svd(table, full_matrices=False)
    pieces, width = table.shape
    print(f"{pieces} pieces x {width}, in four bits {pieces * width * HALF_BYTE / MEGABYTE:.2f} MB")
    for rank in (round(width * share) for share in SHARES):
        model.get_input_embeddings().weight.data = (left[:, :rank] * values[:rank]) @ right[:rank]
        right_ones = np.array(answers(model, encoder, artifact.labels, texts.texts)) == np.array(texts.labels)
        kept = float((values[:rank] ** 2).sum() / (values**2).sum())
        size = (pieces + width) * rank * HALF_BYTE / MEGABYTE
        print(f"rank {rank:4}: {kept:.1%} of the squares, val {right_ones.mean():.2%}, both factors {size:.2f} MB")


def answers(model: PreTrainedModel, encoder: TextEncoder, labels: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The likeliest label of each text."""
    found: list[str] = []
    for start in range(0, len(texts), BATCH):
        tokens = encoder(texts[start : start + BATCH])
        with torch.inference_mode():
            logits = model(
                input_ids=torch.from_numpy(tokens.input_ids), attention_mask=torch.from_numpy(tokens.attention_mask)
            ).logits
        found += [labels[index] for index in logits.argmax(dim=1).tolist()]
    return found


if __name__ == "__main__":
    main()
