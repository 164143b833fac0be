"""What a server takes and gives in JSON, as records: the schemas of the OpenAPI document follow from these.

What is given is made of these records, so that the document cannot say otherwise. What is taken is decoded into laxer
types (`requests`), so that the server can say in its own words what is wrong. Bounds that the server's settings choose
are stated here by the setting's name, and filled in by `openapi`.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Text = Annotated[str, Meta(extra_json_schema={"maxLength": "text_bytes"})]
Texts = Annotated[list[Text], Meta(min_length=1, extra_json_schema={"maxItems": "texts"})]
Size = Annotated[int, Meta(ge=-1)]
"""of one dimension; -1 where it is not known beforehand"""


class TextInput(msgspec.Struct, frozen=True):
    """The texts of a request, of shape [N] or [N, 1]; `data` is absent where they follow the JSON in binary."""

    name: Literal["text"]
    shape: Annotated[list[Annotated[int, Meta(ge=1)]], Meta(min_length=1, max_length=2)]
    datatype: Literal["BYTES"]
    data: (
        Annotated[
            list[Text | Annotated[list[Text], Meta(min_length=1, max_length=1)]],
            Meta(min_length=1, extra_json_schema={"maxItems": "texts"}),
        ]
        | UnsetType
    ) = UNSET
    parameters: dict[str, Any] | None = None


class OutputParameters(msgspec.Struct, frozen=True):
    """How an output is given."""

    binary_data: bool | UnsetType = UNSET
    classification: Annotated[int, Meta(ge=0, le=10_000)] | UnsetType = UNSET


class WantedOutput(msgspec.Struct, frozen=True):
    """One output that is asked for."""

    name: Literal["label", "scores", "out_of_scope"]
    parameters: OutputParameters | UnsetType = UNSET


class InferRequest(msgspec.Struct, frozen=True):
    """The body of `POST /v2/models/{model}/infer`."""

    inputs: Annotated[list[TextInput], Meta(min_length=1, max_length=1)]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[WantedOutput] | None = None


class PredictRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /predict`: one text or several."""

    text: Text | Texts
    top_k: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    model: str | None = None
    version: str | None = None


class Output(msgspec.Struct):
    """One output; in binary, `parameters` says its size and `data` is absent."""

    name: str
    datatype: str
    shape: list[Size]
    data: Sequence[str | float | bool] | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET


class InferParameters(msgspec.Struct, frozen=True):
    """What else there is to say of the answers."""

    truncated: bool
    """whether a text is longer than the model takes"""


class InferResponse(msgspec.Struct, frozen=True):
    """The answer to `POST /v2/models/{model}/infer`."""

    model_name: str
    model_version: str
    outputs: list[Output]
    id: str | UnsetType = UNSET
    parameters: InferParameters | UnsetType = UNSET


class LabelScore(msgspec.Struct, frozen=True):
    """A label and its probability."""

    label: str
    score: float


class Prediction(msgspec.Struct, frozen=True):
    """The answer to one text."""

    label: str
    score: float
    out_of_scope: bool
    top: list[LabelScore]
    truncated: bool | UnsetType = UNSET
    """true where the text is longer than the model takes"""


class Predictions(msgspec.Struct, frozen=True):
    """The answers to several texts, in order."""

    predictions: list[Prediction]


class Live(msgspec.Struct, frozen=True):
    """That the process answers."""

    live: bool


class Ready(msgspec.Struct, frozen=True):
    """Whether requests are taken, and why not."""

    ready: bool
    error: str | UnsetType = UNSET


class ModelReady(msgspec.Struct, frozen=True):
    """That a model answers."""

    name: str
    ready: bool


class Server(msgspec.Struct, frozen=True):
    """The server."""

    name: str
    version: str
    extensions: list[str]


class TensorInfo(msgspec.Struct, frozen=True):
    """An input or an output of a model."""

    name: str
    datatype: str
    shape: list[Size]


class Model(msgspec.Struct, frozen=True):
    """A model's versions, inputs and outputs."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]


class ServedModel(msgspec.Struct, frozen=True):
    """What the page shows of a model."""

    name: str
    version: str
    versions: list[str]
    labels: tuple[str, ...]
    oos_label: str | None
    figures: dict[str, Any] | None
    """as measured; None where nobody has"""


class Models(msgspec.Struct, frozen=True):
    """The models that are served."""

    models: list[ServedModel]


class Error(msgspec.Struct, frozen=True):
    """Why a request is not answered."""

    error: str


DESCRIBED: tuple[type[msgspec.Struct], ...] = (
    Error,
    InferRequest,
    InferResponse,
    Live,
    Model,
    ModelReady,
    Models,
    PredictRequest,
    Prediction,
    Predictions,
    Ready,
    Server,
)
