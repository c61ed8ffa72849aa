"""A server on this machine that speaks the hub's API, as far as huggingface_hub asks for it: what tests pull and push.

Repositories are kept in memory. Files that are large or binary travel as LFS objects, others inside the commit.
"""

import base64
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_tests"


def git_hash(content: bytes) -> str:
    """As git names a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub:
    """The repositories: name -> file -> content; and what was asked."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.endpoint = ""
        self.spoils: set[str] = set()  # files that reach the client with other bytes than the hub names

    def commit_of(self, name: str) -> str:
        """The hash of a repository's only commit: of all that is in it."""
        files = sorted((path, git_hash(content)) for path, content in self.repositories[name].items())
        return hashlib.sha1(json.dumps(files).encode()).hexdigest()


def is_large(path: str) -> bool:
    """Whether a file is an LFS object."""
    return path.endswith((".safetensors", ".npz"))


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers of the hub that the server stands for."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing: tests read `Hub.asked`."""

    def do_GET(self) -> None:
        """What a repository is and holds, and its files."""
        path, hub = self._path(), self.hub
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/.+)?", path):
            return self._describe(found[1])
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/[^/]+/?", path):
            return self._answer([self._entry(file, content) for file, content in hub.repositories[found[1]].items()])
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            return self._send_file(found[1], found[2])
        if path == "/api/whoami-v2":
            return self._answer({"name": "me", "type": "user", "orgs": [], "auth": {}})
        self._fail(404, "EntryNotFound", path)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Making repositories and commits."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self._path()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._fail(401, "", "Invalid username or password.")
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if re.fullmatch(r"/api/models/.+/preupload/.+", path):
            files = [one["path"] for one in json.loads(body)["files"]]
            modes = [
                {"path": one, "uploadMode": "lfs" if is_large(one) else "regular", "shouldIgnore": False}
                for one in files
            ]
            return self._answer({"files": modes})
        if path.endswith(".git/info/lfs/objects/batch"):
            wanted = json.loads(body)["objects"]
            actions = [
                {**one, "actions": {"upload": {"href": f"{self.hub.endpoint}/lfs/{one['oid']}"}}} for one in wanted
            ]
            return self._answer({"transfer": "basic", "objects": actions})
        if found := re.fullmatch(r"/api/models/(.+)/commit/.+", path):
            return self._commit(found[1], [json.loads(line) for line in body.splitlines() if line])
        self._answer({})

    def do_PUT(self) -> None:
        """An LFS object."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        oid = self._path().rpartition("/")[2]
        assert hashlib.sha256(content).hexdigest() == oid
        self.hub.objects[oid] = content
        self._answer({})

    def _path(self) -> str:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        return path

    def _describe(self, name: str) -> None:
        if name not in self.hub.repositories:
            return self._fail(404, "RepoNotFound", "Repository not found")
        siblings = [{"rfilename": file} for file in self.hub.repositories[name]]
        self._answer({"_id": "1", "id": name, "modelId": name, "sha": self.hub.commit_of(name), "siblings": siblings})

    def _entry(self, file: str, content: bytes) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": "file", "path": file, "size": len(content), "oid": git_hash(content)}
        if is_large(file):
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return entry

    def _send_file(self, name: str, file: str) -> None:
        content = self.hub.repositories.get(name, {}).get(file)
        if content is None:
            return self._fail(404, "EntryNotFound", file)
        hash = hashlib.sha256(content).hexdigest() if is_large(file) else git_hash(content)
        headers = {"X-Repo-Commit": self.hub.commit_of(name), "ETag": f'"{hash}"', "Accept-Ranges": "bytes"}
        if file in self.hub.spoils:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self._send(200, content, headers)

    def _create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        self.hub.repositories.setdefault(name, {})
        self.hub.private[name] = wanted.get("private") or wanted.get("visibility") == "private"
        self._answer({"url": f"{self.hub.endpoint}/{name}", "name": name, "id": "1"})

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        files = self.hub.repositories[name]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                assert value["encoding"] == "base64"
                files[value["path"]] = base64.b64decode(value["content"])
            if line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
        oid = self.hub.commit_of(name)
        self._answer({"success": True, "commitUrl": f"{self.hub.endpoint}/{name}/commit/{oid}", "commitOid": oid})

    def _answer(self, values: Any) -> None:
        self._send(200, json.dumps(values).encode(), {"Content-Type": "application/json"})

    def _fail(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message} if code else {}
        self._send(status, json.dumps({"error": message}).encode(), {"Content-Type": "application/json", **headers})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """While it lasts, a hub listens at `Hub.endpoint`."""
    hub = Hub()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": hub}))
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
