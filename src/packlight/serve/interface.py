"""The records of requests and responses in JSON. The schemas of the OpenAPI document are derived from them.

Responses are built from these records, so the document is always right. Requests are decoded into more lenient types
(`requests`), so that the server can give its own error messages. Limits from the server's settings are named here, and
filled in by `openapi`.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from packlight.serve.requests import MOST_TOP_K

Text = Annotated[str, Meta(extra_json_schema={"maxLength": "text_bytes"})]
Texts = Annotated[list[Text], Meta(min_length=1, extra_json_schema={"maxItems": "texts"})]
Size = Annotated[int, Meta(ge=-1)]
"""size of a dimension; -1 if it is not known beforehand"""


class TextInput(msgspec.Struct, frozen=True):
    """The texts of a request, of shape [N] or [N, 1]. `data` is absent if they follow the JSON in binary form."""

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
    """The parameters of an output."""

    binary_data: bool | UnsetType = UNSET
    classification: Annotated[int, Meta(ge=0, le=10_000)] | UnsetType = UNSET


class WantedOutput(msgspec.Struct, frozen=True):
    """A requested output."""

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
    top_k: Annotated[int, Meta(ge=1, le=MOST_TOP_K)] = 1
    model: str | None = None
    version: str | None = None


class Output(msgspec.Struct):
    """An output. In binary form, `parameters` has its size and `data` is absent."""

    name: str
    datatype: str
    shape: list[Size]
    data: Sequence[str | float | bool] | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET


class InferParameters(msgspec.Struct, frozen=True):
    """Additional information about the predictions."""

    truncated: bool
    """whether a text is longer than the model's maximum"""


class InferResponse(msgspec.Struct, frozen=True):
    """The response to `POST /v2/models/{model}/infer`."""

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
    """The prediction for one text."""

    label: str
    score: float
    out_of_scope: bool
    top: list[LabelScore]
    truncated: bool | UnsetType = UNSET
    """true if the text is longer than the model's maximum"""


class Predictions(msgspec.Struct, frozen=True):
    """The predictions for several texts, in order."""

    predictions: list[Prediction]


class Live(msgspec.Struct, frozen=True):
    """The process responds."""

    live: bool


class Ready(msgspec.Struct, frozen=True):
    """Whether requests are accepted, or why not."""

    ready: bool
    error: str | UnsetType = UNSET


class ModelReady(msgspec.Struct, frozen=True):
    """Whether a model is ready."""

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
    """A model's description for the page."""

    name: str
    version: str
    versions: list[str]
    labels: tuple[str, ...]
    oos_label: str | None
    figures: dict[str, Any] | None
    """measured figures; None if there are none"""


class Models(msgspec.Struct, frozen=True):
    """The models that are served."""

    models: list[ServedModel]


class Error(msgspec.Struct, frozen=True):
    """An error."""

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
