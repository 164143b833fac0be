"""The compose file against the compose specification: the elements that it uses, with the forms that these may have.

https://github.com/compose-spec/compose-spec/blob/main/05-services.md
"""

import copy

import pytest

from packlight.serve.deploy.compose import compose

pytest_plugins = ["deployed"]
DURATION = r"^([0-9]+(us|ms|s|m|h))+$"
BYTES = r"^[0-9]+(b|k|m|g|kb|mb|gb)$"
PORTS = r"^([0-9.]+:)?([0-9]+(-[0-9]+)?:)?[0-9]+(-[0-9]+)?(/(tcp|udp))?$"
SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image"],
    "properties": {
        "build": {"type": ["string", "object"]},
        "image": {"type": "string"},
        "ports": {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": PORTS}},
        "environment": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}},
        "read_only": {"type": "boolean"},
        "tmpfs": {"type": "array", "items": {"type": "string", "pattern": "^/[^:]*(:[^:]+)?$"}},
        "cap_drop": {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
        "security_opt": {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
        "cpus": {"type": ["number", "string"]},
        "mem_limit": {"type": "string", "pattern": BYTES},
        "stop_grace_period": {"type": "string", "pattern": DURATION},
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
    },
}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["services"],
    "properties": {
        "services": {
            "type": "object",
            "additionalProperties": False,
            "patternProperties": {"^[a-zA-Z0-9._-]+$": SERVICE},
        }
    },
}


@pytest.fixture
def document(deployment):
    return compose(deployment)


@pytest.fixture
def validator():
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    return jsonschema.Draft202012Validator(SCHEMA)


def test_the_file_keeps_the_specification(document, validator):
    assert not list(validator.iter_errors(document))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ports", ["here:8080"]),
        ("mem_limit", 512),
        ("stop_grace_period", "30 seconds"),
        ("restart", "sometimes"),
        ("readonly", True),
        ("tmpfs", ["tmp"]),
    ],
)
def test_a_wrong_element_is_found_out(document, validator, name, value):
    wrong = copy.deepcopy(document)
    wrong["services"]["intent"][name] = value
    assert list(validator.iter_errors(wrong))
