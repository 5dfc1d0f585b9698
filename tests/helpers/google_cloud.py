"""A stand-in on 127.0.0.1 for Google Cloud: metadata server, TPU API, TPU workers."""

import contextlib
import http.server
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

TOKEN = "a token of this test"
NODE = {
    "name": "mine",
    "state": "READY",
    "health": "HEALTHY",
    "acceleratorType": "v3-8",
    "tensorflowVersion": "tpu-ubuntu2204-base",
}
_METADATA = {
    "project/project-id": "some-project",
    "instance/zone": "projects/1/zones/some-zone",
    "instance/attributes/accelerator-type": "v3-8",
    "instance/maintenance-event": "NONE",
    "instance/service-accounts/me@test/token": json.dumps(
        {"access_token": TOKEN, "expires_in": 3600}
    ),
    "instance/service-accounts/default/?recursive=True": json.dumps(
        {"email": "me@test", "scopes": [], "aliases": ["default"]}
    ),
}


class GoogleCloud:
    """What the servers say, and what they were asked to do."""

    def __init__(self, address: str):
        self.address = address  # of the TPU's worker, and of the API
        self.node: dict[str, Any] | None = None
        self.runtime_versions = ["2.20.0", "2.21.0"]
        self.configured: list[str] = []
        self.port = 0

    @property
    def host(self) -> str:
        return f"{self.address}:{self.port}"

    def has(self, **changes: Any) -> None:
        """A node "mine", well but for the changes."""
        worker = {"ipAddress": self.address, "port": str(self.port)}
        self.node = {**NODE, "networkEndpoints": [worker], **changes}

    @property
    def environment(self) -> dict[str, str]:
        """Sends cloud-tpu-client, and the libraries under it, here."""
        return {
            "TPU_API_DISCOVERY_URL": f"http://{self.host}/discovery",
            "GCE_METADATA_IP": self.host,
            "GCE_METADATA_ROOT": self.host,
            "GCE_METADATA_HOST": self.host,
        }

    def answer(self, path: str, authorization: str) -> str | None:
        """None is the status 404."""
        if path == "/":
            return "computeMetadata/"
        if path.startswith("/computeMetadata/v1/"):
            return _METADATA.get(path.removeprefix("/computeMetadata/v1/"))
        if path == "/discovery":
            return json.dumps(self._discovery())
        node = "/v1/projects/some-project/locations/some-zone/nodes/mine"
        if path.partition("?")[0] == node and authorization == f"Bearer {TOKEN}":
            return json.dumps(self.node) if self.node else None
        if path == "/requestversion":
            return json.dumps({"currentVersion": self.runtime_versions[0]})
        return None

    def configure(self, path: str) -> str | None:
        """A worker's change of version."""
        version, _, options = path.removeprefix("/requestversion/").partition("?")
        if version not in self.runtime_versions:
            return None
        self.configured.append(f"{version} {options}")
        self.has(tensorflowVersion=version)
        return ""

    def _discovery(self) -> dict[str, Any]:
        get = {
            "id": "tpu.projects.locations.nodes.get",
            "path": "v1/{+name}",
            "httpMethod": "GET",
            "parameters": {
                "name": {"type": "string", "required": True, "location": "path"}
            },
            "parameterOrder": ["name"],
            "response": {"$ref": "Node"},
        }
        nodes = {"nodes": {"methods": {"get": get}}}
        locations = {"locations": {"resources": nodes}}
        return {
            "name": "tpu",
            "version": "v1",
            "rootUrl": f"http://{self.host}/",
            "servicePath": "",
            "schemas": {"Node": {"id": "Node", "type": "object"}},
            "resources": {"projects": {"resources": locations}},
        }


class _Handler(http.server.BaseHTTPRequestHandler):
    cloud: GoogleCloud

    def do_GET(self) -> None:
        authorization = self.headers.get("Authorization", "")
        self._reply(self.cloud.answer(self.path, authorization))

    def do_POST(self) -> None:
        self._reply(self.cloud.configure(self.path))

    def _reply(self, text: str | None) -> None:
        body = (text or "").encode()
        self.send_response(404 if text is None else 200)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def running() -> Iterator[GoogleCloud]:
    """On an address of this process' own: the port of TPU workers is always 8475."""
    high, low = divmod(os.getpid() % 2**16, 256)
    cloud = GoogleCloud(f"127.77.{high}.{low}")
    handler = type("Handler", (_Handler,), {"cloud": cloud})
    with contextlib.ExitStack() as stack:
        for port in (0, 8475):
            server = http.server.ThreadingHTTPServer((cloud.address, port), handler)
            stack.callback(server.server_close)
            threading.Thread(target=server.serve_forever, args=(0.05,)).start()
            stack.callback(server.shutdown)
            cloud.port = cloud.port or server.server_port
        cloud.has()
        yield cloud
