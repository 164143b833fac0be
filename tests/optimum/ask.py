"""An artifact in optimum: `python ask.py FOLDER TEXT…`, in an environment with optimum-onnx, prints the logits as JSON."""

import json
import sys

from optimum.onnxruntime import ORTModelForSequenceClassification
from transformers import PreTrainedTokenizerFast

folder, *texts = sys.argv[1:]
model = ORTModelForSequenceClassification.from_pretrained(folder)
tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
tokens = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
print(json.dumps(model(**tokens).logits.tolist()))  # noqa: T201 - the test reads it
