"""A manifest against KServe's own classes: `python check_manifest.py FILE`, in an environment with kserve.

The classes are generated from the types that the InferenceService's custom resource definition is generated from, and
those of Kubernetes from its OpenAPI document. Objects are made of them from the inside out: a field that a class does not
have, a value of another type and a required field that is missing end with status 1 and the place on standard error.
"""

import re
import sys
from pathlib import Path

import yaml
from kubernetes import client

import kserve

API_VERSION, KIND = "serving.kserve.io/v1beta1", "InferenceService"
PLAIN = {"str": str, "int": int, "float": (int, float), "bool": bool}
FREE = ("object", "V1FieldsV1")
MANY = re.compile(r"list\[(?P<item>.+)\]|dict\(str, (?P<old>.+)\)|dict\[str, (?P<new>.+)\]", re.IGNORECASE)


class WrongError(Exception):
    """A place in the manifest and what is wrong there."""


def build(kind, value, where):
    """The object of a kind that a value describes."""
    if kind in FREE:
        return value
    if kind in PLAIN:
        return plain(kind, value, where)
    if many := MANY.fullmatch(kind):
        if many["item"]:
            demand(isinstance(value, list), where, f"a list is expected, not {value!r}")
            return [build(many["item"], each, f"{where}[{index}]") for index, each in enumerate(value)]
        demand(isinstance(value, dict), where, f"a mapping is expected, not {value!r}")
        return {key: build(many["old"] or many["new"], each, f"{where}.{key}") for key, each in value.items()}
    return instance(getattr(kserve, kind, None) or getattr(client, kind), value, where)


def plain(kind, value, where):
    """A value without parts; true is no number here."""
    right = isinstance(value, PLAIN[kind]) and (kind == "bool" or not isinstance(value, bool))
    demand(right, where, f"{kind} is expected, not {value!r}")
    return value


def instance(model, value, where):
    """An object of one of the generated classes."""
    demand(isinstance(value, dict), where, f"{model.__name__} is expected, not {value!r}")
    attributes = {name: attribute for attribute, name in model.attribute_map.items()}
    unknown = sorted(set(value) - set(attributes))
    demand(not unknown, where, f"{model.__name__} has no field {', '.join(unknown)}")
    parts = {
        attributes[name]: build(model.openapi_types[attributes[name]], part, f"{where}.{name}")
        for name, part in value.items()
    }
    try:
        return model(**parts)
    except ValueError as error:
        raise WrongError(f"{where}: {error}") from error


def demand(holds, where, otherwise):
    if not holds:
        raise WrongError(f"{where}: {otherwise}")


def check(document):
    """One InferenceService."""
    given = document.get("apiVersion"), document.get("kind")
    demand(given == (API_VERSION, KIND), "document", f"{given} is not {(API_VERSION, KIND)}")
    return build("V1beta1InferenceService", document, KIND)


if __name__ == "__main__":
    try:
        for each in yaml.safe_load_all(Path(sys.argv[1]).read_text()):
            print(check(each).metadata.name)  # noqa: T201 - the test reads it
    except WrongError as error:
        sys.exit(str(error))
