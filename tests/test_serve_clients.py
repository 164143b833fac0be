"""Real clients of the protocol, and the interface's own description against the server."""

import numpy as np
import pytest

from packlight.runtime.predictor import Predictor
from served import INFER, MODEL, Client, infer

pytest_plugins = ["served"]
TEXTS = ["wake me at seven", "play the song queen", "größer 🙂"]


@pytest.fixture
def triton(server):
    http = pytest.importorskip("tritonclient.http", reason='needs tritonclient: pip install "tritonclient[http]"')
    client = http.InferenceServerClient(server.url.removeprefix("http://"))
    client.http = http
    yield client
    client.close()


def test_triton_reads_health_and_metadata(triton):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready(MODEL)
    assert triton.is_model_ready(MODEL, "1")
    assert triton.get_server_metadata()["name"] == "packlight"
    assert triton.get_model_metadata(MODEL)["inputs"][0]["name"] == "text"


def ask(triton, shape, *, binary_in, outputs, **options):
    given = triton.http.InferInput("text", shape, "BYTES")
    values = np.array([text.encode() for text in TEXTS], dtype=np.object_).reshape(shape)
    given.set_data_from_numpy(values, binary_data=binary_in)
    return triton.infer(MODEL, [given], outputs=outputs, **options)


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
@pytest.mark.parametrize("shape", [[3], [3, 1]])
@pytest.mark.parametrize("packing", [None, "gzip", "deflate"])
def test_triton_infers(triton, artifact, binary_in, binary_out, shape, packing):
    wanted = triton.http.InferRequestedOutput
    outputs = None
    if binary_out is not None:
        outputs = [wanted(name, binary_data=binary_out) for name in ("label", "scores", "out_of_scope")]
    result = ask(
        triton,
        shape,
        binary_in=binary_in,
        outputs=outputs,
        request_id="42",
        request_compression_algorithm=packing,
        parameters={"anything": "else"},
    )
    said = Predictor.open(artifact, threads=1).predict(TEXTS)
    labels = [label.decode() if isinstance(label, bytes) else label for label in result.as_numpy("label").tolist()]
    assert labels == [each.label for each in said]
    scores = result.as_numpy("scores")
    assert scores.dtype == np.float32
    assert scores.max(axis=1).tolist() == pytest.approx([each.score for each in said], abs=1e-5)
    if outputs:
        assert result.as_numpy("out_of_scope").tolist() == [each.out_of_scope for each in said]
    assert result.get_response()["id"] == "42"


@pytest.mark.parametrize("binary", [True, False])
def test_triton_asks_for_classes(triton, binary):
    wanted = [triton.http.InferRequestedOutput("scores", binary_data=binary, class_count=2)]
    classes = ask(triton, [3], binary_in=True, outputs=wanted).as_numpy("scores")
    assert classes.shape == (3, 2)
    for row in classes.tolist():
        first, second = ((each.decode() if isinstance(each, bytes) else each).split(":") for each in row)
        assert float(first[0]) >= float(second[0])
        assert first[1].isdigit()
        assert first[2]


def test_triton_is_told_what_is_wrong(triton):
    from tritonclient.utils import InferenceServerException  # as the fixture

    given = triton.http.InferInput("tokens", [1], "INT64")
    given.set_data_from_numpy(np.array([1]))
    with pytest.raises(InferenceServerException, match="named 'text'"):
        triton.infer(MODEL, [given])


def test_the_description_is_true(server):
    schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings  # beside schemathesis
    from hypothesis import strategies as st  # as above

    # a schema cannot say that a shape counts its data; JSON's 2.0 for 2 is refused as well
    from schemathesis.specs.openapi.checks import positive_data_acceptance  # as above

    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    # what breaks the schema may be too large as well, which is what is said of it then
    rejection = schema.config.checks.negative_data_rejection
    rejection.expected_statuses = [*rejection.expected_statuses, "413"]
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 11

    for operation in operations:
        modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
        strategy = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))

        @settings(
            max_examples=40,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        )
        @given(strategy)
        def fuzz(case):
            response = case.call(base_url=server.url)
            assert response.status_code < 500, response.text
            case.validate_response(response, excluded_checks=[positive_data_acceptance])

        fuzz()
    assert Client(server.url).json("POST", INFER, infer("a"))[0] == 200
