"""KServe's own client against a running server: `python ask.py URL MODEL`, in an environment with kserve."""

import asyncio
import sys

import numpy as np

from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

TEXTS = ["wake me at seven", "play the song queen", "größer"]


async def ask(url, model):
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=20))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, model)
    for binary in (False, True):
        given = InferInput("text", [3], "BYTES")
        given.set_data_from_numpy(np.array([text.encode() for text in TEXTS], dtype=np.object_), binary_data=binary)
        answer = await client.infer(url, InferRequest(model, [given], request_id="42"), model_name=model)
        label, scores = answer.outputs
        assert answer.id == "42"
        labels = [value.decode() if isinstance(value, bytes) else value for value in label.as_numpy().tolist()]
        rows = scores.as_numpy()
        assert rows.shape[0] == len(labels) == len(TEXTS)
        print("|".join(labels), rows.shape)  # noqa: T201 - the test reads it


asyncio.run(ask(sys.argv[1], sys.argv[2]))
