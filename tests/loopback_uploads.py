"""The uploading half of the loopback Hub: what huggingface_hub's `create_repo` and `create_commit` need."""

import base64
import hashlib
import json
import shutil
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote


class Answer(NamedTuple):
    """Status and JSON document; `code` is the Hub's own word for an error."""

    status: int
    document: dict
    code: str | None = None


def answer(hub, path: str, body: bytes, token: str | None) -> Answer:
    """Answer a POST or PUT; anything but the right token is refused as the Hub does."""
    if path.startswith("/lfs-upload/"):
        return _keep(hub, path.rsplit("/", 1)[-1], body)
    if token != f"Bearer {hub.token}":
        return Answer(401, {"error": "Invalid credentials in Authorization header"})
    if path.endswith(".git/info/lfs/objects/batch"):
        return _batch(hub, json.loads(body))
    parts = unquote(path).strip("/").split("/")
    if parts[1:] == ["repos", "create"]:
        return _create(hub, json.loads(body))
    if parts[1:] == ["validate-yaml"]:
        return Answer(200, {"warnings": [], "errors": []})
    return _change(hub, "/".join(parts[2:4]), parts[4], parts[5], body)


def _change(hub, name: str, verb: str, revision: str, body: bytes) -> Answer:
    if ("model", name) not in hub.repos:
        return Answer(404, {"error": "Repository not found"}, "RepoNotFound")
    if verb == "preupload":
        return _preupload(json.loads(body))
    if verb == "commit":
        return _commit(hub, name, revision, body)
    hub.branches.append(revision)
    return Answer(200, {})


def _create(hub, asked: dict) -> Answer:
    name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
    if ("model", name) in hub.repos:
        return Answer(409, {"error": "You already created this model repo", "url": f"{hub.url}/{name}"})
    hub.created[name] = asked
    folder = hub.home / "empty"
    folder.mkdir(parents=True, exist_ok=True)
    hub.model(name, folder)
    return Answer(200, {"url": f"{hub.url}/{name}", "name": name})


def _preupload(asked: dict) -> Answer:
    lfs = (".safetensors", ".onnx")
    return Answer(
        200,
        {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(lfs) else "regular",
                    "shouldIgnore": False,
                }
                for file in asked["files"]
            ]
        },
    )


def _batch(hub, asked: dict) -> Answer:
    objects = [
        {
            "oid": each["oid"],
            "size": each["size"],
            "actions": {"upload": {"href": f"{hub.url}/lfs-upload/{each['oid']}", "header": {}}},
        }
        for each in asked["objects"]
    ]
    return Answer(200, {"transfer": "basic", "objects": objects})


def _keep(hub, oid: str, body: bytes) -> Answer:
    if hashlib.sha256(body).hexdigest() != oid:
        return Answer(400, {"error": "the content is not what its hash says"})
    store = hub.home / "lfs"
    store.mkdir(parents=True, exist_ok=True)
    (store / oid).write_bytes(body)
    return Answer(200, {})


def _commit(hub, name: str, revision: str, body: bytes) -> Answer:
    lines = [json.loads(line) for line in body.splitlines()]
    folder: Path = hub.home / "uploaded" / hashlib.sha1(body).hexdigest()
    for line in lines:
        value = line["value"]
        if line["key"] == "header":
            hub.messages.append(value["summary"])
            continue
        target = folder / value["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        if line["key"] == "lfsFile":
            shutil.copyfile(hub.home / "lfs" / value["oid"], target)
        else:
            target.write_bytes(base64.b64decode(value["content"]))
    commit = hub.model(name, folder, revision=revision)
    return Answer(200, {"commitUrl": f"{hub.url}/{name}/commit/{commit}", "commitOid": commit, "hookOutput": ""})
